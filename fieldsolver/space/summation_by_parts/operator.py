"""First and second derivatives between two walls that satisfy summation by parts, with conditions as penalties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import GridError

from ..boundary import Condition
from ..spectral.constants import Constants, along
from ..stencils import central_stencil
from .closed_stencil import ClosedStencil
from .first_derivative import CLOSURE_ROWS
from .layers import added_at_walls, at_wall, differences, is_uniform, running_mean, transposed_differences
from .second_derivative import DIFFERENCE_WEIGHTS, SecondDerivative, closure_points, second_derivative
from .walls import Data, Walls

ORDERS: tuple[int, ...] = tuple(CLOSURE_ROWS)


@dataclass(frozen=True)
class SummationByParts:
    """Derivatives along one axis of uniformly spaced points, both walls included.

    Conditions are imposed weakly, by simultaneous approximation terms (SAT): a wall point stays an unknown and is
    driven to its condition. With the quadrature weights ``H`` of `norm` the energy estimates of the equations hold for
    the discretisation too. For homogeneous Dirichlet, Neumann and Robin (``a/b >= 0``) conditions ``H L`` is symmetric
    and negative semidefinite for every ``D >= 0``, and between Neumann or Robin walls mass changes by what they let
    through, ``1^T H L u = sum of D du/dn`` as the condition states it, to rounding.

    =====  ========  =====  =========================  =========================================
    order  interior  walls  advection (`first_order`)  heat, waves, Poisson (`second_order`)
    =====  ========  =====  =========================  =========================================
    2      2         1      2                          2
    4      4         2      3                          4
    6      6         3      4                          5
    =====  ========  =====  =========================  =========================================

    Interior ``2p`` and walls ``p`` are the orders of the differences; the last two columns those of solutions,
    ``p + 1`` and ``min(2p, p + 2)``, walls included (Svärd & Nordström, J. Comput. Phys. 218 (2006) 333).

    For explicit steps: the eigenvalues of `second` reach ``-4``, ``-5.34``, ``-6.05`` (times ``1/h^2``, orders 2, 4, 6)
    between Neumann walls and ``-4.88``, ``-9.95``, ``-12.44`` between Dirichlet walls. A Robin wall adds one near
    ``-a/(b H_00)``, with ``H_00 = h/2``, ``17 h/48``, ``13649 h/43200``, the largest where ``b/a`` is far below `h`.

    Args:
        order: 2, 4 or 6.
        points: number of points ``N``, both walls included; at least 6, 12 and 18 for the three orders.
        spacing: distance ``h`` of neighbours.

    Raises:
        GridError: another order, too few points, or a spacing that is not positive.
    """

    order: int
    points: int
    spacing: float
    _constants: Constants = field(default_factory=Constants, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise GridError(f"summation by parts has the orders {ORDERS}, got {self.order!r}")
        needed = 2 * closure_points(self.order)
        if self.points < needed:
            raise GridError(
                f"summation by parts of order {self.order} needs {needed} points along the axis, got {self.points}; "
                "refine the grid or lower the order"
            )
        if not (math.isfinite(self.spacing) and self.spacing > 0):
            raise GridError(f"the spacing must be a positive number, got {self.spacing!r}")

    @property
    def first_order(self) -> int:
        """Order of solutions of problems of first order in space, such as advection."""
        return self.order // 2 + 1

    @property
    def second_order(self) -> int:
        """Order of solutions of problems of second order in space, such as heat, waves and Poisson's equation."""
        return min(self.order, self.order // 2 + 2)

    def norm(self, device: torch.device | str | None = None) -> Tensor:
        """Quadrature weights, the diagonal of ``H``: ``(N,)``, float64."""
        return torch.from_numpy(self._weights.copy()).to(device)

    def first(self, values: Tensor, dim: int) -> Tensor:
        """``du/dx`` without any penalty.

        Args:
            values: ``(..., *grid)``.
            dim: the axis, counted from the end (negative).
        """
        return self._first(self._checked(values, dim), dim)

    def second(
        self,
        values: Tensor,
        dim: int,
        conditions: Sequence[Condition | None],
        data: Sequence[Data] = (None, None),
    ) -> Tensor:
        """``d2u/dx2`` with the conditions of the two walls.

        Args:
            values: ``(..., *grid)``.
            dim: the axis, counted from the end (negative).
            conditions: at the low and the high wall, each Dirichlet, Neumann, Robin, or None for no penalty. Their
                own `value` is not read.
            data: right-hand sides ``g`` of the conditions, broadcastable with size 1 along `dim`; None for zero.

        Raises:
            BoundaryError: another kind of condition.
        """
        result = self._second(self._checked(values, dim), dim)
        low, high = (self._walls.penalty(values, dim, end, conditions[end], data[end]) for end in (0, 1))
        return added_at_walls(result, low, high, dim)

    def diffusion(
        self,
        D: Tensor | float,
        values: Tensor,
        dim: int,
        conditions: Sequence[Condition | None],
        data: Sequence[Data] = (None, None),
    ) -> Tensor:
        """``d/dx (D du/dx)`` with the conditions of the two walls; linear in `D` and in ``(values, data)``.

        Args:
            D: the coefficient at the points of `values`, or of size 1 along `dim`, or a number; not negative, or the
                energy grows.
            values: as in `second`, like the rest.
        """
        if not isinstance(D, Tensor) or is_uniform(D, dim):
            return D * self.second(values, dim, conditions, data)
        flux = self._checked(D, dim) * self.first(values, dim)
        result = self._first(flux, dim) - self._damping(D, values, dim)

        def corner(end: int) -> Tensor:
            penalty = self._walls.penalty(values, dim, end, conditions[end], data[end])
            on_wall = penalty - self._walls.remainder(values, dim, end)
            return at_wall(D, dim, end) * on_wall + self._walls.outflow(flux, dim, end)

        return added_at_walls(result, corner(0), corner(1), dim)

    def advection(
        self,
        speed: Tensor | float,
        values: Tensor,
        dim: int,
        conditions: Sequence[Condition | None],
        data: Sequence[Data] = (None, None),
    ) -> Tensor:
        """``a du/dx``, such that ``du/dt = -a du/dx`` is stable.

        A varying speed is taken in the skew-symmetric form ``(a D1 u + D1 (a u) - u D1 a)/2``: the energy ``u^T H u``
        changes by the walls and by ``u^T H (D1 a) u`` alone, as in the equation, also where the speed changes sign.
        A penalty acts where the flow enters (``a > 0`` at the low wall, ``a < 0`` at the high one), if the condition
        there is Dirichlet.

        Args:
            speed: a number, or a real tensor that broadcasts with `values`.
            values: as in `second`, like the rest.
        """
        slope = self.first(values, dim)
        if not isinstance(speed, Tensor) or is_uniform(speed, dim):
            result = speed * slope
        else:
            result = (speed * slope + self._first(speed * values, dim) - values * self.first(speed, dim)) / 2
        low, high = (self._walls.inflow(speed, values, dim, end, conditions[end], data[end]) for end in (0, 1))
        return added_at_walls(result, low, high, dim)

    def _damping(self, D: Tensor, values: Tensor, dim: int) -> Tensor:
        """``H^-1 sum_k c_k Δk^T D_k Δk u`` on the windows that leave out the wall points."""
        p, count = self.order // 2, self.points - 2
        inside, coefficient = values.narrow(dim, 1, count), D.narrow(dim, 1, count)
        changes = {p + 1: differences(inside, dim, p + 1)}
        for k in range(p + 2, 2 * p + 1):
            changes[k] = differences(changes[k - 1], dim, 1)

        def damped(k: int) -> Tensor:
            middle = coefficient.narrow(dim, k - p, count - 2 * (k - p))  # of each window: 2p + 1 - k points
            weight = float(DIFFERENCE_WEIGHTS[self.order][k]) / self.spacing
            return running_mean(middle, dim, 2 * p + 1 - k) * changes[k] * weight

        total = damped(2 * p)
        for k in range(2 * p - 1, p, -1):
            total = damped(k) + transposed_differences(total, dim, 1)
        total = transposed_differences(total, dim, p + 1)
        padded = torch.nn.functional.pad(total, [0, 0] * (-dim - 1) + [1, 1])
        return padded * along(self._constants.get("1/H", lambda: 1 / self._weights, values), dim)

    @cached_property
    def _closure(self) -> SecondDerivative:
        return second_derivative(self.order)

    @cached_property
    def _walls(self) -> Walls:
        return Walls(self._closure, self.spacing)

    @cached_property
    def _weights(self) -> np.ndarray:
        near = [float(self._closure.first.weight(i)) for i in range(self.points // 2)]
        return np.array(near + [1.0] * (self.points % 2) + near[::-1]) * self.spacing

    @cached_property
    def _first(self) -> ClosedStencil:
        """``D1``."""
        first = self._closure.first
        rows = [[entry / first.weight(i) for entry in row] for i, row in enumerate(first.closure)]
        interior = (0.0, *(float(c) / self.spacing for c in first.interior))
        return ClosedStencil(-1, interior, np.array(rows, dtype=float) / self.spacing)

    @cached_property
    def _second(self) -> ClosedStencil:
        """``-H^-1 M`` for ``D = 1``."""
        rows = [
            [-entry / self._closure.first.weight(i) for entry in row] for i, row in enumerate(self._closure.stiffness)
        ]
        interior = tuple(float(c) / self.spacing**2 for c in central_stencil(2, self.order)[self.order // 2 :])
        return ClosedStencil(1, interior, np.array(rows, dtype=float) / self.spacing**2)

    def _checked(self, values: Tensor, dim: int) -> Tensor:
        if values.shape[dim] != self.points:
            raise GridError(
                f"axis {dim} has {values.shape[dim]} points, expected the {self.points} given to SummationByParts"
            )
        return values
