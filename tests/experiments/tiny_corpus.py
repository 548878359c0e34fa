"""A corpus of a few thousand characters in which a token says much of the next one."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np

WORDS = ("the", "king", "and", "queen", "of", "a", "small", "land", "went", "to", "sea")


def write_corpus(folder: Path, words: int = 1500, seed: int = 0) -> Path:
    """Words in a circle, of which one in five is left out, as Tiny Shakespeare's pack."""
    random, place, found = np.random.default_rng(seed), 0, []
    for _ in range(words):
        place += 1 + int(random.random() < 0.2)
        found.append(WORDS[place % len(WORDS)])
    (folder / "tinyshakespeare.txt.xz").write_bytes(lzma.compress(" ".join(found).encode()))
    return folder
