"""Tiny Shakespeare: about a megabyte of Shakespeare's plays, from A. Karpathy's char-rnn (2015)."""

from __future__ import annotations

from pathlib import Path

from .raw_files import read_text

TRAIN_FRACTION = 0.9  # nanoGPT's split: the first 90 % of the characters


def read(path: Path) -> tuple[str, str]:
    """The first nine tenths and the rest."""
    text = read_text(path)
    cut = int(TRAIN_FRACTION * len(text))
    return text[:cut], text[cut:]
