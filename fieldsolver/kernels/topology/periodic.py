"""Closed polygons in a periodic box: the linking number of one loop with all images of another.

Loops that close without running through the box (homologically trivial ones) are linked with finitely many images, and
the sum over them does not depend on which images were given. The sum over the images of an open or infinite chain
converges only conditionally: it has no value without a convention, and is refused.

Source: Panagiotou, *The linking number in systems with periodic boundary conditions*, J. Comput. Phys. 300 (2015) 533.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import CurveError, OptionError
from fieldsolver.results import AnalysisResult, Verdict

from .curves import Points, closed_polygon, flag, is_whole, real_array
from .linking_number import judged_link

if TYPE_CHECKING:
    import xarray

SCHEMA = "periodic_linking/1"
SLACK = 1e-9
"""Share of a box length by which images that just miss each other still count as neighbours."""

MOST_IMAGES = 10_000
FARTHEST = 2.0**52
"""Boxes between two curves, beyond which float64 does not tell one image from the next."""


class PeriodicLinking(AnalysisResult):
    """A sum over images, and what each of them adds."""

    @property
    def value(self) -> int:
        """The periodic linking number; raises `VerdictNotReached` where it is not proved."""
        self.assert_pass()
        return int(self["lk"])


def periodic_linking_number(
    a: Any, b: Any, box: Any, *, wrapped: bool = False, most_images: int = MOST_IMAGES
) -> PeriodicLinking:
    """The sum of the linking numbers of a closed polygon with all periodic images of another.

    Args:
        a: corners ``(N, 3)``.
        b: corners ``(M, 3)``.
        box: lengths ``(3,)``, infinite where space is not periodic, or lattice vectors ``(3, 3)``, one per row.
        most_images: images that are examined at most; a box far smaller than the curves has any number of them.
        wrapped: the corners were put back into the box one by one. They are unwrapped: every segment, the closing one
            too, goes to the nearest image of its end, so segments must be shorter than half the box.

    Returns:
        Schema ``periodic_linking/1``, dimension ``image``, only images that no plane parts from a: `shift` with 3
        columns, `image_lk`, `min_distance`; scalar `lk`, their sum. PROVED: all numbers are. DEGENERATE: a touches an
        image. UNRESOLVED: it comes too close to one. An image that touches is the last one that is listed.

    Raises:
        CurveError: no polygon, no box, or a loop that runs through the box: it is an infinite chain.
        OptionError: more than `most_images` images reach a.
    """
    lattice, periodic = _lattice(box)
    first, second = closed_polygon(a, "a"), closed_polygon(b, "b")
    if flag(wrapped, "wrapped"):
        first, second = (unwrapped(one, lattice, periodic, name) for one, name in ((first, "a"), (second, "b")))
    shifts = _shifts(first, second, lattice, periodic, most_images)
    found: list[_Image] = []
    for shift in shifts:
        found.append(_image(first, second, shift @ lattice, exact=not wrapped))
        if found[-1].status is Verdict.DEGENERATE:
            break
    examined = shifts[: len(found)]
    return PeriodicLinking(_dataset(examined, found), *_verdict(examined, found), SCHEMA)


def unwrapped(corners: Points, lattice: Points, periodic: np.ndarray, name: str) -> Points:
    """The loop whose segments go to the nearest images of their ends.

    Raises:
        CurveError: it does not come back to its first corner, or a segment is half a box long.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        places = corners @ np.linalg.inv(lattice)
    if not (np.abs(places) <= FARTHEST).all():
        raise CurveError(f"{name} lies more than {FARTHEST:.1g} boxes from the origin; put it into the box")
    steps = (np.roll(corners, -1, axis=0) - corners) @ np.linalg.inv(lattice)
    jumps = np.where(periodic, np.round(steps), 0)
    ties = np.where(periodic, np.abs(steps - jumps), 0) > 0.5 - SLACK
    if ties.any():
        raise CurveError(
            f"segment {int(np.argwhere(ties)[0, 0])} of {name} is half a box long, and either image of its end is as "
            "near; give corners that are closer together, or unwrapped ones"
        )
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
    lengths = real_array(box, "box", "(3,) or (3, 3)").astype(np.float64)
    if lengths.shape == (3,) and (lengths > 0).all():
        periodic = np.isfinite(lengths)
        return np.diag(np.where(periodic, lengths, 1.0)), periodic
    if lengths.shape == (3, 3) and np.isfinite(lengths).all() and np.linalg.cond(lengths) < 1 / SLACK:
        return lengths, np.ones(3, dtype=bool)
    raise CurveError(
        "box is 3 positive lengths (infinite where nothing repeats), or a (3, 3) array of independent lattice vectors; "
        f"got {box!r}"
    )


def _shifts(a: Points, b: Points, lattice: Points, periodic: np.ndarray, most_images: int) -> np.ndarray:
    """The images ``(n, 3)`` of b that no plane along a face of the box parts from a."""
    if not is_whole(most_images) or most_images < 1:
        raise OptionError(f"most_images is a whole number, 1 or more; got {most_images!r}")
    with np.errstate(over="ignore", invalid="ignore"):  # a box of 1e-300: refused below
        low, high = _range_of_images(a, b, np.linalg.inv(lattice).astype(np.float64), periodic)
        count = float(np.prod(np.maximum(high - low + 1, 0.0)))
        farthest = float(np.abs([low, high]).max())
    if not (count <= most_images and farthest <= FARTHEST):
        raise OptionError(
            f"{count:.4g} images of b reach a, up to {farthest:.4g} boxes away, and at most most_images={most_images} "
            "are examined; is the box in the units of the curves? Put the curves into one box, give a larger box, or "
            "raise most_images"
        )
    ranges = [range(int(low[k]), int(high[k]) + 1) for k in range(3)]
    return np.array(list(product(*ranges)), dtype=np.int64).reshape(-1, 3)


def _range_of_images(a: Points, b: Points, inverse: Points, periodic: np.ndarray) -> tuple[Points, Points]:
    """The lowest and the highest shift along each lattice vector, 0 where nothing repeats."""
    one, other = a @ inverse, b @ inverse
    sizes = (np.abs(a).max(axis=0) + np.abs(b).max(axis=0)) @ np.abs(inverse)
    slack = SLACK + 16 * np.finfo(float).eps * sizes  # far from the origin the places in the box are rounded
    low = np.where(periodic, np.ceil(one.min(axis=0) - other.max(axis=0) - slack), 0.0)
    high = np.where(periodic, np.floor(one.max(axis=0) - other.min(axis=0) + slack), 0.0)
    return low, high


@dataclass(frozen=True)
class _Image:
    """What one image adds, and what that is worth."""

    lk: int
    min_distance: float
    status: Verdict
    reason: str


def _image(a: Points, b: Points, offset: Points, *, exact: bool) -> _Image:
    """The linking number with a shifted copy, whose corners are rounded: it is proved if nothing can pass meanwhile.

    `exact`: the corners are those that were given; unwrapped ones are rounded themselves.
    """
    number, _, distance = judged_link(a, b + offset)
    # the product and the sum of each coordinate are rounded once, and once more where they were unwrapped
    sizes = (np.abs(b) + 3 * np.abs(offset)).max() + (0.0 if exact else 4 * (np.abs(a) + np.abs(b).max()).max())
    moved = 2 * np.finfo(float).eps * float(sizes)
    if (offset.any() or not exact) and number.status is Verdict.PROVED and distance <= 2 * moved:
        reason = f"the curves come within {distance:.2g}, which is lost in rounding the image"
        return _Image(number.lk, distance, Verdict.UNRESOLVED, reason)
    return _Image(number.lk, distance, number.status, number.reason)


def _verdict(shifts: np.ndarray, found: list[_Image]) -> tuple[Verdict, str]:
    for bad in (Verdict.DEGENERATE, Verdict.UNRESOLVED):
        for shift, one in zip(shifts, found, strict=True):
            if one.status is bad:
                return bad, f"image {tuple(shift.tolist())} of b: {one.reason}"
    linked = sum(one.lk != 0 for one in found)
    total = sum(one.lk for one in found)
    return Verdict.PROVED, f"Lk = {total}: {linked} of {len(found)} images of b nearby are linked with a, others cannot"


def _dataset(shifts: np.ndarray, found: list[_Image]) -> xarray.Dataset:
    import xarray

    def along(name: str, long_name: str, units: str = "1") -> tuple[str, np.ndarray, dict[str, str]]:
        return "image", np.array([getattr(one, name) for one in found]), {"units": units, "long_name": long_name}

    lk = sum(one.lk for one in found)
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
