"""An initial value problem whose solution is known from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

Exact = Callable[[Tensor], Tensor]
"""Times (T,) float64 -> states (T, n)."""


@dataclass(frozen=True)
class ReferenceProblem:
    """``y' = f(t, y)`` with a known end.

    Attributes:
        name: how it is called.
        f: ``f(t, y)``: y (n,) with a scalar t, or (B, n) with t (B, 1); it keeps the dtype of y.
        y0: (n,) float64.
        t_span: start and end; the reference belongs to this end and to no other.
        end: (n,) float64, the state at the end.
        error: bound of the absolute error of `end`, entry by entry: of the printed digits, times what the flow makes
            of those of the start.
        source: paper, book or collection, down to the equation or table.
        exact: the whole solution where it has a closed form (then `error` is rounding), else None.
    """

    name: str
    f: Callable[[Tensor, Tensor], Tensor]
    y0: Tensor
    t_span: tuple[float, float]
    end: Tensor
    error: float
    source: str
    exact: Exact | None = None

    def error_of(self, y: Tensor) -> float:
        """Largest absolute error of an end state (n,).

        Raises:
            OptionError: `y` has another shape.
        """
        if y.shape != self.end.shape:
            raise OptionError(f"{self.name} ends with shape {tuple(self.end.shape)}, got {tuple(y.shape)}")
        return float((y.to(self.end.dtype) - self.end).abs().max())


def with_solution(
    name: str, f: Callable[[Tensor, Tensor], Tensor], exact: Exact, t_span: tuple[float, float], source: str
) -> ReferenceProblem:
    """A problem with a closed form; both ends come from it."""
    y0, end = exact(torch.tensor(t_span, dtype=torch.float64))
    return ReferenceProblem(name, f, y0, t_span, end, 1e-14 * max(1.0, float(end.abs().max())), source, exact)
