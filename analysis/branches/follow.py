"""Pseudo-arclength continuation of equilibria (H. B. Keller, 1977): Newton's method on F and a step along the tangent.

::

    F(u, p) = 0,   tau . (x - x_predicted) = 0   with x = (u, p) and tau the tangent, so that folds are passed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..modes.numbers import Complex, Floats
from .augmented import Point, solve_point
from .family import Family

CORRECTIONS = 8
FIRST, SMALLEST, LARGEST = 0.01, 1e-6, 0.04
"""Steps, in units of the interval of the parameter."""
TURN = 0.95
"""Cosine of the largest angle between two tangents."""
SETTLED = 1e-10


@dataclass(frozen=True)
class Station:
    """A point of a branch.

    Attributes:
        x: ``(u, p)``, ``(n + 1,)``.
        tangent: unit vector along the branch.
        eigenvalues: of the Jacobian, or multipliers of a map.
        residual: largest entry of F.
    """

    x: Tensor
    tangent: Tensor
    eigenvalues: Complex
    residual: float

    @property
    def place(self) -> tuple[Tensor, float]:
        """The state and the parameter."""
        return self.x[:-1], float(self.x[-1])


@dataclass
class Branch:
    """A branch of equilibria.

    Attributes:
        stations: its points in order of arclength.
        points: where stability changes.
        unresolved: values of p between which stability changes, but no simple point was found.
        is_map: whether fixed points of a map were followed.
        reason: why it ends, at both ends.
    """

    stations: list[Station]
    points: list[Point]
    is_map: bool
    reason: list[str] = field(default_factory=list)
    unresolved: list[tuple[float, float]] = field(default_factory=list)

    def unstable(self) -> np.ndarray:
        """Number of unstable eigenvalues at every station."""
        return np.array([unstable_count(station.eigenvalues, is_map=self.is_map) for station in self.stations])

    def arclength(self) -> Floats:
        """Along the branch from its first station."""
        x = np.stack([station.x.numpy() for station in self.stations])
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(x, axis=0), axis=1))])


def unstable_count(eigenvalues: Complex, *, is_map: bool) -> int:
    """How many eigenvalues grow."""
    return int((np.abs(eigenvalues) > 1 + 1e-9).sum() if is_map else (eigenvalues.real > 1e-9).sum())


def follow(
    family: Family,
    u: Tensor,
    p: float,
    bounds: tuple[float, float],
    *,
    is_map: bool = False,
    most: int = 400,
    progress: Callable[[float], None] | None = None,
) -> Branch | None:
    """The branch through a start, between two values of the parameter; None where no equilibrium is near the start.

    Args:
        family: F(u, p).
        u: a state near an equilibrium.
        p: the parameter there, inside `bounds`.
        bounds: where to stop.
        is_map: follow fixed points ``F(u, p) = u`` instead.
        most: number of points in each direction.
        progress: is told the share of the work that is done.
    """
    walk = _Walk(family, bounds, is_map)
    first = walk.start(u, p)
    if first is None:
        return None
    ways, reasons = [], []
    for number, sign in enumerate((1.0, -1.0)):
        found, reason = walk.along(first, sign, most)
        ways.append(found)
        reasons.append(reason)
        if progress is not None:
            progress((number + 1) / 2)
    stations = [*ways[1][::-1], first, *ways[0]]
    # one orientation for all tangents
    oriented = [
        Station(s.x, -s.tangent if i < len(ways[1]) else s.tangent, s.eigenvalues, s.residual)
        for i, s in enumerate(stations)
    ]
    branch = Branch(oriented, [], is_map, reasons[::-1])
    branch.points = list(_events(family, branch, bounds))
    branch.unresolved = list(_unresolved(branch))
    return branch


class _Walk:
    def __init__(self, family: Family, bounds: tuple[float, float], is_map: bool) -> None:
        self._family, self._bounds, self._is_map = family, bounds, is_map
        self._unit = bounds[1] - bounds[0]

    def F(self, x: Tensor) -> Tensor:
        u, p = x[:-1], x[-1]
        value = self._family(u, p)
        return value - u if self._is_map else value

    def start(self, u: Tensor, p: float) -> Station | None:
        x = torch.cat([u.to(torch.float64), torch.tensor([p], dtype=torch.float64)])
        fixed = torch.zeros_like(x)
        fixed[-1] = 1.0
        corrected = self._correct(x, fixed, most=60)
        return None if corrected is None else self._station(corrected, None)

    def along(self, first: Station, sign: float, most: int) -> tuple[list[Station], str]:
        found: list[Station] = []
        last = Station(first.x, sign * first.tangent, first.eigenvalues, first.residual)
        size = FIRST * self._unit
        while len(found) < most:
            if size < SMALLEST * self._unit:
                return found, "the steps became too small"
            following = self._step(last, size)
            if following is None:
                size /= 2
                continue
            p = float(following.x[-1])
            if not self._bounds[0] <= p <= self._bounds[1]:
                return found, "the end of the interval"
            found.append(following)
            last = following
            size = min(1.3 * size, LARGEST * self._unit)
            if len(found) > 10 and float((following.x - first.x).norm()) < 0.5 * size:
                return found, "back at the start"
        return found, "the largest number of points is reached; raise most="

    def _step(self, last: Station, size: float) -> Station | None:
        corrected = self._correct(last.x + size * last.tangent, last.tangent, most=CORRECTIONS)
        if corrected is None:
            return None
        station = self._station(corrected, last.tangent)
        return station if float(station.tangent @ last.tangent) > TURN else None

    def _correct(self, predicted: Tensor, tangent: Tensor, most: int) -> Tensor | None:
        x = predicted
        for _ in range(most):
            DF = torch.func.jacfwd(self.F)(x)
            right = torch.cat([self.F(x), (tangent @ (x - predicted))[None]])
            matrix = torch.cat([DF, tangent[None]])
            if not bool(torch.isfinite(matrix).all()):
                return None
            step = torch.linalg.lstsq(matrix, right[:, None], driver="gelsd").solution[:, 0]
            x = x - step
            if float(step.abs().max()) <= 1e-12 * (1 + float(x.abs().max())):
                return x if float(self.F(x).abs().max()) <= SETTLED * (1 + float(x.abs().max())) else None
        return None

    def _station(self, x: Tensor, before: Tensor | None) -> Station:
        DF = torch.func.jacfwd(self.F)(x)
        tangent = torch.linalg.svd(DF)[2][-1]
        reference = tangent[-1] if before is None else tangent @ before
        tangent = tangent if float(reference) >= 0 else -tangent
        eye = torch.eye(len(x) - 1, dtype=torch.float64)
        eigenvalues = torch.linalg.eigvals(DF[:, :-1] + (eye if self._is_map else 0 * eye)).numpy()
        order = np.lexsort((-eigenvalues.imag, -(np.abs(eigenvalues) if self._is_map else eigenvalues.real)))
        return Station(x, tangent, eigenvalues[order], float(self.F(x).abs().max()))


def _events(family: Family, branch: Branch, bounds: tuple[float, float]) -> Iterator[Point]:
    """Between every two stations the test functions whose sign changes, refined by Newton's method."""
    seen: list[Point] = []
    for a, b in zip(branch.stations, branch.stations[1:], strict=False):
        for kind in _changes(a, b, is_map=branch.is_map):
            middle = (a.x + b.x) / 2
            omega = max(abs(b.eigenvalues.imag)) if kind == "hopf" else 0.0
            if kind == "hopf":
                omega = abs(b.eigenvalues[np.argmin(np.abs(b.eigenvalues.real) + 1e9 * (b.eigenvalues.imag == 0))].imag)
            shifted = _fixed(family) if branch.is_map and kind != "period_doubling" else family
            # a branch that leaves a pitchfork turns there like a fold, and the system of a fold is singular at it
            for one in ("branch", "fold") if kind == "fold" else (kind,):
                point = solve_point(shifted, one, middle[:-1], float(middle[-1]), float(omega))
                if point is not None and _near(point, a, b, bounds):
                    if not any(_same(point, other) for other in seen):
                        seen.append(point)
                        yield point
                    break


def _near(point: Point, a: Station, b: Station, bounds: tuple[float, float]) -> bool:
    """Whether a point lies on the piece of the branch between two stations."""
    length = float((b.x - a.x).norm())
    away = float((torch.cat([point.u, torch.tensor([point.p])]) - (a.x + b.x) / 2).norm())
    return away <= 2 * length and abs(point.p - float(a.x[-1] + b.x[-1]) / 2) <= 0.1 * (bounds[1] - bounds[0])


def _unresolved(branch: Branch) -> Iterator[tuple[float, float]]:
    """Where the number of unstable eigenvalues changes and no point says why."""
    counts = branch.unstable()
    for i in np.flatnonzero(np.diff(counts)):
        a, b = branch.stations[i], branch.stations[i + 1]
        places = [torch.cat([point.u, torch.tensor([point.p])]) for point in branch.points]
        reach = 2 * float((b.x - a.x).norm())
        if not any(float((place - (a.x + b.x) / 2).norm()) <= reach for place in places):
            low, high = sorted((float(a.x[-1]), float(b.x[-1])))
            yield low, high


def _changes(a: Station, b: Station, *, is_map: bool) -> Iterator[str]:
    """Kinds of points that lie between two stations."""
    shift = 1.0 if is_map else 0.0
    if a.tangent[-1] * b.tangent[-1] < 0:
        yield "fold"
    elif _sign(a.eigenvalues - shift) != _sign(b.eigenvalues - shift):
        yield "branch"
    if is_map:
        if _sign(a.eigenvalues + 1) != _sign(b.eigenvalues + 1):
            yield "period_doubling"
    elif _rotating(a) != _rotating(b):
        yield "hopf"


def _sign(values: Complex) -> float:
    return float(np.sign(np.prod(values).real))


def _rotating(station: Station) -> int:
    """Number of growing complex eigenvalues; a pair that becomes real while growing passes no imaginary axis."""
    values = station.eigenvalues
    real = (np.abs(values.imag) <= 1e-9 * np.abs(values).max()) & (values.real > 0)
    return int((values.real > 0).sum() - real.sum()) + 2 * (int(real.sum()) // 2)


def _same(a: Point, b: Point) -> bool:
    return (
        a.kind == b.kind
        and abs(a.p - b.p) <= 1e-8 * (1 + abs(a.p))
        and float((a.u - b.u).abs().max()) <= 1e-7 * (1 + float(a.u.abs().max()))
    )


def _fixed(family: Family) -> Family:
    """The fixed points of a map as zeros."""
    return Family(lambda u, p: family(u, p) - u, family.names, family.parameter)
