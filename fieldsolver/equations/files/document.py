"""An equation file as text and as tables, before anything is made of it."""

from __future__ import annotations

import itertools
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldsolver.errors import FileFormatError

from .leaves import integer
from .limits import MAX_BYTES, MAX_FAULTS
from .shapes import Fault, Keys, place
from .structure import SCHEMA, file_structure

_STRUCTURE = file_structure()


@dataclass(frozen=True)
class Document:
    """The content of an equation file.

    Attributes:
        path: where it is; files that it names lie in the same folder or below.
        text: as written.
        content: the tables.
    """

    path: Path
    text: str
    content: dict[str, Any]

    def table(self, name: str) -> dict[str, Any]:
        """One of the tables; empty when it is not there."""
        table: dict[str, Any] = self.content.get(name, {})
        return table

    def tables(self, name: str) -> list[dict[str, Any]]:
        """The tables of one list, ``[[name]]``; none when it is not there."""
        tables: list[dict[str, Any]] = self.content.get(name, [])
        return tables

    def faults(self) -> list[Fault]:
        """What is wrong with the structure, in the order in which it is best repaired; at most `MAX_FAULTS`."""
        return list(itertools.islice(_STRUCTURE.faults(self.content, ()), MAX_FAULTS))

    def refuse(self, keys: Keys, message: str) -> FileFormatError:
        """The error about an entry whose structure is right; the sentence begins with its table."""
        return FileFormatError(f"{self.path}: {place(keys[:1])} {message}", keys)


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read a file and see that it is TOML of a version that is known.

    Raises:
        FileFormatError: no such file, not TOML, no version or a newer one.
    """
    path = Path(path)
    text = _text(path)
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise FileFormatError(f"{path} is not TOML: it is nested too deep") from None
    except ValueError as error:  # TOMLDecodeError is one; integers of thousands of digits are another
        raise FileFormatError(f"{path} is not TOML: {error}") from None
    _check_version(path, content)
    return Document(path, text, content)


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, at most `limit` of them; raises `FileFormatError`."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be read forever
            raise FileFormatError(f"{path} cannot be read: it is not a regular file")
        with path.open("rb") as stream:
            raw = stream.read(limit + 1)
    except FileNotFoundError:
        raise FileFormatError(f"there is no file {str(path)!r}") from None
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > limit:
        raise FileFormatError(f"{path} is too large; it may have at most {limit} bytes")
    return raw


def _text(path: Path) -> str:
    try:
        return read_limited(path, MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path} is not TOML: UnicodeDecodeError at byte {error.start}; save it as UTF-8"
        ) from None


def _check_version(path: Path, content: dict[str, Any]) -> None:
    if "schema" not in content:
        raise FileFormatError(f"{path} does not say its schema; begin it with 'schema = {SCHEMA}'")
    version = content["schema"]
    for fault in integer(1).faults(version, ("schema",)):
        raise FileFormatError(f"{path}: {fault}", fault.keys)
    if version > SCHEMA:
        raise FileFormatError(
            f"{path} has schema {version}, this fieldsolver reads up to {SCHEMA}; upgrade fieldsolver", ("schema",)
        )
