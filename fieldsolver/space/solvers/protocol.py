"""What solvers of ``(1 - c L) x = b`` have in common."""

from __future__ import annotations

import cmath
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch

from fieldsolver.errors import ParameterError, StateError

Shift = float | complex | torch.Tensor
"""The factor c: a number, or a 0-dim tensor when its gradient is wanted."""


@runtime_checkable
class ShiftedSolver(Protocol):
    """Solves ``(1 - c L) x = b`` for one fixed linear operator L.

    Whatever depends on c alone is made at the first solve with that c and kept for the last few values of c, so a
    fixed step factors once and solves many times. Gradients reach b, c and the tensors that L was made of; they are
    exact for the solution, twice differentiable, and work under `torch.func`.

    Attributes:
        name: short, for tables.
        reason: one sentence: how the system is solved.
    """

    @property
    def name(self) -> str: ...

    @property
    def reason(self) -> str: ...

    def solve(self, b: torch.Tensor, c: Shift) -> torch.Tensor:
        """Return x.

        Args:
            b: ``(*batch, *shape)`` with `shape` that of one sample: ``(*grid)``, or ``(C, *grid)`` if L couples
                components. Where L does not couple them, components are one more batch axis.
            c: a number, or a 0-dim tensor. A number is better where no gradient is wanted: it is never read back
                from a device.

        Raises:
            ParameterError: ``1 - c L`` is singular, or c is not finite.
            StateError: the trailing axes of b are not `shape`.
        """
        ...


class Preconditioner(Protocol):
    """A cheap, linear, approximate `ShiftedSolver`; every `ShiftedSolver` is one."""

    def solve(self, b: torch.Tensor, c: float) -> torch.Tensor:
        """Return an approximation of x; self-adjoint in the inner product of the iteration."""
        ...


class Transform(Protocol):
    """A basis along one axis in which L is diagonal: linear and differentiable in both directions."""

    def forward(self, values: torch.Tensor, dim: int) -> torch.Tensor:
        """Coefficients of `values` along `dim` (negative)."""
        ...

    def inverse(self, coefficients: torch.Tensor, dim: int) -> torch.Tensor:
        """Values again."""
        ...


def finite_number(c: float | complex) -> float | complex:
    """Return c, as a float unless its type is complex; `ParameterError` if it is not finite."""
    if not cmath.isfinite(c):
        raise ParameterError(f"c of (1 - c L) x = b must be finite, got {c!r}")
    return c if isinstance(c, complex) else float(c)


def check_shape(b: torch.Tensor, shape: Sequence[int]) -> None:
    """`StateError` unless the trailing axes of b are `shape`."""
    if b.dim() < len(shape) or tuple(b.shape[b.dim() - len(shape) :]) != tuple(shape):
        raise StateError(f"the right-hand side must end in the axes {tuple(shape)}, got the shape {tuple(b.shape)}")


def singular(c: float | complex, detail: str) -> ParameterError:
    """The error for an operator ``1 - c L`` without an inverse."""
    return ParameterError(f"1 - c L is singular at c = {c:.6g}: {detail}; take another c (a step of another length)")


def double_of(dtype: torch.dtype) -> torch.dtype:
    """float64, or complex128 for complex types."""
    return torch.complex128 if dtype.is_complex else torch.float64


def in_precision_of(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """`tensor` on the device and in the precision of `like`; complex stays complex, real stays real."""
    precision = like.dtype.to_complex() if tensor.is_complex() else like.dtype.to_real()
    return tensor.to(like.device, precision)
