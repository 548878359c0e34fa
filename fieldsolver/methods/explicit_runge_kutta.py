"""Any explicit Runge-Kutta method, driven by its tableau; batched, differentiable, time in float64.

Stages are accumulated by `add_(k, alpha=a)` and applied by one `addcmul`: no temporary beyond the accumulator, and the
increment is summed before it meets the larger y. A matrix product would be no faster, and its result would depend on
the batch size and on TF32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.space.table import Table

from .protocol import Function, Memory, Step, per_sample
from .summary import MethodSummary, summary
from .tableau import ButcherTableau

SMALL = 32
"""Entries of one state up to which broadcasting costs more than a copy."""

Terms = tuple[tuple[int, float], ...]
"""The nonzero entries of one row of a tableau: (stage, coefficient)."""


class ExplicitRungeKutta:
    """An explicit Runge-Kutta method; see `Method` for the attributes and `tableau` for the mathematics.

    Args:
        tableau: the coefficients; everything else is derived from it.
    """

    fixed_steps = True

    def __init__(self, tableau: ButcherTableau) -> None:
        self.tableau = tableau
        self.name = tableau.name
        self.order = tableau.order
        self.error_order = _error_order(tableau)
        self.interpolant_order = tableau.interpolant_order
        self.stages = tableau.stages
        self.extra_stages = len(tableau.extra_a)
        self.fsal = tableau.fsal
        self._c = Table(torch.tensor([[float(value)] for value in tableau.c], dtype=torch.float64))
        self._a = tuple(_nonzero(row) for row in tableau.a)
        self._b = _nonzero(tableau.b)
        self._b_error = None if tableau.b_error is None else _nonzero(tableau.b_error)
        self._b_coarse_error = None if tableau.b_coarse_error is None else _nonzero(tableau.b_coarse_error)
        self._extra = [(_nonzero(row), float(c)) for row, c in zip(tableau.extra_a, tableau.extra_c, strict=True)]
        self._interpolant = _interpolant_matrix(tableau)

    def __repr__(self) -> str:
        return f"ExplicitRungeKutta({self.name!r}, order={self.order}, stages={self.stages})"

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source."""
        return summary(self.tableau)

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """The first stage of the next step."""
        return (k1,)

    def saved_evaluations(self, memory: Memory) -> int:
        """The first stage, if it is known."""
        return len(memory)

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """One step of every sample.

        Args:
            f: the vector field.
            t: (B,) float64, where the samples are.
            dt: (B,) float64, signed step sizes.
            y: (B, *state), real or complex; the result has its dtype.
            memory: `(k1,)`, f(t, y) if it is known (the last stage of the step before, for FSAL methods), else `()`.
            estimate: compute the error estimate if the method has one.
        """
        h = step_size(dt, y)
        times = torch.addcmul(t, dt, self._c.on(t.device, torch.float64)).unbind(0)  # t + c_i dt
        k = [memory[0] if memory else f(t, y)]
        y_stage = y
        for i in range(1, self.stages):
            y_stage = torch.addcmul(y, h, _combine(self._a[i], k))  # y + h sum_j a_ij k_j
            k.append(f(times[i], y_stage))
        y_new = y_stage if self.fsal else torch.addcmul(y, h, _combine(self._b, k))
        error = coarse = None
        if estimate:
            with torch.no_grad():  # step sizes are constants of the gradient
                error = None if self._b_error is None else h * _combine(self._b_error, k)
                coarse = None if self._b_coarse_error is None else h * _combine(self._b_coarse_error, k)
        return Step(t, dt, y, y_new, error, k, (k[-1],) if self.fsal else (), coarse)

    def extend(self, f: Function, step: Step) -> Step:
        """The step with the extra stages of the interpolant, evaluated for every sample.

        Args:
            f: the vector field that the step was made with.
            step: a record returned by `step`.
        """
        if not self._extra:
            return step
        h, k = per_sample(step.dt, step.y), list(step.k)
        for row, c in self._extra:
            k.append(f(torch.add(step.t, step.dt, alpha=c), torch.addcmul(step.y, h, _combine(row, k))))
        return replace(step, k=k)

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """Dense output of order `interpolant_order`: y + h sum_i b_i(theta) k_i.

        Args:
            step: a record returned by `step`, and by `extend` where the method has extra stages.
            theta: (B,) float64, position within the step, 0 at its start and 1 at its end.

        Raises:
            OptionError: the tableau has no interpolant, or the step lacks its extra stages.
        """
        if self._interpolant is None:
            raise OptionError(f"method {self.name!r} has no interpolant; save only at step ends")
        stages, degree = self._interpolant.values.shape
        if len(step.k) != stages:
            raise OptionError(
                f"the step has {len(step.k)} stages, the interpolant of {self.name!r} needs {stages}; "
                "call extend(f, step) first"
            )
        exponents = torch.arange(1, 1 + degree, dtype=theta.dtype, device=theta.device)
        powers = theta.unsqueeze(0) ** exponents.unsqueeze(1)
        weights = self._interpolant.on(theta.device, theta.dtype) @ powers * step.dt  # (S, B): h b_i(theta)
        y = step.y
        for weight, k in zip(weights, step.k, strict=True):
            y = torch.addcmul(y, per_sample(weight, y), k)
        return y


def step_size(dt: Tensor, y: Tensor) -> Tensor:
    """dt (B,) float64 as a factor of the state (B, *state), in its real dtype: a float32 state stays float32.

    Small states of many samples get the factor entry by entry: broadcasting over a short axis is slow.
    """
    h = per_sample(dt, y)
    entries = y.numel()
    slow = y.device.type == "cpu" and 1 < dt.numel() < entries <= SMALL * dt.numel()
    return h.expand_as(y).contiguous() if slow else h


def _combine(terms: Terms, k: Sequence[Tensor]) -> Tensor:
    """sum_j w_j k_j over the nonzero weights."""
    first, weight = terms[0]
    total = k[first] * weight
    for j, weight in terms[1:]:
        total.add_(k[j], alpha=weight)
    return total


def _nonzero(row: tuple[Fraction, ...]) -> Terms:
    """Never empty: a row of zeros keeps one of them."""
    return tuple((j, float(value)) for j, value in enumerate(row) if value != 0) or ((0, 0.0),)


def _error_order(tableau: ButcherTableau) -> int | None:
    """The difference of two methods is as accurate as the worse of them; e^2 / e_coarse of two of them gains."""
    if tableau.embedded_order is None:
        return None
    order = min(tableau.order, tableau.embedded_order)
    return order if tableau.coarse_order is None else 2 * order - tableau.coarse_order


def _interpolant_matrix(tableau: ButcherTableau) -> Table | None:
    """(S, D) float64: the coefficient of theta^(d+1) in b_i(theta)."""
    if tableau.interpolant is None:
        return None
    width = max(len(row) for row in tableau.interpolant)
    rows = [[float(value) for value in row] + [0.0] * (width - len(row)) for row in tableau.interpolant]
    return Table(torch.tensor(rows, dtype=torch.float64))
