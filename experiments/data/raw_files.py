"""Files as they come, read whole or refused in one sentence that names the file and the row."""

from __future__ import annotations

import csv
import io
import json
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fieldsolver.errors import FileFormatError

_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
LONGEST_FIELD = 10_000_000


def read_bytes(path: Path) -> bytes:
    """The contents of a file; of an ``.xz`` file, what was compressed.

    Raises:
        FileFormatError: no file, no right to read it, truncated, damaged or empty.
    """
    if path.is_dir():
        raise FileFormatError(f"{str(path)!r} is a folder; a data file was expected")
    try:
        data = path.read_bytes()
        content = lzma.decompress(data) if path.suffix == ".xz" and data else data
    except lzma.LZMAError as error:
        raise FileFormatError(f"{str(path)!r} is truncated or no xz file ({error}); copy it again") from None
    except OSError as error:
        raise FileFormatError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    if not content:
        raise FileFormatError(f"{str(path)!r} is empty; copy it again")
    return content


def read_text(path: Path) -> str:
    """The contents of a UTF-8 file, with or without a byte order mark; line ends as they are.

    Raises:
        FileFormatError: as for `read_bytes`, or another encoding.
    """
    return decoded(read_bytes(path), str(path))


def decoded(content: bytes, where: str) -> str:
    """UTF-8 bytes as text; `where` they come from is named if they are something else."""
    if mark := _MARKS.get(content[:2]):
        raise FileFormatError(f"{where!r} is {mark}, expected UTF-8; convert it with 'iconv -f {mark} -t UTF-8'")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileFormatError(
            f"{where!r} is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}; convert it, "
            "with 'iconv -f LATIN1 -t UTF-8' if it is Latin-1"
        ) from None
    if "\0" in text:
        raise FileFormatError(f"{where!r} holds NUL characters, which no text does; copy it again")
    return text


def csv_rows(path: Path, columns: Sequence[str], *, header: bool) -> Iterator[tuple[str, list[str]]]:
    """Rows of a comma-separated file with the place of each, ``'file', row 3``, for messages.

    Args:
        path: of the file.
        columns: those wanted; without a header: all, in order.
        header: whether the first row names the columns, in any order and among others.

    Raises:
        FileFormatError: as for `read_text`; a column is missing, or a row is too short or too long.
    """
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
    except csv.Error as error:
        raise FileFormatError(f"{str(path)!r} is no comma-separated file: {error}") from None
    finally:
        csv.field_size_limit(before)
    names = rows.pop(0) if header else list(columns)
    missing = [name for name in columns if name not in names]
    if missing:
        raise FileFormatError(f"{str(path)!r} has no column {missing[0]!r}; its first row is {_short(','.join(names))}")
    where = [names.index(name) for name in columns]
    for number, row in enumerate(rows, start=2 if header else 1):
        place = f"{str(path)!r}, row {number}"
        if len(row) != len(names):
            raise FileFormatError(f"{place} has {len(row)} columns, expected {len(names)}: {', '.join(names)}")
        yield place, [row[index] for index in where]


def json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects of a file with one JSON object a line, with the place of each.

    Raises:
        FileFormatError: as for `read_text`; a line that is no JSON object.
    """
    # Not splitlines: a text may hold the other characters that Python takes for line ends.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{str(path)!r}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise FileFormatError(f"{place} is no JSON: {_short(line)}") from None
        if not isinstance(row, dict):
            raise FileFormatError(f"{place} is no JSON object: {_short(line)}")
        yield place, row


def class_index(value: Any, first: int, classes: Sequence[str], place: str) -> int:
    """A label as class from 0; `first` is the number of the first class in the file.

    Raises:
        FileFormatError: no whole number, or no class has it.
    """
    last = first + len(classes) - 1
    try:
        label = int(str(value))
    except ValueError:
        raise FileFormatError(f"{place}: the label {_short(str(value))} is no whole number {first}..{last}") from None
    if not first <= label <= last:
        raise FileFormatError(f"{place}: the label {label} is none of {first}..{last} ({', '.join(classes)})")
    return label - first


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
