"""Tokenisers by kind: fitted to texts, or read from a file."""

from __future__ import annotations

import os
from collections.abc import Iterable

from fieldsolver.errors import FileFormatError, OptionError, listing, nearest

from .characters import Characters
from .subwords import BytePairs, WordPieces
from .tokeniser import Tokeniser, read_record, refuse_size
from .words import Words

TOKENISERS: dict[str, type[Tokeniser]] = {kind.kind: kind for kind in (Words, BytePairs, WordPieces, Characters)}


def fit_tokeniser(kind: str, texts: Iterable[str], size: int) -> Tokeniser:
    """A tokeniser for these texts, which are those of the training split; the same one every time.

    Args:
        kind: ``"words"``, ``"bpe"`` (byte pairs), ``"wordpiece"`` or ``"characters"``.
        texts: to take the vocabulary from.
        size: number of ids at most, the two reserved ones included.

    Raises:
        OptionError: an unknown kind, a size that is too small, no texts.
        MissingDependencyError: the package tokenizers is not installed, and the kind needs it.
    """
    if kind not in TOKENISERS:
        raise OptionError(f"there is no tokeniser {kind!r}; known: {listing(TOKENISERS)}{nearest(kind, TOKENISERS)}")
    refuse_size(TOKENISERS[kind], size)
    # As in Tokeniser.encode: half a surrogate pair has no UTF-8.
    valid = [text.encode("utf-8", "replace").decode() for text in texts]
    if not any(text and not text.isspace() for text in valid):
        raise OptionError(f"a tokeniser is fitted to texts, got {len(valid)} without a word in them")
    return TOKENISERS[kind].fitted(valid, size)


def load_tokeniser(path: str | os.PathLike[str]) -> Tokeniser:
    """The tokeniser that `Tokeniser.save` wrote; it encodes as it did.

    Raises:
        FileFormatError: no such file, or none that `save` wrote.
        MissingDependencyError: its kind needs the package tokenizers.
    """
    kind, content = read_record(path)
    if kind not in TOKENISERS:
        raise FileFormatError(f"{str(path)!r} is a tokeniser of the kind {kind!r}; known: {listing(TOKENISERS)}")
    return TOKENISERS[kind](content)
