"""Parts of words: byte pair encoding of bytes, and WordPiece, by the package tokenizers.

R. Sennrich, B. Haddow and A. Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016, on bytes
as A. Radford et al. (2019) for GPT-2; M. Schuster and K. Nakajima, "Japanese and Korean Voice Search", ICASSP 2012,
with the normalisation of J. Devlin et al., "BERT", NAACL 2019.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from types import ModuleType
from typing import Any, ClassVar

from fieldsolver.errors import FileFormatError, MissingDependencyError, OptionError
from fieldsolver.models.parts import UNKNOWN

from .tokeniser import RESERVED, Tokeniser

PREFIX = "##"
ALPHABET = 1000  # as in BERT: what is rarer than the thousand most frequent characters is unknown
AT_ONCE = 1000


class BytePairs(Tokeniser):
    """Any text as UTF-8 bytes, the most frequent neighbours joined; nothing is unknown, decoding is exact."""

    kind: ClassVar[str] = "bpe"
    about: ClassVar[str] = "byte pair encoding of bytes: nothing is unknown, decoding is exact"
    smallest: ClassVar[int] = 256 + len(RESERVED)
    exact: ClassVar[bool] = True

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        library = _library()
        ids = {token: number for number, token in enumerate(self.tokens)}
        model = library.models.BPE(ids, _checked_merges(self.content.get("merges"), ids))
        self._inner = _assembled(model, None, _bytes(library))
        self._decoder = library.decoders.ByteLevel()

    @classmethod
    def fitted(cls, texts: Sequence[str], size: int) -> BytePairs:
        library = _library()
        # The merges go into the file with the vocabulary: without them every text falls back to single bytes.
        inner = _assembled(library.models.BPE(), None, _bytes(library))
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(RESERVED),
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        inner.train_from_iterator(texts, trainer, length=len(texts))
        merges = json.loads(inner.to_str())["model"]["merges"]
        return cls({"tokens": _vocabulary(inner), "merges": [list(pair) for pair in merges]})

    def encode_one_by_one(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        return _encoded(self._inner, texts)

    def join(self, tokens: list[str]) -> str:
        return str(self._decoder.decode(tokens))


class WordPieces(Tokeniser):
    """Words in lower case without accents, split at punctuation, then into the longest known parts from the left."""

    kind: ClassVar[str] = "wordpiece"
    about: ClassVar[str] = "parts of words in lower case, as in BERT"

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        library = _library()
        ids = {token: number for number, token in enumerate(self.tokens)}
        model = library.models.WordPiece(ids, unk_token=RESERVED[UNKNOWN])
        self._inner = _assembled(model, library.normalizers.BertNormalizer(), library.pre_tokenizers.BertPreTokenizer())
        self._decoder = library.decoders.WordPiece(prefix=PREFIX, cleanup=False)

    @classmethod
    def fitted(cls, texts: Sequence[str], size: int) -> WordPieces:
        normaliser = _library().normalizers.BertNormalizer()
        plain = [normaliser.normalize_str(text) for text in texts]  # once: it takes most of the time
        counts: Counter[str] = Counter()
        for text in plain:
            counts.update(text)
        frequent = sorted((c for c in counts if not c.isspace()), key=lambda c: (-counts[c], c))[:ALPHABET]
        # The library numbers what continues a word, "##a", in the order of a hash table, so that ties between merges
        # fall differently in every run. Collected once and handed over in order, they are numbered by us.
        first = _trained(plain, sorted(frequent), (), 0)
        continued = sorted(token for token in _vocabulary(first) if token.startswith(PREFIX) and len(token) > 2)
        tokens = _vocabulary(_trained(plain, sorted(frequent), continued, size))
        if len(tokens) + len(RESERVED) > size:
            raise OptionError(
                f"these texts have {len(tokens)} different characters at the beginning of or inside words; a "
                f"wordpiece tokeniser needs a size of at least {len(tokens) + len(RESERVED)}, got {size}"
            )
        return cls({"tokens": tokens})

    def encode_one_by_one(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        return _encoded(self._inner, texts)

    def join(self, tokens: list[str]) -> str:
        return str(self._decoder.decode(tokens))


def _trained(texts: Sequence[str], alphabet: list[str], continued: Sequence[str], size: int) -> Any:
    """A WordPiece tokeniser of the library, from normalised texts; size 0: single characters only."""
    library = _library()
    model = library.models.WordPiece(unk_token=RESERVED[UNKNOWN])
    inner = _assembled(model, None, library.pre_tokenizers.BertPreTokenizer())
    trainer = library.trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=[*RESERVED, *continued],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer, length=len(texts))
    return inner


def _assembled(model: Any, normaliser: Any, splitter: Any) -> Any:
    inner = _library().Tokenizer(model)
    if normaliser is not None:
        inner.normalizer = normaliser
    inner.pre_tokenizer = splitter
    return inner


def _bytes(library: ModuleType) -> Any:
    return library.pre_tokenizers.ByteLevel(add_prefix_space=False)


def _vocabulary(inner: Any) -> list[str]:
    """Tokens in the order of their ids, without the reserved ones."""
    ids = inner.get_vocab()
    return sorted(ids.keys() - set(RESERVED), key=lambda token: int(ids[token]))


def _encoded(inner: Any, texts: Sequence[str]) -> Iterable[Sequence[int]]:
    for some in _chunks(texts, AT_ONCE):
        for encoding in inner.encode_batch_fast(some, add_special_tokens=False):
            yield encoding.ids


def _chunks(texts: Iterable[str], size: int) -> Iterable[list[str]]:
    remaining = iter(texts)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _checked_merges(merges: Any, ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """The merges of a file; the library would end the program at some that make no sense."""
    if not isinstance(merges, list):
        raise FileFormatError("a bpe tokeniser has a list of merges; this one has none")
    for pair in merges:
        right = isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
        if not right or any(token not in ids for token in (*pair, "".join(pair))):
            raise FileFormatError(f"a merge of a bpe tokeniser joins two tokens to a third; {pair!r} does not")
    return [(left, right) for left, right in merges]


def _library() -> ModuleType:
    """The package tokenizers, on one thread: its threads do not survive a fork, and results must not hang on them."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError:
        raise MissingDependencyError(
            "bpe and wordpiece tokenisers need the package 'tokenizers'; pip install 'fieldsolver[experiments]', or "
            "take the kind 'words'"
        ) from None
    return tokenizers
