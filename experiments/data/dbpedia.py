"""DBpedia-14: the first words of Wikipedia articles in 14 classes of things.

X. Zhang, J. Zhao and Y. LeCun, NeurIPS 2015, from J. Lehmann et al., "DBpedia", Semantic Web 6 (2015). Only the content
is used, without the title, which often gives the class away; every text is brought to the same plain form, because the
two packs come from different copies.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fieldsolver.errors import FileFormatError, MissingDependencyError

from .dataset import Pair
from .raw_files import class_index, csv_rows
from .splits import TextSplit

CLASSES = (
    "Company", "EducationalInstitution", "Artist", "Athlete", "OfficeHolder", "MeanOfTransportation", "Building",
    "NaturalPlace", "Village", "Animal", "Plant", "Album", "Film", "WrittenWork",
)  # fmt: skip

_NOT_PLAIN = re.compile("[^a-z0-9]+")


def read_pack(train: Path, test: Path) -> Pair:
    """Both files have a header with at least label and content."""
    return _read_rows(train), _read_rows(test)


def read_official(train: Path, test: Path) -> Pair:
    """Both files are Parquet tables with the columns label and content.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    return _read_table(train), _read_table(test)


def normalised(text: str) -> str:
    """ASCII letters in lower case and digits, with single spaces between words."""
    ascii_only = text.encode("ascii", "ignore").decode()
    return _NOT_PLAIN.sub(" ", ascii_only.lower()).strip()


def _read_rows(path: Path) -> TextSplit:
    texts, labels = [], []
    for place, (label, content) in csv_rows(path, ("label", "content"), header=True):
        labels.append(class_index(label, 0, CLASSES, place))
        texts.append(normalised(content))
    return TextSplit(texts, np.array(labels))


def _read_table(path: Path) -> TextSplit:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingDependencyError(
            "the complete DBpedia comes as Parquet, which needs the package 'pyarrow'; "
            "pip install 'fieldsolver[experiments]'"
        ) from None
    try:
        columns = pyarrow.parquet.read_table(path, columns=["label", "content"]).to_pydict()
        labels, contents = columns["label"], columns["content"]
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise FileFormatError(
            f"{str(path)!r} is no Parquet table with label and content ({error}); remove it"
        ) from None
    texts, numbers = [], []
    for row, (label, content) in enumerate(zip(labels, contents, strict=True)):
        place = f"{str(path)!r}, row {row}"
        if not isinstance(content, str):
            raise FileFormatError(f"{place} has no content")
        numbers.append(class_index(label, 0, CLASSES, place))
        texts.append(normalised(content))
    return TextSplit(texts, np.array(numbers))
