"""Adams-Bashforth methods of fixed order p, on equal and unequal steps, samples independent of each other.

A step extrapolates the last p derivatives, integrates, and evaluates f once, at its end. On equal steps the formulas
are the classical ones; on unequal ones the coefficients follow from the history of the sample (`adams_coefficients`).

Start: for p = 2 and 3, a sample that knows m < p derivatives predicts with order m and corrects with the Adams-Moulton
formula of order m + 1. The derivative at the predicted end, the only one that it evaluates, also stays in the history.
Its local error is O(h^(m+2)) and that of the derivative O(h^(m+1)), so the order p is kept. That does not suffice for
p = 4, which starts with three steps of the classical Runge-Kutta method, of four evaluations each.

Error: the difference to the Adams-Moulton formula of the next order, which costs nothing; it is the local error to
leading order. Dense output: the integral of the polynomial of the step, of order p; in a Runge-Kutta step a cubic is
added that makes it end where the step does.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), sections III.1 (1.5) and III.5
(5.5)-(5.7); for the Runge-Kutta steps table II.1.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import torch
from torch import Tensor

from .adams_coefficients import AdamsTables, AdamsWeights, can_be_read, combine, may_hold, per_sample_mask, scaled_times
from .adams_dense import integral_inside
from .adams_stability import MultistepStability, adams_bashforth_stability, adams_bashforth_weights
from .protocol import Function, Memory, Step, per_sample
from .summary import MethodSummary
from .transformed import is_plain

SOURCE = "Bashforth, Adams 1883; Hairer, Norsett, Wanner I (1993), sections III.1, eq. (1.5), and III.5, eq. (5.5)"


class AdamsBashforth:
    """The explicit Adams method of order p; see `Method` for the attributes.

    Its memory: p derivatives (n, *state), the latest first; the past steps (n, p - 1), the latest first; how many of
    those are known (n,).

    Args:
        order: p, from 2 to 4.
    """

    stages = 2
    extra_stages = 0
    fsal = True
    fixed_steps = True

    def __init__(self, order: int) -> None:
        self.name = f"ab{order}"
        self.order = order
        self.error_order = order
        self.interpolant_order = order
        self.runge_kutta_start = order == 4
        self._tables = AdamsTables(order)
        weights = [float(weight) for weight in adams_bashforth_weights(order)]
        higher = [float(weight) for weight in adams_bashforth_weights(order + 1)]
        gamma = higher[0] - weights[0]  # g_p on equal steps
        self._explicit = weights
        self._correction = [(-1) ** i * comb(order, i) * gamma for i in range(order + 1)]

    def __repr__(self) -> str:
        return f"AdamsBashforth({self.order})"

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source."""
        return MethodSummary(
            name=self.name,
            order=self.order,
            embedded_order=self.order,
            dense_order=self.interpolant_order,
            stages=self.stages,
            evaluations=1,
            extra_stages=0,
            fsal=True,
            real_interval=self.stability.real_interval,
            imaginary_interval=self.stability.imaginary_interval,
            ssp_radius=None,
            source=SOURCE,
        )

    @property
    def stability(self) -> MultistepStability:
        """Where equal steps do not grow."""
        return adams_bashforth_stability(self.order)

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """A history of one derivative."""
        unknown = torch.zeros_like(k1)
        past = t.new_zeros(t.shape[0], self.order - 1)
        return k1, *[unknown] * (self.order - 1), past, torch.zeros_like(t, dtype=torch.int64)

    def saved_evaluations(self, memory: Memory) -> int | Tensor:
        """The derivative at the start of the step; the sample needs three more for a Runge-Kutta step.

        On a device, where nobody waits to see who starts, all samples evaluate these three in every step.
        """
        if not self.runge_kutta_start or not memory:
            return len(memory[:1]) - 3 * self.runge_kutta_start
        starting = memory[-1] < self.order - 1
        if not can_be_read(starting):
            return -2
        return 1 - 3 * starting.long() if may_hold(starting) else 1

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """One step of every sample.

        Args:
            f: the vector field.
            t: (n,) float64, where the samples are.
            dt: (n,) float64, signed step sizes.
            y: (n, *state), real or complex; the result has its dtype.
            memory: from `start` or from the step before; `()` starts here.
            estimate: compute the error estimate.
        """
        *derivatives, past, known = memory or self.start(f, t, y, f(t, y))
        if _are_equal(dt, past):
            return self._equal_step(f, t, dt, y, (*derivatives, past, known), estimate)
        order, starting = (known + 1).clamp(max=self.order), (known < self.order - 1) & (dt != 0.0)
        starts = may_hold(starting)
        tau, h = scaled_times(self._tables, dt, past, known), per_sample(dt, y)
        weights = AdamsWeights(self._tables, tau)
        of_end, change = weights.correction(order)
        explicit = weights.implicit(order)[1] - change
        extrapolated = torch.addcmul(y, h, combine(explicit.unsqueeze(1), derivatives)[0])
        y_new = extrapolated
        if starts and self.runge_kutta_start:
            y_new = torch.where(per_sample_mask(starting, y), _rk4(f, t, dt, y, derivatives[0]), extrapolated)
        known_now, error = [f(t + dt, y_new), *derivatives], None
        if estimate or starts:
            rows = torch.cat([of_end.unsqueeze(1), change], dim=1).unsqueeze(1)
            error = torch.addcmul(extrapolated - y_new, h, combine(rows, known_now)[0])
        if error is not None and starts and not self.runge_kutta_start:
            y_new = torch.where(per_sample_mask(starting, y), y_new + error, y_new)
        return Step(
            t, dt, y, y_new,
            error=error if estimate else None,
            k=[tau, order, *derivatives, known_now[0]],
            memory=(
                *known_now[:-1],
                torch.cat([dt.unsqueeze(1), past.narrow(1, 0, self.order - 2)], dim=1),
                (known + 1).clamp(max=self.order - 1),
            ),
            error_order=(order + starting if self.runge_kutta_start else order).to(dt.dtype),
        )  # fmt: skip

    def _equal_step(self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory, estimate: bool) -> Step:
        """A step like all those in the history, with the classical coefficients: the same at a fraction of the cost."""
        *derivatives, past, known = memory
        h = per_sample(dt, y)
        predicted = torch.addcmul(y, h, _weighted(self._explicit, derivatives))
        known_now = [f(t + dt, predicted), *derivatives]
        error = h * _weighted(self._correction, known_now) if estimate else None
        order, tau = known + 1, (self._tables.places.to(dt) + 1.0).expand(dt.shape[0], -1)
        return Step(
            t, dt, y, predicted, error,
            k=[tau, order, *derivatives, known_now[0]],
            memory=(*known_now[:-1], past, known),
            error_order=order.to(dt.dtype),
        )  # fmt: skip

    def extend(self, f: Function, step: Step) -> Step:
        """The same step: its dense output needs no further evaluations."""
        return step

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """Dense output of order p.

        Args:
            step: a record returned by `step`.
            theta: (n,) float64, position within the step, 0 at its start and 1 at its end.
        """
        tau, order, *derivatives, latest = step.k
        known_now, corrected = [latest, *derivatives], order < self.order
        inside = integral_inside(self._tables, step, theta, tau, order, corrected, known_now)
        if not self.runge_kutta_start:
            return inside
        # A Runge-Kutta step does not end where its polynomial does; the cubic with the same slopes does.
        defect = step.y_new - integral_inside(
            self._tables, step, torch.ones_like(theta), tau, order, corrected, known_now
        )
        return torch.addcmul(inside, per_sample(theta * theta * (3.0 - 2.0 * theta), defect), defect)


def _are_equal(dt: Tensor, past: Tensor) -> bool:
    """Whether all steps of all samples are known to be the same, and nobody differentiates by them."""
    if not (can_be_read(dt) and is_plain(dt) and is_plain(past)):
        return False
    return torch.equal(past, dt.unsqueeze(1).expand_as(past))


def _weighted(weights: Sequence[float], derivatives: Sequence[Tensor]) -> Tensor:
    total = weights[0] * derivatives[0]
    for weight, derivative in zip(weights[1:], derivatives[1:], strict=True):
        total = torch.add(total, derivative, alpha=weight)
    return total


def _rk4(f: Function, t: Tensor, dt: Tensor, y: Tensor, k1: Tensor) -> Tensor:
    """A step of the classical Runge-Kutta method."""
    h, middle = per_sample(dt, y), t + dt / 2.0
    k2 = f(middle, torch.addcmul(y, h / 2.0, k1))
    k3 = f(middle, torch.addcmul(y, h / 2.0, k2))
    k4 = f(t + dt, torch.addcmul(y, h, k3))
    return torch.addcmul(y, h / 6.0, k1 + k4 + 2.0 * (k2 + k3))
