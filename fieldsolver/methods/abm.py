"""The Adams-Bashforth-Moulton method of variable order 1 to 12 and variable step: predict, evaluate, correct, evaluate.

With k past derivatives the predictor has order k and the corrector order k + 1. The difference of the correctors of
orders k + 1 and k is the error estimate; the step goes on with the better one (local extrapolation). Each sample has
its own step sizes, history and order; the tensors have room for the highest order.

Source: Shampine, Gordon, *Computer Solution of Ordinary Differential Equations* (1975); Hairer, Norsett, Wanner,
*Solving Ordinary Differential Equations I* (1993), section III.5, eqs. (5.5)-(5.10), and section III.7.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .adams_coefficients import AdamsTables, AdamsWeights, combine, scaled_times
from .adams_dense import integral_inside
from .adams_moulton_stability import real_interval
from .adams_order import compared_orders, error_norms, next_order, unsmooth
from .protocol import Function, Memory, Step, per_sample
from .summary import MethodSummary

HIGHEST = 12
"""Highest order of the predictor."""
SOURCE = "Shampine, Gordon 1975; Hairer, Norsett, Wanner I (1993), sections III.5 and III.7"


class AdamsBashforthMoulton:
    """See `Method` for the attributes. Orders are those of the predictor: `order` the highest, `error_order` the first.

    Its memory: 12 derivatives (n, *state), the latest first; the past steps (n, 11), the latest first; (n, 5) integers:
    how many of these are known, the order of the next step, whether the sample is still starting, how many steps
    had that order, and how many followed each other without a large growth.
    """

    name = "abm"
    order = HIGHEST
    error_order = 1
    interpolant_order = HIGHEST
    stages = 3
    extra_stages = 0
    fsal = True
    fixed_steps = False

    def __init__(self) -> None:
        self._tables = AdamsTables(HIGHEST)

    def __repr__(self) -> str:
        return "AdamsBashforthMoulton()"

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source."""
        return MethodSummary(
            name=self.name,
            order=self.order,
            embedded_order=HIGHEST,
            dense_order=self.interpolant_order,
            stages=self.stages,
            evaluations=2,
            extra_stages=0,
            fsal=True,
            real_interval=min(real_interval(order) for order in range(1, HIGHEST + 1)),
            imaginary_interval=0.0,  # that of order 1, which is Heun's Runge-Kutta method
            ssp_radius=None,
            source=SOURCE,
            lowest_order=self.error_order,
        )

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """A history of one derivative; order 1."""
        samples, unknown = t.shape[0], torch.zeros_like(k1)
        zero = torch.zeros_like(t, dtype=torch.int64)
        book = torch.stack([zero, zero + 1, zero + 1, zero, zero], dim=1)
        past = t.new_zeros(samples, HIGHEST - 1)
        return k1, *[unknown] * (HIGHEST - 1), past, book

    def saved_evaluations(self, memory: Memory) -> int:
        """The derivative at the start of the step."""
        return len(memory[:1])

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """One step of every sample, each of its own order.

        Args:
            f: the vector field.
            t: (n,) float64, where the samples are.
            dt: (n,) float64, signed step sizes.
            y: (n, *state), real or complex; the result has its dtype.
            memory: from `start` or from the step before; `()` starts here.
            estimate: compute the error estimate.
        """
        *derivatives, past, book = memory or self.start(f, t, y, f(t, y))
        order = book.select(1, 1)
        tau, h, t_new = scaled_times(self._tables, dt, past, book.select(1, 0)), per_sample(dt, y), t + dt
        weights = AdamsWeights(self._tables, tau)
        of_end, implicit = weights.implicit(order)
        explicit = implicit - weights.correction(order)[1]
        predicted = torch.addcmul(y, h, combine(explicit.unsqueeze(1), derivatives)[0])
        known_now = [f(t_new, predicted), *derivatives]
        errors_of_end, errors_of_past = weights.local_errors(compared_orders(order, HIGHEST))
        of_end = torch.cat([of_end.unsqueeze(1), errors_of_end], dim=1)
        of_past = torch.cat([implicit.unsqueeze(1), errors_of_past], dim=1)
        rows = torch.cat([of_end.unsqueeze(2), of_past], dim=2)  # (n, 5, 13)
        slope, *errors = combine(rows, known_now)
        y_new = torch.addcmul(y, h, slope)
        corrected = f(t_new, y_new)
        norms, growth = error_norms(dt, y, y_new, derivatives[0], errors), step_growth(dt, past)
        known = (
            corrected,
            *derivatives[:-1],
            torch.cat([dt.unsqueeze(1), past.narrow(1, 0, HIGHEST - 2)], dim=1),
            next_order(book, growth, norms, HIGHEST),
        )
        error = h * per_sample(unsmooth(order, tau, errors_of_end, norms), y) * errors[2] if estimate else None
        return Step(t, dt, y, y_new, error, [tau, order, *known_now, corrected], known, error_order=order.to(dt.dtype))

    def extend(self, f: Function, step: Step) -> Step:
        """The same step: its dense output needs no further evaluations."""
        return step

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """Dense output of the order of the step: the polynomial that the corrector integrated.

        Args:
            step: a record returned by `step`.
            theta: (n,) float64, position within the step, 0 at its start and 1 at its end.
        """
        tau, order, *known_now, _ = step.k
        return integral_inside(self._tables, step, theta, tau, order, None, known_now)


def step_growth(dt: Tensor, past: Tensor) -> Tensor:
    """The step as a multiple of the one before; 1 where there is none."""
    before = past.select(1, 0)
    return torch.where(before == 0.0, 1.0, dt / torch.where(before == 0.0, 1.0, before))


ABM = AdamsBashforthMoulton()
