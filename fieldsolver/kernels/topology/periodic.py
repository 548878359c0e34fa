"""Closed polygons in a periodic box: the linking number of one loop with all images of another.

Loops that close without running through the box (homologically trivial ones) are linked with finitely many images, and
the sum over them does not depend on which images were given. The sum over the images of an open or infinite chain
converges only conditionally: it has no value without a convention, and is refused.

Source: Panagiotou, *The linking number in systems with periodic boundary conditions*, J. Comput. Phys. 300 (2015) 533.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import CurveError
from fieldsolver.results import AnalysisResult, Verdict

from .curves import Points, closed_polygon
from .linking_number import LinkingNumber, linking_result

if TYPE_CHECKING:
    import xarray

SCHEMA = "periodic_linking/1"
SLACK = 1e-9
"""Share of a box length by which images that just miss each other still count as neighbours."""


class PeriodicLinking(AnalysisResult):
    """A sum over images, and what each of them adds."""

    @property
    def value(self) -> int:
        """The periodic linking number; raises `VerdictNotReached` where it is not proved."""
        self.assert_pass()
        return int(self["lk"])


def periodic_linking_number(a: Any, b: Any, box: Any, *, wrapped: bool = False) -> PeriodicLinking:
    """The sum of the linking numbers of a closed polygon with all periodic images of another.

    Args:
        a: corners ``(N, 3)``.
        b: corners ``(M, 3)``.
        box: lengths ``(3,)``, infinite where space is not periodic, or lattice vectors ``(3, 3)``, one per row.
        wrapped: the corners were put back into the box one by one. They are unwrapped: every segment, the closing one
            too, goes to the nearest image of its end, so segments must be shorter than half the box.

    Returns:
        Schema ``periodic_linking/1``, dimension ``image``, only images that no plane parts from a: `shift` with 3
        columns, `image_lk`, `min_distance`; scalar `lk`, their sum. PROVED: all numbers are. DEGENERATE: a touches an
        image. UNRESOLVED: it comes too close to one.

    Raises:
        CurveError: no polygon, no box, or a loop that runs through the box: it is an infinite chain.
    """
    lattice, periodic = _lattice(box)
    first, second = closed_polygon(a, "a"), closed_polygon(b, "b")
    if wrapped:
        first, second = (unwrapped(one, lattice, periodic, name) for one, name in ((first, "a"), (second, "b")))
    shifts = _shifts(first, second, lattice, periodic)
    found = [_linking_with_image(first, second, shift @ lattice) for shift in shifts]
    return PeriodicLinking(_dataset(shifts, found), *_verdict(shifts, found), SCHEMA)


def unwrapped(corners: Points, lattice: Points, periodic: np.ndarray, name: str) -> Points:
    """The loop whose segments go to the nearest images of their ends.

    Raises:
        CurveError: it does not come back to its first corner.
    """
    steps = np.roll(corners, -1, axis=0) - corners
    jumps = np.where(periodic, np.round(steps @ np.linalg.inv(lattice)), 0)
    through = -jumps.sum(axis=0)
    if through.any():
        raise CurveError(
            f"{name} runs through the box {tuple(through.astype(int).tolist())} times along its axes and never closes: "
            "it is linked with infinitely many images, and their sum has no value"
        )
    before = np.concatenate([np.zeros((1, 3)), np.cumsum(jumps, axis=0)[:-1]])
    return corners - before @ lattice


def _lattice(box: Any) -> tuple[Points, np.ndarray]:
    """Lattice vectors as rows ``(3, 3)``, and which of them repeat."""
    lengths = np.asarray(box, dtype=np.float64)
    if lengths.shape == (3,) and (lengths > 0).all():
        periodic = np.isfinite(lengths)
        return np.diag(np.where(periodic, lengths, 1.0)), periodic
    if lengths.shape == (3, 3) and np.isfinite(lengths).all() and np.linalg.cond(lengths) < 1 / SLACK:
        return lengths, np.ones(3, dtype=bool)
    raise CurveError(
        "box is 3 positive lengths (infinite where nothing repeats), or a (3, 3) array of independent lattice vectors; "
        f"got {box!r}"
    )


def _shifts(a: Points, b: Points, lattice: Points, periodic: np.ndarray) -> np.ndarray:
    """The images ``(n, 3)`` of b that no plane along a face of the box parts from a."""
    inverse = np.linalg.inv(lattice)
    one, other = a @ inverse, b @ inverse
    low = np.ceil(one.min(axis=0) - other.max(axis=0) - SLACK)
    high = np.floor(one.max(axis=0) - other.min(axis=0) + SLACK)
    ranges = [range(int(low[k]), int(high[k]) + 1) if periodic[k] else range(1) for k in range(3)]
    return np.array(list(product(*ranges)), dtype=np.int64).reshape(-1, 3)


def _linking_with_image(a: Points, b: Points, offset: Points) -> LinkingNumber:
    """The linking number with a shifted copy, whose corners are rounded: it is proved if nothing can pass meanwhile."""
    found = linking_result(a, b + offset)
    # the product and the sum of each coordinate are rounded once
    moved = 2 * np.finfo(float).eps * float((np.abs(b) + 3 * np.abs(offset)).max())
    if offset.any() and found.status is Verdict.PROVED and float(found["min_distance"]) <= 2 * moved:
        reason = f"the curves come within {float(found['min_distance']):.2g}, which is lost in rounding the image"
        return LinkingNumber(found.dataset, Verdict.UNRESOLVED, reason, found.schema)
    return found


def _verdict(shifts: np.ndarray, found: list[LinkingNumber]) -> tuple[Verdict, str]:
    for bad in (Verdict.DEGENERATE, Verdict.UNRESOLVED):
        for shift, one in zip(shifts, found, strict=True):
            if one.status is bad:
                return bad, f"image {tuple(shift.tolist())} of b: {one.reason}"
    linked = sum(int(one["lk"]) != 0 for one in found)
    total = sum(int(one["lk"]) for one in found)
    return Verdict.PROVED, f"Lk = {total}: {linked} of {len(found)} images of b nearby are linked with a, others cannot"


def _dataset(shifts: np.ndarray, found: list[LinkingNumber]) -> xarray.Dataset:
    import xarray

    def along(name: str, long_name: str, units: str = "1") -> tuple[str, np.ndarray, dict[str, str]]:
        return "image", np.array([one[name].item() for one in found]), {"units": units, "long_name": long_name}

    lk = sum(int(one["lk"]) for one in found)
    return xarray.Dataset(
        {
            "lk": ((), lk, {"units": "1", "long_name": "periodic linking number, if the status is proved"}),
            "image_lk": along("lk", "linking number with the image"),
            "min_distance": along("min_distance", "least distance to the image", "length"),
            "shift": (("image", "axis"), shifts, {"units": "1", "long_name": "image, in lattice vectors"}),
        },
        coords={
            "image": ("image", np.arange(len(shifts)), {"units": "1", "long_name": "image of b"}),
            "axis": ("axis", np.arange(3), {"units": "1", "long_name": "lattice vector"}),
        },
    )
