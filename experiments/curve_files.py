"""Curves out of files: xyz, csv or txt, npy, and the backbone of pdb."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fieldsolver.errors import FileFormatError, listing

BACKBONE = ("CA", "P")
"""Atoms that stand for a residue of a protein or of a nucleic acid."""

Curves = dict[str, np.ndarray]


def read_curves(paths: tuple[str, ...]) -> Curves:
    """The curves of some files, points ``(N, 3)`` by a name that says where they are from.

    Raises:
        FileFormatError: a file is missing, of another kind, or holds something else; its line is named.
    """
    curves: Curves = {}
    for path in map(Path, paths):
        found = list(_reader(path)(path))
        if not found:
            raise FileFormatError(f"{path} holds no curve")
        for part, points in found:
            curves[_new_name(curves, f"{path.name}{part}", f"{path}{part}")] = points
    return curves


def _new_name(curves: Curves, short: str, long: str) -> str:
    """A name that no curve has: the short one, the one with the folder, or that with a number: ``a.csv (2)``."""
    name, number = (short if short not in curves else long), 1
    while name in curves:
        number += 1
        name = f"{long} ({number})"
    return name


def _reader(path: Path) -> Callable[[Path], Iterator[tuple[str, np.ndarray]]]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise FileFormatError(f"{path}: curves are read from {listing(READERS)} files, got suffix {path.suffix!r}")
    if not path.is_file():
        raise FileFormatError(f"there is no file {str(path)!r}")
    return reader


def _npy(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """One array ``(N, 3)``, or curves of equal length ``(K, N, 3)``."""
    array = read_array(path)
    if array.ndim == 3:
        yield from ((f"[{k}]", points) for k, points in enumerate(array))
    else:
        yield "", array


def _table(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Lines ``x, y, z``; an empty line ends a curve; a first line of words is a header."""
    blocks: list[list[list[float]]] = [[]]
    for number, line in enumerate(_lines(path), start=1):
        cells = line.replace(",", " ").replace(";", " ").split()
        if not cells or cells[0].startswith("#"):
            if not cells and blocks[-1]:
                blocks.append([])
        elif not (number == 1 and not _is_number(cells[0])):
            blocks[-1].append(_point(cells, path, number))
    yield from _named([np.array(block) for block in blocks if block])


def _xyz(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Frames of a number of points, a comment, and lines ``name x y z``; each frame is a curve."""
    lines, place, frames = _lines(path), 0, []
    while place < len(lines):
        if not lines[place].strip():
            place += 1
            continue
        try:
            count = int(lines[place])
        except ValueError:
            raise FileFormatError(
                f"{path}, line {place + 1}: a frame begins with its number of points, got {lines[place]!r}"
            ) from None
        rows = range(place + 2, place + 2 + count)
        if rows.stop > len(lines):
            raise FileFormatError(f"{path}, line {place + 1}: {count} points are announced, and the file ends before")
        frames.append(np.array([_point(lines[row].split()[1:], path, row + 1) for row in rows]))
        place = rows.stop
    yield from _named(frames)


def _pdb(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The backbone of every chain of the first model, one atom per residue (columns of the PDB format, 3.3)."""
    chains: dict[str, dict[str, list[float]]] = {}
    for number, line in enumerate(_lines(path), start=1):
        if line.startswith("ENDMDL"):
            break
        if line.startswith("ATOM") and line[12:16].strip() in BACKBONE:
            residue = line[22:27]  # with its insertion code: of alternative places the first is taken
            point = _point([line[30:38], line[38:46], line[46:54]], path, number)
            chains.setdefault(line[21], {}).setdefault(residue, point)
    for chain, residues in chains.items():
        yield f":{chain}", np.array(list(residues.values()))


READERS = {".xyz": _xyz, ".csv": _table, ".txt": _table, ".npy": _npy, ".pdb": _pdb}


def read_array(path: Path) -> np.ndarray:
    """An npy file of numbers; raises `FileFormatError` for anything else."""
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise FileFormatError(f"{path} is no npy file of numbers: {error}") from None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError):
        raise FileFormatError(f"{path} cannot be read as text") from None


def _named(curves: list[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    yield from ((f"[{k}]" if len(curves) > 1 else "", points) for k, points in enumerate(curves))


def _point(cells: list[str], path: Path, number: int) -> list[float]:
    if len(cells) != 3 or not all(map(_is_number, cells)):
        raise FileFormatError(f"{path}, line {number}: expected 3 coordinates, got {' '.join(cells)!r}")
    return [float(cell) for cell in cells]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
