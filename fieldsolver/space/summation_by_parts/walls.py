"""What happens at the two walls: penalties for the conditions, and the part of ``M`` that lives there."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import BoundaryError

from ..boundary import Condition, Dirichlet, Neumann, Robin
from ..spectral.constants import Constants, along
from .layers import at_wall, is_uniform
from .second_derivative import SecondDerivative

PENALTY_FACTOR = 1.25
"""Strength of the Dirichlet penalty over the least that keeps the energy from growing.

At 1 the wall is held only marginally; a larger factor sharpens the values there and shortens explicit steps."""

Data = Tensor | float | None


@dataclass(frozen=True, eq=False)
class Walls:
    """Terms on the ``L`` points next to a wall, in the order of the grid; `end` is 0 (low) or 1 (high).

    ``e`` is the wall point, ``n`` the outward derivative, ``H`` the quadrature weights.

    Attributes:
        closure: the exact coefficients.
        spacing: ``h``.
    """

    closure: SecondDerivative
    spacing: float
    _constants: Constants = field(default_factory=Constants, init=False, repr=False)

    def penalty(self, values: Tensor, dim: int, end: int, condition: Condition | None, data: Data) -> Tensor:
        """What is added to ``-H^-1 M u``, for ``D = 1``; with the strength ``τ = PENALTY_FACTOR / (α h)``,

        * none: ``H^-1 e n^T u``,
        * Dirichlet: ``H^-1 e n^T u + H^-1 (n - τ e) (e^T u - g)``,
        * Neumann: ``H^-1 e g``,
        * Robin: ``H^-1 e (g - a e^T u)/b``.

        Completing the square, ``-α (n^T u)^2 + 2 (n^T u)(e^T u) - τ (e^T u)^2 <= 0`` if ``τ >= 1/α`` (``h = 1``).
        """
        wall, on_wall = self._vector("wall", end, values, dim), at_wall(values, dim, end)
        given = 0.0 if data is None else data
        match condition:
            case Neumann():
                return wall * (given * torch.ones_like(on_wall))
            case Robin(a=a, b=b):
                return wall * ((given - a * on_wall) / b)
            case None:
                return wall * self._along("normal", values, dim, end)
            case Dirichlet():
                jump = self._vector("held", end, values, dim) * (on_wall - given)
                return wall * self._along("normal", values, dim, end) + jump
        raise BoundaryError(
            f"summation by parts holds Dirichlet, Neumann and Robin conditions, got {type(condition).__name__}; "
            "use another closure for it"
        )

    def inflow(
        self, speed: Tensor | float, values: Tensor, dim: int, end: int, condition: Condition | None, data: Data
    ) -> Tensor:
        """``H^-1 e |a| (e^T u - g)`` where the flow enters a Dirichlet wall, else zero."""
        on_wall = at_wall(values, dim, end)
        if not isinstance(condition, Dirichlet):
            return torch.zeros_like(on_wall)
        inward = 1 if end == 0 else -1
        entering: Tensor | float
        if isinstance(speed, Tensor):
            entering = (inward * (speed if is_uniform(speed, dim) else at_wall(speed, dim, end))).clamp(min=0)
        else:
            entering = max(inward * speed, 0.0)
        jump = on_wall if data is None else on_wall - data
        return self._vector("wall", end, values, dim) * (entering * jump)

    def remainder(self, values: Tensor, dim: int, end: int) -> Tensor:
        """``H^-1 ρ ρ^T u / κ``, for ``D = 1``."""
        return self._vector("remainder / norm", end, values, dim) * self._along("remainder", values, dim, end)

    def outflow(self, flux: Tensor, dim: int, end: int) -> Tensor:
        """``H^-1 e`` times the flux against the outward normal, ``-H^-1 (Q + Q^T) F`` at one wall."""
        at_end = self._vector("wall", end, flux, dim) * at_wall(flux, dim, end)
        return at_end if end == 0 else -at_end

    def _along(self, name: str, values: Tensor, dim: int, end: int) -> Tensor:
        """Product of a vector with the layers next to the wall, of size 1 along `dim`."""
        near = at_wall(values, dim, end, len(self.closure.normal))
        return (self._vector(name, end, values, dim) * near).sum(dim, keepdim=True)

    def _vector(self, name: str, end: int, like: Tensor, dim: int) -> Tensor:
        """One of `_vectors`, mirrored at the high wall, broadcastable along `dim`."""
        return along(self._constants.get((name, end), lambda: self._vectors[name][:: 1 if end == 0 else -1], like), dim)

    @cached_property
    def _vectors(self) -> dict[str, np.ndarray]:
        """At the low wall."""
        closure, h = self.closure, self.spacing
        count = len(closure.normal)
        weights = np.array([float(closure.first.weight(i)) * h for i in range(count)])
        wall, normal = np.eye(count)[0], np.array(closure.normal, dtype=float) / h
        remainder = np.array(closure.remainder, dtype=float)
        return {
            "wall": wall / weights,
            "normal": normal,
            "held": (normal - PENALTY_FACTOR / (float(closure.borrowing) * h) * wall) / weights,
            "remainder": remainder,
            "remainder / norm": remainder / (weights * float(closure.moment) * h),
        }
