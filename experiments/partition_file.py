"""`fieldsolver partition`: the weights of a file in parts of equal sums."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fieldsolver.errors import FileFormatError, listing

from .curve_files import read_array

SUFFIXES = (".csv", ".txt", ".npy")
MOST_ITEMS = 20
"""Items of a part that are printed."""


def partition_page(path: str, parts: int, objective: str, time_limit: float, column: str = "") -> str:
    """The parts, their sums and the verdict; `column` as in `read_weights`.

    Raises:
        FileFormatError: a file that cannot be used.
        OptionError: weights or options that make no sense.
    """
    from fieldsolver.kernels import partition

    weights = read_weights(Path(path), column)
    found = partition(weights, parts, objective=objective, time_limit=time_limit)
    lines = [f"{path}: {len(weights)} weights in {parts} parts"]
    for number, (items, total) in enumerate(zip(found.parts, found.sums, strict=True)):
        shown = ", ".join(str(weights[item]) for item in items[:MOST_ITEMS])
        more = f", ... ({len(items)} in all)" if len(items) > MOST_ITEMS else ""
        lines.append(f"  part {number}: sum {total}: {shown}{more}")
    return "\n".join([*lines, f"{found.status.name}: {found.reason}"])


def read_weights(path: Path, column: str = "") -> list[Any]:
    """The numbers of a file, integers of any size as they are written; npy: an array ``(n,)``.

    A first line in which nothing is a number is a header. Above rows of several cells it names columns, of which one
    holds the weights: `column`, or else the only one of numbers that does not merely count the rows.

    Raises:
        FileFormatError: there is no such file or column, something in it is no number, or several columns could be
            meant.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise FileFormatError(f"{path}: weights are read from {', '.join(SUFFIXES)} files, got suffix {path.suffix!r}")
    if not path.is_file():
        raise FileFormatError(f"there is no file {str(path)!r}")
    if path.suffix.lower() == ".npy":
        return _array(path, column)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError):
        raise FileFormatError(f"{path} cannot be read as text") from None
    texts = [(number, line.removeprefix("\ufeff").split("#")[0].strip()) for number, line in enumerate(lines, start=1)]
    texts = [(number, text) for number, text in texts if _words(text)]
    if not texts or any(map(_is_number, _words(texts[0][1]))):  # no header
        if column:
            raise FileFormatError(f"{path} names no columns in its first line; leave out --column {column}")
        return _numbers(texts, path)
    (_, header), *rows = texts
    cut = _cutter(header)
    names, cells = cut(header), [(number, cut(text)) for number, text in rows]
    if column in ("", header) and (len(names) == 1 or all(len(own) == 1 for _, own in cells)):
        return _numbers(rows, path)
    return _column(path, names, cells, column)


def _array(path: Path, column: str) -> list[Any]:
    array = read_array(path)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise FileFormatError(f"{path}: expected numbers of shape (n,), got {array.dtype} of shape {array.shape}")
    if column:
        raise FileFormatError(f"{path} holds an array, which names no columns; leave out --column {column}")
    return list(array.tolist())


def _column(path: Path, names: list[str], rows: list[tuple[int, list[str]]], column: str) -> list[Any]:
    """The cells of one column of a table."""
    for number, cells in rows:
        if len(cells) != len(names):
            raise FileFormatError(f"{path}, line {number}: {len(cells)} cell(s) under {len(names)} name(s)")
    columns = [[cells[place] for _, cells in rows] for place in range(len(names))]
    if column and names.count(column) != 1:
        raise FileFormatError(f"{path} has {names.count(column)} columns {column!r}, its columns are {listing(names)}")
    meant = [place for place, cells in enumerate(columns) if all(map(_is_number, cells)) and not _counts(cells)]
    if column:
        meant = [names.index(column)]
    if len(meant) != 1:
        raise FileFormatError(
            f"{path}: {len(meant)} columns may hold the weights, its columns are {listing(names)}; name one with "
            "--column"
        )
    return [_number(cells[meant[0]], path, number) for number, cells in rows]


def _counts(cells: list[str]) -> bool:
    """Whether numbers count the rows: 0, 1, 2, ... or 1, 2, 3, ..."""
    return cells in ([str(first + row) for row in range(len(cells))] for first in (0, 1))


def _cutter(header: str) -> Callable[[str], list[str]]:
    """How lines fall into cells: at semicolons, tabs or commas if the header has them, else at blanks."""
    mark = next((mark for mark in ";\t," if mark in header), None)
    return lambda line: [cell.strip() for cell in line.split(mark)]


def _numbers(lines: list[tuple[int, str]], path: Path) -> list[Any]:
    """All numbers, in any arrangement."""
    return [_number(word, path, number) for number, line in lines for word in _words(line)]


def _words(line: str) -> list[str]:
    return line.replace(",", " ").replace(";", " ").split()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, path: Path, line: int) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise FileFormatError(f"{path}, line {line}: {text!r} is no number; only a first line of words is a header")
