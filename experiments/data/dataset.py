"""`Dataset`: one line of the catalogue, and the two shapes in which its files come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .remote import RemoteFile
from .splits import TextSplit

Content = TypeVar("Content")
Pair = tuple[TextSplit, TextSplit]
"""The official training split and the official test split."""


@dataclass(frozen=True)
class Pack(Generic[Content]):
    """Compressed files in a folder of the user's.

    Attributes:
        names: of the files.
        read: called with their paths, in order.
        caveat: what a number measured on them must say beside it.
    """

    names: Sequence[str]
    read: Callable[..., Content]
    caveat: str = ""


@dataclass(frozen=True)
class Download(Generic[Content]):
    """The files of the standard source.

    Attributes:
        files: what they are called and where they come from.
        read: called with their paths, in order.
        caveat: what a number measured on them must say beside it.
    """

    files: Sequence[RemoteFile]
    read: Callable[..., Content]
    caveat: str = ""


@dataclass(frozen=True)
class Source(Generic[Content]):
    """What is known of a set of files before any is read.

    Attributes:
        title: as its authors call it.
        description: one line for `fieldsolver list data`.
        licence: what it may be used for.
        citation: whom to cite.
        cache: name of the folder that its downloads are kept in.
        pack: as it comes in a data folder.
        download: as it comes over the network.
    """

    title: str
    description: str
    licence: str
    citation: str
    cache: str
    pack: Pack[Content]
    download: Download[Content]


@dataclass(frozen=True)
class Dataset(Source[Pair]):
    """Labelled texts.

    Attributes:
        classes: names, in the order of the labels.
        rows: of the complete official training and test splits.
    """

    classes: tuple[str, ...]
    rows: tuple[int, int]
