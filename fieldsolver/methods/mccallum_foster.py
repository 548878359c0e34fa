"""Any explicit Runge-Kutta method made reversible by coupling two copies of the solution.

Psi_h(t, y) is the increment of a step of the base method. Besides y the method carries z, a second approximation of the
same order p. With the coupling lambda in (0, 1), one step of size h::

    y_new = lambda y + (1 - lambda) z + Psi_h(t, z)
    z_new = z - Psi_-h(t + h, y_new)

and back::

    z = z_new + Psi_-h(t + h, y_new)
    y = (y_new - (1 - lambda) z - Psi_h(t, z)) / lambda

It starts with z = y. The coupling pulls y and z together, without it their difference would be undamped; the inverse
amplifies that difference by 1 / lambda per step, so lambda is close to 1. For odd p the error of y changes its sign
after about 1 / (1 - lambda) steps: at first y follows the base method, in the end z, which follows its adjoint.

Error estimate: that of the base method, from the stages of Psi_h. Where the base reuses its last stage (FSAL), the
first stage f(t + h, y_new) of Psi_-h takes its place; they differ by O(h^(p+1)). Dense output: that of the base method
along Psi_h, with its end moved onto y_new by a term linear in time; the order is that of the base.

Source: McCallum, Foster, *Efficient, accurate and stable gradients for neural ODEs* (2024), arXiv 2410.11648; the
dense output is this file's own.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cached_property

import torch
from torch import Tensor

from fieldsolver.errors import OptionError

from .coupling_stability import CouplingStability
from .explicit_runge_kutta import ExplicitRungeKutta, step_size
from .protocol import Function, Memory, Step, per_sample
from .summary import MethodSummary
from .tableau import ButcherTableau

SOURCE = "McCallum, Foster 2024, arXiv 2410.11648, on: "


class McCallumFoster:
    """See `Method` for the attributes. Its memory: z (B, *state).

    Args:
        base: the method to be made reversible.
        coupling: lambda, exact.

    Raises:
        OptionError: a coupling outside (0, 1), or a base whose error combines two estimates or whose dense output needs
            further stages.
    """

    extra_stages = 0
    fsal = False
    fixed_steps = True

    def __init__(self, base: ExplicitRungeKutta, coupling: Fraction = Fraction(999, 1000)) -> None:
        if not 0 < coupling < 1:
            raise OptionError(f"coupling = {coupling}, expected a number between 0 and 1; 0.999 is usual")
        tableau = base.tableau
        if tableau.b_coarse is not None or tableau.extra_a:
            raise OptionError(
                f"{base.name!r} cannot be made reversible: two error estimates and extra stages are not supported; "
                "use 'rk4', 'bosh3' or 'tsit5'"
            )
        self.base, self.coupling = base, coupling
        self.name = f"reversible_{base.name}"
        self.order = base.order
        self.error_order = base.error_order
        self.interpolant_order = base.interpolant_order
        self._increment = ExplicitRungeKutta(_without_last(tableau)) if base.fsal else base
        self._error = [] if tableau.b_error is None else [float(weight) for weight in tableau.b_error]
        self._pull = float(1 - coupling)
        self.stages = 2 * self._increment.stages

    def __repr__(self) -> str:
        return f"McCallumFoster({self.base.name!r}, coupling={float(self.coupling)})"

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source."""
        return MethodSummary(
            name=self.name,
            order=self.order,
            embedded_order=self.base.tableau.embedded_order,
            dense_order=self.interpolant_order,
            stages=self.stages,
            evaluations=self.stages,
            extra_stages=0,
            fsal=False,
            real_interval=self.stability.real_interval,
            imaginary_interval=self.stability.imaginary_interval,
            ssp_radius=None,
            source=SOURCE + self.base.tableau.source,
        )

    @cached_property
    def stability(self) -> CouplingStability:
        """Where equal steps do not grow."""
        return CouplingStability(self.base.tableau.stability_polynomial(), self.coupling)

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """z = y."""
        return (y,)

    def saved_evaluations(self, memory: Memory) -> int:
        """None."""
        return 0

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """One step of every sample.

        Args:
            f: the vector field.
            t: (B,) float64, where the samples are.
            dt: (B,) float64, signed step sizes.
            y: (B, *state), real or complex; the result has its dtype.
            memory: from `start` or from the step before; `()` starts here.
            estimate: compute the error estimate if the base method has one.
        """
        (z,) = memory or (y,)
        forth = self._increment.step(f, t, dt, z, estimate=False)
        y_new = torch.addcmul(y + (forth.y_new - z), self._pull_of(dt, y), z - y)
        back = self._increment.step(f, t + dt, -dt, y_new, estimate=False)
        z_new = z + (y_new - back.y_new)
        k = [*forth.k, back.k[0]]  # the last one takes the place of the base's FSAL stage
        error = step_size(dt, y) * _weighted(self._error, k) if estimate and self._error else None
        return Step(t, dt, y, y_new, error, [z, *k, z_new], (z_new,))

    def reverse(self, f: Function, t: Tensor, dt: Tensor, y_new: Tensor, memory_new: Memory) -> tuple[Tensor, Memory]:
        """The state and the memory from which `step` came; as many evaluations of f as the step."""
        (z_new,) = memory_new
        back = self._increment.step(f, t + dt, -dt, y_new, estimate=False)
        z = z_new + (back.y_new - y_new)
        forth = self._increment.step(f, t, dt, z, estimate=False)
        mixed = y_new - (forth.y_new - z)  # lambda y + (1 - lambda) z
        return torch.addcmul(mixed, self._pull_of(dt, y_new) / (1.0 - self._pull), mixed - z), (z,)

    def extend(self, f: Function, step: Step) -> Step:
        """The same step: its dense output needs no further evaluations."""
        return step

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """y + h sum_i b_i(theta) k_i + (1 - lambda) theta (z - y), of the order of the base method's.

        Args:
            step: a record returned by `step`.
            theta: (B,) float64, position within the step, 0 at its start and 1 at its end.
        """
        z, *k, _ = step.k
        inside = self.base.interpolate(replace(step, k=k[: self.base.stages]), theta)
        return torch.addcmul(inside, per_sample(self._pull * theta, step.y), z - step.y)

    def _pull_of(self, dt: Tensor, y: Tensor) -> Tensor:
        """1 - lambda for the samples that move, 0 for the others, as a factor of the state."""
        return step_size(self._pull * (dt != 0.0).to(dt.dtype), y)


def _without_last(tableau: ButcherTableau) -> ButcherTableau:
    """The same steps without the last stage, which the solution does not need."""
    return ButcherTableau(
        name=tableau.name,
        order=tableau.order,
        source=tableau.source,
        c=tableau.c[:-1],
        a=tableau.a[:-1],
        b=tableau.b[:-1],
    )


def _weighted(weights: list[float], k: list[Tensor]) -> Tensor:
    total = weights[0] * k[0]
    for weight, derivative in zip(weights[1:], k[1:], strict=False):  # a base without FSAL leaves the last one out
        total = torch.add(total, derivative, alpha=weight)
    return total
