"""Initial value problems that benchmarks solve, for torch and for NumPy from one set of formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np

Slopes = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class InitialValueProblem:
    """An autonomous system ``dy/dt = f(y)`` from 0 to `t_end`.

    Attributes:
        name: what reports call it.
        slopes: the components of y -> those of f.
        y0: where one system starts.
        t_end: where it ends.
        exact: its state at `t_end`, where it is known.
    """

    name: str
    slopes: Slopes
    y0: tuple[float, ...]
    t_end: float
    exact: tuple[float, ...] | None = None

    def torch_f(self, t: Tensor, y: Tensor) -> Tensor:
        """f for torch; y (..., C)."""
        return torch.stack(self.slopes(*y.unbind(-1)), -1)

    def numpy_f(self, t: float, y: np.ndarray) -> np.ndarray:
        """f for SciPy; y (C,), or (C * B,) with the systems of a batch beside each other."""
        import numpy as np

        return np.stack(self.slopes(*y.reshape(len(self.y0), -1))).ravel()


def _lorenz(x: Any, y: Any, z: Any) -> tuple[Any, ...]:
    return 10.0 * (y - x), x * (28.0 - z) - y, x * y - (8.0 / 3.0) * z


def _arenstorf(x: Any, y: Any, u: Any, v: Any) -> tuple[Any, ...]:
    mu = 0.012277471  # mass of the moon over that of both bodies
    nu = 1 - mu
    D1 = ((x + mu) ** 2 + y**2) ** 1.5
    D2 = ((x - nu) ** 2 + y**2) ** 1.5
    return (
        u,
        v,
        x + 2 * v - nu * (x + mu) / D1 - mu * (x - nu) / D2,
        y - 2 * u - nu * y / D1 - mu * y / D2,
    )


def _brusselator(x: Any, y: Any) -> tuple[Any, ...]:
    return 1 + x**2 * y - 4 * x, 3 * x - x**2 * y


LORENZ = InitialValueProblem("Lorenz", _lorenz, (1.0, 1.0, 1.0), 10.0)
"""Lorenz, J. Atmos. Sci. 20 (1963) 130-141, eqs. (25) to (27), with sigma = 10, r = 28, b = 8/3."""

_ARENSTORF_START = (0.994, 0.0, 0.0, -2.00158510637908252240537862224)
ARENSTORF = InitialValueProblem(
    "Arenstorf", _arenstorf, _ARENSTORF_START, 17.0652165601579625588917206249, exact=_ARENSTORF_START
)
"""One period; Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), p. 129."""

BRUSSELATOR = InitialValueProblem("Brusselator", _brusselator, (1.5, 3.0), 20.0)
"""Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), p. 116, with A = 1, B = 3."""
