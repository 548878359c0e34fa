"""`fieldsolver link`: the linking numbers, or Gauss integrals, of all pairs of the curves in some files."""

from __future__ import annotations

import math
from itertools import combinations

from fieldsolver.errors import CurveError, OptionError

from .curve_files import Curves, read_curves

Box = tuple[float, float, float]
NO_BOX = (math.inf, math.inf, math.inf)

MOST_COLUMNS = 12
"""Curves up to which a matrix is printed besides the pairs."""


def link_page(paths: tuple[str, ...], *, open_: bool = False, box: Box = NO_BOX) -> tuple[str, int]:
    """The page, and the exit code: 1 where some number is not proved.

    Args:
        paths: the files.
        open_: the curves are open chains.
        box: lengths of a periodic box; inf where nothing repeats.

    Raises:
        FileFormatError: a file that cannot be used.
        OptionError: no file, or a box around open chains.
        CurveError: fewer than two curves, or points that are no curve.
    """
    if not paths:
        raise OptionError("name the files of the curves: fieldsolver link FILE [FILE ...]")
    curves = read_curves(paths)
    if len(curves) < 2:
        raise CurveError(f"{next(iter(curves))} holds one curve; give two files, or one with several curves")
    periodic = box != NO_BOX
    if open_ and periodic:
        raise OptionError(
            "open chains have no linking number in a periodic box: their sum over images does not converge"
        )
    if open_:
        return _integrals(curves)
    return _periodic_numbers(curves, box) if periodic else _numbers(curves)


def _numbers(curves: Curves) -> tuple[str, int]:
    from fieldsolver.kernels import linking_matrix
    from fieldsolver.kernels.topology.curves import closed_polygon

    names = list(curves)
    polygons = [closed_polygon(points, name) for name, points in curves.items()]
    found = linking_matrix(polygons)
    lines = [_heading(curves, "closed polygons: the last point is joined to the first"), ""]
    for i, j, lk, status in zip(*(found[key].values for key in ("curve_a", "curve_b", "lk", "status")), strict=True):
        if lk or status != "proved" or len(names) == 2:
            number = f"{int(lk):+d}" if status == "proved" else "no number"
            lines.append(f"  {names[int(i)]}  {names[int(j)]}  {number if lk else number.lstrip('+')}  ({status})")
    if found.status.holds and 2 < len(names) <= MOST_COLUMNS:
        width = max(3, max(len(str(entry)) for entry in found.to_dense().ravel()) + 1)
        lines += ["", *("  " + "".join(f"{entry:>{width}d}" for entry in row) for row in found.to_dense())]
    return "\n".join([*lines, "", f"{found.status.name}: {found.reason}"]), 0 if found.status.holds else 1


def _periodic_numbers(curves: Curves, box: Box) -> tuple[str, int]:
    from fieldsolver.kernels import periodic_linking_number
    from fieldsolver.kernels.topology.curves import closed_polygon

    for name, points in curves.items():
        closed_polygon(points, name)  # a message should name the file
    size = " x ".join(f"{length:g}" for length in box)
    lines = [_heading(curves, f"closed polygons in a periodic box of {size}, each with all images of another"), ""]
    holds = True
    for (name, a), (other, b) in combinations(curves.items(), 2):
        found = periodic_linking_number(a, b, box)
        holds &= found.status.holds
        number = f"{found.value:+d}" if found.status.holds else "no number"
        lines.append(f"  {name}  {other}  {'0' if number == '+0' else number}  ({found.status.value}: {found.reason})")
    return "\n".join(lines), 0 if holds else 1


def _integrals(curves: Curves) -> tuple[str, int]:
    from fieldsolver.kernels import gauss_linking_integral
    from fieldsolver.kernels.topology.curves import open_polygon

    for name, points in curves.items():
        open_polygon(points, name)  # a message should name the file

    lines, holds = [_heading(curves, "open chains: Gauss's integral, no integer"), ""], True
    for (name, a), (other, b) in combinations(curves.items(), 2):
        found = gauss_linking_integral(a, b)
        holds &= found.status.holds
        lines.append(f"  {name}  {other}  {found.status.name}: {found.reason}")
    return "\n".join(lines), 0 if holds else 1


def _heading(curves: Curves, kind: str) -> str:
    sizes = ", ".join(f"{name} ({len(points)} points)" for name, points in list(curves.items())[:MOST_COLUMNS])
    more = ", ..." if len(curves) > MOST_COLUMNS else ""
    return f"{len(curves)} curves, {sizes}{more}; {kind}"
