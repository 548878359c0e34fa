"""`Tokeniser`: texts to integers and back; the same ones after it was saved and loaded."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fieldsolver.errors import FileFormatError, OptionError, StateError
from fieldsolver.experiments.files import write_text
from fieldsolver.models.parts import PAD

FORMAT, VERSION = "fieldsolver tokeniser", 1
RESERVED = ("[PAD]", "[UNK]")
"""How ids 0 (padding) and 1 (unknown) are written; in a text these words are words like others."""


class Tokeniser(ABC):
    """Splits texts into tokens with the ids ``0..size-1``; 0 is padding, 1 what is not in the vocabulary.

    Args:
        content: plain data that says everything, as in its file.

    Attributes:
        kind, about: its name, and one line of words.
        smallest: number of ids at least.
        exact: whether decoding gives a text back, but for what is not in the vocabulary.
    """

    kind: ClassVar[str]
    about: ClassVar[str]
    smallest: ClassVar[int] = 3
    exact: ClassVar[bool] = False

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = dict(content)
        self.tokens: list[str] = [*RESERVED, *tokens_of(self.content)]

    @classmethod
    @abstractmethod
    def fitted(cls, texts: Sequence[str], size: int) -> Tokeniser:
        """A tokeniser with at most `size` ids, from these texts; the same one every time."""

    @abstractmethod
    def encode_one_by_one(self, texts: Sequence[str]) -> Iterable[Sequence[int]]:
        """Ids of each text, which is valid Unicode."""

    @abstractmethod
    def join(self, tokens: list[str]) -> str:
        """The text that these tokens make."""

    @property
    def size(self) -> int:
        """Number of ids, the reserved ones included."""
        return len(self.tokens)

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of kind and content, as hexadecimal digits; tokenisers with equal ones encode equally."""
        return _checksum(self.kind, self.content)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, int32, shape ``(length,)``; none for an empty text.

        Raises:
            StateError: a single string instead of several.
        """
        if isinstance(texts, str):
            raise StateError("encode takes several texts, got one string; write [text]")
        # Half a surrogate pair, which JSON can smuggle in, has no UTF-8; it becomes a question mark.
        valid = [text.encode("utf-8", "replace").decode() for text in texts]
        return [np.array(ids, dtype=np.int32) for ids in self.encode_one_by_one(valid)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of these ids, without padding.

        Raises:
            StateError: an id outside ``0..size-1``.
        """
        numbers = [int(number) for number in ids]
        for number in numbers:
            if not 0 <= number < self.size:
                raise StateError(f"token ids lie in 0..{self.size - 1}, got {number}")
        return self.join([self.tokens[number] for number in numbers if number != PAD])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a JSON file, whole or not at all."""
        record = {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.kind,
            "checksum": self.checksum,
            "content": self.content,
        }
        return write_text(Path(path), json.dumps(record, indent=0) + "\n")

    def __repr__(self) -> str:
        return f"<Tokeniser: {self.kind}, {self.size} ids, {self.checksum[:8]}>"


def tokens_of(content: Mapping[str, Any]) -> list[str]:
    """The vocabulary without the reserved ids.

    Raises:
        FileFormatError: it is no list of different strings.
    """
    tokens = content.get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(token, str) and token for token in tokens):
        raise FileFormatError("the vocabulary of a tokeniser is a list of strings; this one is not")
    if len(set(tokens) | set(RESERVED)) != len(tokens) + len(RESERVED):
        raise FileFormatError("the vocabulary of a tokeniser names every token once; this one repeats some")
    return tokens


def read_record(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Kind and content of a file that `Tokeniser.save` wrote.

    Raises:
        FileFormatError: no such file, not ours, of another version, or altered.
    """
    name = str(path)
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(f"cannot read the tokeniser {name!r}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise FileFormatError(f"{name!r} is no tokeniser: it is no JSON, or cut off; fit it again") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        theirs = isinstance(record, dict) and "model" in record and "pre_tokenizer" in record
        whose = "a tokenizer.json of the tokenizers library" if theirs else "JSON of something else"
        raise FileFormatError(f"{name!r} is {whose}; make one with fit_tokeniser(...).save(path)")
    if record.get("version") != VERSION:
        raise FileFormatError(f"{name!r} has version {record.get('version')!r}, this one reads {VERSION}; upgrade")
    kind, content = record.get("kind"), record.get("content")
    if not isinstance(kind, str) or not isinstance(content, dict) or record.get("checksum") != _checksum(kind, content):
        raise FileFormatError(f"{name!r} was altered: its checksum is not that of its contents; fit it again")
    return kind, content


def refuse_size(kind: type[Tokeniser], size: int) -> None:
    """Raises `OptionError` for a vocabulary that is too small to be one."""
    if size < kind.smallest:
        raise OptionError(f"a {kind.kind!r} tokeniser needs a size of at least {kind.smallest}, got {size}")


def _checksum(kind: str, content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode()).hexdigest()
