"""What an advection scheme is, and the linear ones: a stencil for each sign of the speed.

A linear scheme is given by its stencil ``c`` for positive speed, ``h du/dx ~ sum_j c_j u_(i+j)``; the mirror image
``-c_(-j)`` serves negative speed. Split into an odd and an even part,

    v du/dx ~ (v sum_j a_j u_(i+j) - |v| sum_j s_j u_(i+j)) / h,      a_j = (c_j - c_(-j))/2,  s_j = -(c_j + c_(-j))/2

a central difference and a dissipation. At ``v = 0`` the derivative with respect to v is taken as the central part, the
mean of the two one-sided ones (the subgradient of ``|v|`` at 0 is 0).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import ParameterError

from ..operators import derivative

Speed = Tensor | float


class AdvectionScheme(ABC):
    """One discretisation of ``v du/dx`` along one axis.

    Attributes:
        name: its name, such as ``"upwind3"``.
        order: order of accuracy on smooth fields.
        width: number of ghost layers that it needs on both ends of the axis.
        stencil: what it computes for positive speed, as a line of mathematics.
    """

    name: str
    order: int
    width: int
    stencil: str

    @abstractmethod
    def __call__(self, values: Tensor, speed: Speed, dim: int, spacing: float, *, periodic: bool) -> Tensor:
        """``v du/dx`` at the points of the grid.

        Args:
            values: u, real or complex: ``(..., *grid)`` if `periodic`, else with `width` ghosts on both ends of `dim`.
            speed: v, real: a number, or a tensor that broadcasts against ``(..., *grid)``; any sign anywhere.
            dim: the axis, counted from the end.
            spacing: distance h of neighbouring points.
            periodic: the axis is closed on itself and carries no ghosts.

        Returns:
            ``(..., *grid)`` in the dtype of `values`.

        Raises:
            ParameterError: the speed is complex.
        """


class LinearScheme(AdvectionScheme):
    """A scheme that is linear in u: one stencil for each sign of the speed.

    Attributes:
        coefficients: exact ``c`` at offsets ``-width .. width``, for positive speed and ``h = 1``.
        dissipative: it damps waves, instead of only shifting them.
    """

    def __init__(self, name: str, order: int, coefficients: Sequence[Fraction], stencil: str) -> None:
        self.name = name
        self.order = order
        self.width = len(coefficients) // 2
        self.stencil = stencil
        self.coefficients = tuple(coefficients)
        mirrored = self.coefficients[::-1]
        self._central = [float(c - m) / 2 for c, m in zip(coefficients, mirrored, strict=True)]
        self._damping = [-float(c + m) / 2 for c, m in zip(coefficients, mirrored, strict=True)]
        self.dissipative = any(self._damping)

    def __call__(self, values: Tensor, speed: Speed, dim: int, spacing: float, *, periodic: bool) -> Tensor:
        """``v du/dx``; see `AdvectionScheme.__call__`."""
        speed = real_speed(speed, values)
        rate = speed * derivative(values, dim, [a / spacing for a in self._central], periodic=periodic)
        if not self.dissipative:
            return rate
        magnitude = speed.abs() if isinstance(speed, Tensor) else abs(speed)
        return rate - magnitude * derivative(values, dim, [s / spacing for s in self._damping], periodic=periodic)

    def symbol(self, theta: np.ndarray, *, positive: bool = True) -> np.ndarray:
        """Eigenvalue of ``h d/dx`` on ``exp(i theta j)``: i times the modified wavenumber, complex.

        Under ``du/dt = -v du/dx`` the wave evolves as ``exp(-v t symbol / h)``, so that the real part of the symbol,
        times the sign of v, is its decay and never negative.

        Args:
            theta: wavenumber times spacing, any shape.
            positive: for positive speed; else for negative speed, where the symbol is minus the conjugate.
        """
        total = np.zeros(np.shape(theta), dtype=complex)
        for offset, coefficient in zip(range(-self.width, self.width + 1), self.coefficients, strict=True):
            total += float(coefficient) * np.exp(1j * offset * np.asarray(theta))
        return total if positive else -total.conj()


def real_speed(speed: Speed, values: Tensor) -> Speed:
    """`speed` in the precision of `values`; raises ParameterError where it has no sign."""
    if isinstance(speed, complex) or (isinstance(speed, Tensor) and speed.is_complex()):
        raise ParameterError("the speed of advection is complex and has no sign to go by; pass its real part, v.real")
    return speed.to(real_dtype(values)) if isinstance(speed, Tensor) else speed


def real_dtype(values: Tensor) -> torch.dtype:
    """The dtype of the real part of `values`."""
    return values.dtype.to_real() if values.is_complex() else values.dtype
