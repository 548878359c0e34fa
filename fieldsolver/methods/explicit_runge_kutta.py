"""Any explicit Runge-Kutta method, driven by its tableau; batched, differentiable, time in float64.

Stages are accumulated by `add_(k, alpha=a)` and applied by one `addcmul`: no temporary beyond the accumulator, and the
increment is summed before it meets the larger y. A matrix product would be no faster, and its result would depend on
the batch size and on TF32.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

from .protocol import Function, Step, per_sample
from .tableau import ButcherTableau

Terms = tuple[tuple[int, float], ...]
"""The nonzero entries of one row of a tableau: (stage, coefficient)."""


class ExplicitRungeKutta:
    """An explicit Runge-Kutta method; see `Method` for the attributes and `tableau` for the mathematics.

    Args:
        tableau: the coefficients; everything else is derived from it.
    """

    def __init__(self, tableau: ButcherTableau) -> None:
        self.tableau = tableau
        self.name = tableau.name
        self.order = tableau.order
        self.error_order = _error_order(tableau)
        self.interpolant_order = tableau.interpolant_order
        self.stages = tableau.stages
        self.fsal = tableau.fsal
        self._c = tuple(float(value) for value in tableau.c)
        self._a = tuple(_nonzero(row) for row in tableau.a)
        self._b = _nonzero(tableau.b)
        self._b_error = None if tableau.b_error is None else _nonzero(tableau.b_error)
        self._interpolant = _interpolant_matrix(tableau)

    def __repr__(self) -> str:
        return f"ExplicitRungeKutta({self.name!r}, order={self.order}, stages={self.stages})"

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, k1: Tensor | None = None, *, estimate: bool = True
    ) -> Step:
        """One step of every sample.

        Args:
            f: the vector field.
            t: (B,) float64, where the samples are.
            dt: (B,) float64, signed step sizes.
            y: (B, *state), real or complex; the result has its dtype.
            k1: (B, *state), f(t, y) if it is known (the last stage of the step before, for FSAL methods).
            estimate: compute the error estimate if the method has one.
        """
        h = per_sample(dt, y)
        k = [f(t, y) if k1 is None else k1]
        y_stage = y
        for row, c in zip(self._a[1:], self._c[1:], strict=True):
            y_stage = torch.addcmul(y, h, _combine(row, k))  # y + h sum_j a_ij k_j
            k.append(f(torch.add(t, dt, alpha=c), y_stage))
        y_new = y_stage if self.fsal else torch.addcmul(y, h, _combine(self._b, k))
        error = h * _combine(self._b_error, k) if estimate and self._b_error is not None else None
        return Step(dt=dt, y=y, y_new=y_new, error=error, k=k)

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """Dense output of order `interpolant_order`: y + h sum_i b_i(theta) k_i.

        Args:
            step: a record returned by `step`.
            theta: (B,) float64, position within the step, 0 at its start and 1 at its end.

        Raises:
            OptionError: the tableau has no interpolant.
        """
        if self._interpolant is None:
            raise OptionError(f"method {self.name!r} has no interpolant; save only at step ends")
        powers = theta.unsqueeze(0) ** torch.arange(1, 1 + self._interpolant.shape[1]).to(theta).unsqueeze(1)
        weights = self._interpolant.to(theta.device) @ powers * step.dt  # (S, B): h b_i(theta)
        y = step.y
        for weight, k in zip(weights, step.k, strict=True):
            y = torch.addcmul(y, per_sample(weight, y), k)
        return y


def _combine(terms: Terms, k: Sequence[Tensor]) -> Tensor:
    """sum_j w_j k_j over the nonzero weights."""
    (first, weight), *others = terms or ((0, 0.0),)
    total = k[first] * weight
    for j, weight in others:
        total.add_(k[j], alpha=weight)
    return total


def _nonzero(row: tuple[Fraction, ...]) -> Terms:
    return tuple((j, float(value)) for j, value in enumerate(row) if value != 0)


def _error_order(tableau: ButcherTableau) -> int | None:
    """The difference of two methods is as accurate as the worse of them."""
    return None if tableau.embedded_order is None else min(tableau.order, tableau.embedded_order)


def _interpolant_matrix(tableau: ButcherTableau) -> Tensor | None:
    """(S, D) float64: the coefficient of theta^(d+1) in b_i(theta)."""
    if tableau.interpolant is None:
        return None
    width = max(len(row) for row in tableau.interpolant)
    rows = [[float(value) for value in row] + [0.0] * (width - len(row)) for row in tableau.interpolant]
    return torch.tensor(rows, dtype=torch.float64)
