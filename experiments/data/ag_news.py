"""AG News: title and description of news articles in four classes.

X. Zhang, J. Zhao and Y. LeCun, "Character-level Convolutional Networks for Text Classification", NeurIPS 2015, from
A. Gulli's corpus of news articles. Its files have lost the ``&`` of most HTML entities and hold line ends as
backslashes. Published accuracies are those on the text as it is: what is left of the markup tells the newspaper, and
the newspaper the class. `cleaned` mends it, for models that are to read other news.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .dataset import Pair
from .raw_files import class_index, csv_rows
from .splits import TextSplit

CLASSES = ("World", "Sports", "Business", "Sci/Tech")

_LOST_NUMBER = re.compile(r"[ &]?#(\d{2,5}|x[0-9a-fA-F]{2,4});")  # the & has become a space
_LOST_NAME = re.compile(r"[ &]?\b(quot|amp|lt|gt|nbsp|hellip|[lr][sd]quo|[mn]dash|eacute);")
# Named, because "<AAPL.O>" is a share, not a tag.
_TAG = re.compile(r"</?(?:a|b|br|cite|del|em|font|i|img|nobr|p|strong|u)\b(?!\.)[^<>]*>", re.IGNORECASE)
_SPACE = re.compile(r"[\s\\]+")


def read_pack(train: Path, test: Path, *, text: Callable[[str], str]) -> Pair:
    """The training part has a header and a further column, the test file is the official one."""
    return _read(train, text, header=True), _read(test, text, header=False)


def read_official(train: Path, test: Path, *, text: Callable[[str], str]) -> Pair:
    """Both files are the official ones: class 1-4, title, description, no header."""
    return _read(train, text, header=False), _read(test, text, header=False)


def published(text: str) -> str:
    """The text as it is, but for backslashes and runs of white space, which become one space."""
    return _SPACE.sub(" ", text).strip()


def cleaned(text: str) -> str:
    """Entities become their characters; tags, backslashes and runs of white space become one space."""
    text = _LOST_NUMBER.sub(r"&#\1;", text)
    text = _LOST_NAME.sub(r"&\1;", text)
    # Twice: "&amp;lt;b&amp;gt;" is a tag that was escaped before it was collected.
    text = html.unescape(html.unescape(text))
    return published(_TAG.sub(" ", text))


def _read(path: Path, text: Callable[[str], str], *, header: bool) -> TextSplit:
    texts, labels = [], []
    for place, (label, title, description) in csv_rows(path, ("label", "title", "description"), header=header):
        labels.append(class_index(label, 1, CLASSES, place))
        texts.append(text(f"{title} {description}"))
    return TextSplit(texts, np.array(labels))
