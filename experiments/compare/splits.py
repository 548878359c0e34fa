"""The data of a cell as its model takes them: texts, or token ids; kept between the cells of a process."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fieldsolver.errors import FileFormatError
from fieldsolver.experiments.data import TextData, TextSplit, load_text
from fieldsolver.experiments.text import EncodedSplit, Tokeniser, encode_split, fit_tokeniser

from .cell import Cell

VALIDATION, SPLIT_SEED = 0.1, 0


class Encoded(NamedTuple):
    """Token ids of the three splits."""

    train: EncodedSplit
    validation: EncodedSplit
    test: EncodedSplit
    tokeniser: Tokeniser


def whole_data(name: str) -> TextData:
    """A data set with a tenth of its training split set aside for validation, the same tenth for every seed."""
    return _whole(name, os.environ.get("FIELDSOLVER_DATA"))


def texts_of(cell: Cell) -> TextData:
    """The data set, cut down as the cell says."""
    return _texts(cell.data, cell.content, cell.fraction, cell.validation)


def test_split(cell: Cell) -> TextSplit:
    """The texts that the cell is judged by: of the test split, or of the validation split while tuning."""
    data = texts_of(cell)
    split = data.validation if cell.purpose == "tuning" else data.test
    if cell.test_samples is None or cell.test_samples >= len(split):
        return split
    return split.part(cell.test_samples / len(split), seed=SPLIT_SEED)


def encoded(cell: Cell, cache: Path | None) -> Encoded:
    """Token ids; the tokeniser has seen the training split of this cell only."""
    recipe = cell.recipe
    tokeniser = _tokeniser(cell.data, cell.content, cell.fraction, recipe.tokeniser, recipe.vocabulary)
    data = texts_of(cell)
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    train, validation, test = (
        encode_split(tokeniser, split, max_length=recipe.max_length, cache=cache)
        for split in (data.train, data.validation, test_split(cell))
    )
    return Encoded(train, validation, test, tokeniser)


@lru_cache(maxsize=2)
def _whole(name: str, folder: str | None) -> TextData:
    return load_text(name, validation=VALIDATION, seed=SPLIT_SEED).for_training()


@lru_cache(maxsize=4)
def _texts(name: str, content: str, fraction: float, validation: float | None = None) -> TextData:
    data = whole_data(name)
    if data.fingerprint != content:
        raise FileFormatError(
            f"{name} is not the data set that the comparison was begun with (fingerprint {data.fingerprint}, expected "
            f"{content}); set FIELDSOLVER_DATA to the same folder everywhere"
        )
    return data.part(fraction, seed=SPLIT_SEED, validation=validation)


@lru_cache(maxsize=8)
def _tokeniser(name: str, content: str, fraction: float, kind: str, size: int) -> Tokeniser:
    return fit_tokeniser(kind, _texts(name, content, fraction).train.texts, size)
