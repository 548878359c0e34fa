"""`load_text` and `load_corpus`: from a name to splits, wherever the files are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from fieldsolver.errors import DataUnavailable, FileFormatError, OptionError

from .catalogue import find_corpus, find_dataset
from .dataset import Dataset, Download, Pack, Source
from .division import divided
from .places import DATA, cache_folder, pack_folder
from .remote import fetch
from .splits import Corpus, TextData, TextSplit, fingerprint_of

Content = TypeVar("Content")


def load_text(
    name: str,
    *,
    validation: float = 0.1,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> TextData:
    """A data set for classification.

    Looked for as packs in `folder`, or else in the folder that the environment variable FIELDSOLVER_DATA names; else in
    the user's cache; else downloaded into it from the standard source.

    Args:
        name: in `DATASETS`.
        validation: fraction of the official training split that is kept back for choices, stratified; 0: none.
        seed: of that division.
        folder: of packs; nothing else is looked at then.
        progress: bar while downloading: True always, False never, None on a terminal.

    Raises:
        OptionError: an unknown name, a fraction outside [0, 1), a folder that is none.
        FileFormatError: a file that cannot be used.
        DataUnavailable: on no place of this machine, and it cannot be fetched.
    """
    dataset = find_dataset(name)
    if not 0 <= validation < 1:
        raise OptionError(f"validation is a fraction in [0, 1) of the training split, got {validation}")
    (train, test), form = _contents(name, dataset, folder, progress)
    if form is dataset.download:
        _refuse_incomplete(dataset, train, test)
    if not len(train) or not len(test):
        raise FileFormatError(
            f"the files of {name} hold {len(train)} training and {len(test)} test texts; copy them again"
        )
    division = divided(train, test, validation, seed)
    return TextData(
        name,
        division.train,
        division.validation,
        test,
        dataset.classes,
        official=dataset.rows,
        caveat=form.caveat,
        omissions=division.omissions,
        licence=dataset.licence,
        citation=dataset.citation,
        fingerprint=fingerprint_of(division.train, division.validation, test),
    )


def load_corpus(name: str, *, folder: str | os.PathLike[str] | None = None, progress: bool | None = None) -> Corpus:
    """Running text, looked for like `load_text`'s files.

    Raises:
        OptionError, FileFormatError, DataUnavailable: as for `load_text`.
    """
    corpus = find_corpus(name)
    (train, validation), _ = _contents(name, corpus, folder, progress)
    note = f"first {len(train):,} characters for training, last {len(validation):,} for validation"
    return Corpus(name, train, validation, note, corpus.licence, fingerprint_of(train, validation))


def _contents(
    name: str, source: Source[Content], folder: str | os.PathLike[str] | None, progress: bool | None
) -> tuple[Content, Pack[Content] | Download[Content]]:
    """What the files hold, and in which form they came."""
    packs = pack_folder(folder)
    if packs is not None:
        paths = [packs / file for file in source.pack.names]
        if folder is not None or any(path.exists() for path in paths):
            _refuse_missing(paths)
            return source.pack.read(*paths), source.pack
    cache = cache_folder() / "data" / source.cache
    try:
        paths = [fetch(file, cache, progress) for file in source.download.files]
    except DataUnavailable as error:
        packs_are = f"${DATA} is not set" if packs is None else f"none of its packs is in {str(packs)!r}"
        raise DataUnavailable(
            f"{name}: {packs_are}, not all of it is in the cache {str(cache)!r}, and {error}; connect to the network, "
            f"or set {DATA} to a folder with {' and '.join(source.pack.names)}"
        ) from None
    return source.download.read(*paths), source.download


def _refuse_missing(paths: list[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise FileFormatError(f"{str(path.parent)!r} has no {path.name}; copy it there")


def _refuse_incomplete(dataset: Dataset, train: TextSplit, test: TextSplit) -> None:
    got = len(train), len(test)
    if got != dataset.rows:
        raise FileFormatError(
            f"the downloaded {dataset.title} has {got[0]:,} + {got[1]:,} rows, expected {dataset.rows[0]:,} + "
            f"{dataset.rows[1]:,}; remove the folder {str(cache_folder() / 'data' / dataset.cache)!r} and try again"
        )
