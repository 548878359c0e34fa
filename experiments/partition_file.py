"""`fieldsolver partition`: the weights of a file in parts of equal sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fieldsolver.errors import FileFormatError

from .curve_files import read_array

SUFFIXES = (".csv", ".txt", ".npy")
MOST_ITEMS = 20
"""Items of a part that are printed."""


def partition_page(path: str, parts: int, objective: str, time_limit: float) -> str:
    """The parts, their sums and the verdict.

    Raises:
        FileFormatError: a file that cannot be used.
        OptionError: weights or options that make no sense.
    """
    from fieldsolver.kernels import partition

    weights = read_weights(Path(path))
    found = partition(weights, parts, objective=objective, time_limit=time_limit)
    lines = [f"{path}: {len(weights)} weights in {parts} parts"]
    for number, (items, total) in enumerate(zip(found.parts, found.sums, strict=True)):
        shown = ", ".join(str(weights[item]) for item in items[:MOST_ITEMS])
        more = f", ... ({len(items)} in all)" if len(items) > MOST_ITEMS else ""
        lines.append(f"  part {number}: sum {total}: {shown}{more}")
    return "\n".join([*lines, f"{found.status.name}: {found.reason}"])


def read_weights(path: Path) -> list[Any]:
    """The numbers of a file, integers of any size as they are written; npy: an array ``(n,)``.

    A first line in which nothing is a number is a header.

    Raises:
        FileFormatError: there is no such file, or something in it is no number.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise FileFormatError(f"{path}: weights are read from {', '.join(SUFFIXES)} files, got suffix {path.suffix!r}")
    if not path.is_file():
        raise FileFormatError(f"there is no file {str(path)!r}")
    if path.suffix.lower() == ".npy":
        array = read_array(path)
        if array.ndim != 1 or array.dtype.kind not in "iuf":
            raise FileFormatError(f"{path}: expected numbers of shape (n,), got {array.dtype} of shape {array.shape}")
        return list(array.tolist())
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError):
        raise FileFormatError(f"{path} cannot be read as text") from None
    rows = [(number, _cells(line)) for number, line in enumerate(lines, start=1)]
    rows = [(number, cells) for number, cells in rows if cells]
    if rows and not any(map(_is_number, rows[0][1])):  # a header
        del rows[0]
    return [_number(cell, path, number) for number, cells in rows for cell in cells]


def _cells(line: str) -> list[str]:
    return line.removeprefix("\ufeff").split("#")[0].replace(",", " ").replace(";", " ").split()


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
