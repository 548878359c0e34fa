"""A folder of packs with a few hundred made-up news, in the form of AG News."""

from __future__ import annotations

import csv
import io
import lzma
from pathlib import Path

import numpy as np

WORDS = (("war", "vote", "president"), ("goal", "match", "team"), ("stock", "bank", "profit"), ("chip", "space", "web"))
COMMON = tuple(f"word{number}" for number in range(60))


def write_packs(folder: Path, train: int = 240, test: int = 120, seed: int = 0) -> Path:
    """`train` and `test` news of four classes; two words of ten tell the class, so that they can be learned."""
    generator = np.random.default_rng(seed)
    rows = [_news(generator, number % 4, number) for number in range(train + test)]
    head = [("label", "title", "description", "src")]
    pieces = {
        "ag_news_train_subset.csv.xz": head + [(*row, "made") for row in rows[:train]],
        "ag_news_test.csv.xz": rows[train:],
    }
    for name, lines in pieces.items():
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(lines)
        (folder / name).write_bytes(lzma.compress(text.getvalue().encode()))
    return folder


def _news(generator: np.random.Generator, label: int, number: int) -> tuple[str, str, str]:
    words = [*generator.choice(COMMON, 8), *generator.choice(WORDS[label], 2)]
    return str(label + 1), f"News {number}", " ".join(generator.permutation(words))
