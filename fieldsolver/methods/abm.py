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
from .adams_order import compared_orders, error_norms, next_order
from .protocol import Function, Memory, Step, per_sample
from .summary import MethodSummary

HIGHEST = 12
"""Highest order of the predictor."""
SHORTER = 1.0 - 1e-9
"""A step below this part of the one before is shorter than it."""
SOURCE = "Shampine, Gordon 1975; Hairer, Norsett, Wanner I (1993), sections III.5 and III.7"


class AdamsBashforthMoulton:
    """See `Method` for the attributes. Orders are those of the predictor: `order` the highest, `error_order` the first.

    Its memory: 12 derivatives (n, *state), the latest first; the past steps (n, 11), the latest first; (n, 4) integers:
    how many of these are known, the order of the next step, whether the sample is still starting, and how many steps
    had that order.
    """

    name = "abm"
    order = HIGHEST
    error_order = 1
    interpolant_order = HIGHEST
    stages = 3
    extra_stages = 0
    fsal = True

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
        )

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """A history of one derivative; order 1."""
        samples, unknown = t.shape[0], torch.zeros_like(k1)
        book = (
            torch.arange(4, device=t.device) % 3
        )  # nothing known, order 1, starting (any but 0), no step of this order
        return k1, *[unknown] * (HIGHEST - 1), t.new_zeros(samples, HIGHEST - 1), book.repeat(samples, 1)

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
        order = book[:, 1]
        tau, h, t_new = scaled_times(self._tables, dt, past, book[:, 0]), per_sample(dt, y), t + dt
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
        shorter = dt.abs() < past[:, 0].abs() * SHORTER
        known = (
            corrected,
            *derivatives[:-1],
            torch.cat([dt.unsqueeze(1), past[:, :-1]], dim=1),
            next_order(book, shorter, error_norms(dt, y, y_new, derivatives[0], errors), HIGHEST),
        )
        error = h * errors[2] if estimate else None
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


ABM = AdamsBashforthMoulton()
