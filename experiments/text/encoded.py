"""`EncodedSplit`: the token ids of many texts in one array, kept on disk if wanted."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fieldsolver.errors import FieldSolverWarning, FileFormatError, OptionError, StateError
from fieldsolver.experiments.data import TextSplit
from fieldsolver.experiments.data.splits import fingerprint_of
from fieldsolver.tensor_files import read_tensors, write_tensors

from .lengths import length_ladder
from .tokeniser import Tokeniser

KEY, SCHEMA = "fieldsolver_encoded", 1
WORTH_KEEPING = 2_000_000  # characters: about a second of work


@dataclass(frozen=True)
class EncodedSplit:
    """Ragged token ids without padding, and labels.

    Attributes:
        ids: of all texts, one behind the other, int32, shape ``(tokens,)``.
        offsets: text i is ``ids[offsets[i]:offsets[i + 1]]``; int64, shape ``(n + 1,)``.
        labels: int64, shape ``(n,)``.
    """

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, ids: Sequence[np.ndarray], labels: Any) -> EncodedSplit:
        """From the ids of each text.

        Raises:
            StateError: not as many labels as texts.
        """
        labels = np.asarray(labels, dtype=np.int64).reshape(-1)
        if len(ids) != len(labels):
            raise StateError(f"{len(ids)} texts came with {len(labels)} labels; each text needs one")
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in ids], dtype=np.int64)]).astype(np.int64)
        flat = np.concatenate(ids).astype(np.int32) if len(ids) else np.empty(0, dtype=np.int32)
        return cls(flat, offsets, labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> np.ndarray:
        """Ids of one text."""
        index = range(len(self))[index]
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, shape ``(n,)``; 0 for an empty text."""
        return np.diff(self.offsets)

    @cached_property
    def ladder(self) -> np.ndarray:
        """The lengths that batches are padded to."""
        return length_ladder(max(1, int(self.lengths.max(initial=1))))

    @property
    def tokens(self) -> int:
        """Tokens of all texts."""
        return len(self.ids)

    def truncated(self, max_length: int) -> EncodedSplit:
        """The first `max_length` tokens of each text.

        Raises:
            OptionError: `max_length` is below 1.
        """
        if max_length < 1:
            raise OptionError(f"max_length is at least 1, got {max_length}")
        if not (self.lengths > max_length).any():
            return self
        place = np.arange(self.tokens) - np.repeat(self.offsets[:-1], self.lengths)
        offsets = np.concatenate([[0], np.cumsum(np.minimum(self.lengths, max_length))])
        return EncodedSplit(self.ids[place < max_length], offsets, self.labels)

    def select(self, indices: Any) -> EncodedSplit:
        """The texts of these indices, in their order; a slice, a mask or integers."""
        chosen = np.arange(len(self))[indices].reshape(-1)
        return EncodedSplit.of([self[int(index)] for index in chosen], self.labels[chosen])


def encode_split(
    tokeniser: Tokeniser,
    split: TextSplit,
    max_length: int | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> EncodedSplit:
    """Encode all texts of a split.

    Args:
        tokeniser: fitted to the training split.
        split: texts and labels.
        max_length: keep the first tokens of each text only; None: all.
        cache: folder that keeps the ids of large splits, by the contents of split and tokeniser; None: none is kept.

    Raises:
        OptionError: `max_length` is below 1.
    """
    kept = None if cache is None or sum(map(len, split.texts)) < WORTH_KEEPING else _kept(Path(cache), tokeniser, split)
    encoded = _read(kept, split) if kept is not None else None
    if encoded is None:
        encoded = EncodedSplit.of(tokeniser.encode(split.texts), split.labels)
        if kept is not None:
            _write(kept, encoded)
    return encoded if max_length is None else encoded.truncated(max_length)


def _kept(cache: Path, tokeniser: Tokeniser, split: TextSplit) -> Path:
    name = hashlib.sha256(f"{tokeniser.checksum} {fingerprint_of(split)}".encode()).hexdigest()[:24]
    return cache / f"{name}.safetensors"


def _read(path: Path, split: TextSplit) -> EncodedSplit | None:
    """What is kept, or None; a damaged file is as good as none, for it can be made again."""
    if not path.exists():
        return None
    try:
        tensors, _ = read_tensors(path, key=KEY, schema=SCHEMA, what="encoded split", sealed=True)
    except FileFormatError as error:
        warnings.warn(f"texts are encoded again: {error}", FieldSolverWarning, stacklevel=3)
        return None
    return EncodedSplit(tensors["ids"].numpy(), tensors["offsets"].numpy(), split.labels)


def _write(path: Path, encoded: EncodedSplit) -> None:
    """Keep it; where that cannot be, the work goes on without."""
    from safetensors import SafetensorError

    tensors = {"ids": torch.from_numpy(encoded.ids), "offsets": torch.from_numpy(encoded.offsets)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, tensors, {}, key=KEY, schema=SCHEMA)
    except (OSError, SafetensorError) as error:  # a full disk is either
        why = getattr(error, "strerror", None) or error
        warnings.warn(f"encoded texts cannot be kept in {str(path.parent)!r}: {why}", FieldSolverWarning, stacklevel=3)
