"""Texts without labels, for models that predict tokens: a corpus, or what a data set for classification holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fieldsolver.errors import OptionError, listing, nearest

from .catalogue import CORPORA, DATASETS
from .load import load_corpus, load_text
from .splits import fingerprint_of


@dataclass(frozen=True)
class PlainTexts:
    """Three parts without labels; no text crosses the border between two.

    Attributes:
        name: as in `CORPORA` or `DATASETS`.
        train, validation, test: texts; a corpus has one in each part.
        running: each part is one long text.
        note: one line that stands beside every number measured on it.
        fingerprint: 16 hexadecimal digits of all texts and their division.
    """

    name: str
    train: list[str]
    validation: list[str]
    test: list[str]
    running: bool
    note: str
    fingerprint: str

    classes: ClassVar[tuple[str, ...]] = ()


def load_plain(name: str, *, validation: float = 0.1, fraction: float = 1.0) -> PlainTexts:
    """The texts of a corpus or of a data set, looked for like those of `load_text`.

    The last part of a corpus, which its authors hold out, is the test part; the end of the rest is kept back for
    choices. The parts of a data set are those of `load_text`.

    Args:
        name: in `CORPORA` or `DATASETS`.
        validation: fraction of the training text that is kept back.
        fraction: of what is left, the share that is used; of a corpus its beginning.

    Raises:
        OptionError: an unknown name, a validation outside [0, 1), or a fraction outside (0, 1].
        FileFormatError, DataUnavailable: as for `load_text`.
    """
    refuse_unknown(name)
    if not 0 <= validation < 1:
        raise OptionError(f"validation is a fraction in [0, 1) of the training text, got {validation}")
    if not 0 < fraction <= 1:
        raise OptionError(f"fraction is the share of the training text that is used, in (0, 1], got {fraction}")
    return _of_corpus(name, validation, fraction) if name in CORPORA else _of_dataset(name, validation, fraction)


def refuse_unknown(name: str) -> None:
    """Raises `OptionError` with the nearest name unless there is such a corpus or data set."""
    known = [*DATASETS, *CORPORA]
    if name not in known:
        raise OptionError(f"there is no data set {name!r}; known: {listing(known)}{nearest(name, known)}")


def _of_corpus(name: str, validation: float, fraction: float) -> PlainTexts:
    corpus = load_corpus(name)
    cut = round((1 - validation) * len(corpus.train))
    train, kept = corpus.train[: round(fraction * cut)], corpus.train[cut:]
    note = (
        f"trained on the first {len(train):,} of {len(corpus.train):,} characters, the last {len(kept):,} of them for "
        f"validation; tested on the {len(corpus.validation):,} characters after them"
    )
    test = corpus.validation
    return PlainTexts(name, [train], [kept], [test], True, note, fingerprint_of(train, kept, test))


def _of_dataset(name: str, validation: float, fraction: float) -> PlainTexts:
    data = load_text(name, validation=validation).part(fraction)
    train, kept, test = (split.texts for split in (data.train, data.validation, data.test))
    return PlainTexts(name, train, kept, test, False, f"{data.note}; without labels", data.fingerprint)
