"""``[signals]``: samples in the file itself, or in a CSV file beside it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch

from fieldsolver.errors import FileFormatError, ParameterError, listing, nearest

from ..signals import Signal
from .document import Document, read_limited
from .limits import MAX_CSV_BYTES
from .values import as_tensor


def read_signals(document: Document) -> dict[str, Signal]:
    """The signals as `FieldEquation` takes them, among its parameters."""
    signals = {}
    for name, table in document.table("signals").items():
        if name in document.table("parameters"):
            raise document.refuse(("signals", name), f"has {name!r}, and so has [parameters]; rename one")
        signals[name] = _signal(document, name, table)
    return signals


def _signal(document: Document, name: str, table: dict[str, Any]) -> Signal:
    try:
        if "csv" in table:
            return _from_csv(document, name, table["csv"], table["columns"])
        return Signal(as_tensor(table["times"], "times"), as_tensor(table["values"], "values"))
    except (ParameterError, FileFormatError) as error:
        raise document.refuse(("signals", name), f"{name!r}: {error}") from None


def _from_csv(document: Document, name: str, file: str, columns: list[str]) -> Signal:
    rows = _rows(_path_below(document.path, file))
    header = [title.strip() for title in next(rows, (0, []))[1]]
    for column in columns:
        if header.count(column) != 1:
            many = "twice" if column in header else "not"
            raise FileFormatError(
                f"the column {column!r} is {many} in {file!r}; its columns: {listing(header)}{nearest(column, header)}"
            )
    places = [header.index(column) for column in columns]
    table = torch.tensor([_numbers(file, line, row, header, places) for line, row in rows], dtype=torch.float64)
    if not len(table):
        raise FileFormatError(f"{file!r} has no rows below its header")
    return Signal(table[:, 0], table[:, 1] if len(columns) == 2 else table[:, 1:])


def _path_below(path: Path, file: str) -> Path:
    """The path of a file in the folder of the equation file or below; links may not lead out of it either."""
    try:
        folder = path.parent.resolve()
        target = (folder / file).resolve()
        inside = target.is_relative_to(folder) and not Path(file).is_absolute()
    except (OSError, ValueError, RuntimeError):  # a zero byte, a circle of links
        raise FileFormatError(f"{file!r} is not the name of a file") from None
    if not inside:
        raise FileFormatError(f"{file!r} lies outside the folder of the equation file; put it there or below")
    return target


def _rows(path: Path) -> Any:
    """The rows of a CSV file that are not empty, with their line numbers."""
    try:
        lines = read_limited(path, MAX_CSV_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise FileFormatError(f"{path.name!r} is not text; save it as UTF-8") from None
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise FileFormatError(f"{path.name!r}, line {reader.line_num}: {error}") from None


def _numbers(file: str, line: int, row: list[str], header: list[str], places: list[int]) -> list[float]:
    if len(row) != len(header):
        raise FileFormatError(f"{file!r}, line {line} has {len(row)} columns, the header has {len(header)}")
    try:
        return [float(row[place]) for place in places]
    except ValueError:
        wrong = next(row[place] for place in places if not _is_float(row[place]))
        raise FileFormatError(f"{file!r}, line {line} has {wrong!r} where a number belongs") from None


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
