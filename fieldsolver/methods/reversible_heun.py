"""The reversible Heun method of order 2: one evaluation of f per step, and an exact inverse.

Besides y it carries z, a second approximation, and v = f(t, z). One step of size h::

    z_new = 2 y - z + h v
    v_new = f(t + h, z_new)
    y_new = y + h/2 (v + v_new)                 error estimate: y_new - (y + h v) = h/2 (v_new - v), order 1

and back::

    z = 2 y_new - z_new - h v_new
    v = f(t, z)
    y = y_new - h/2 (v + v_new)

It starts with z = y. Dense output of order 2 integrates the line from v to v_new.

Stability: y' = lambda y has the roots of mu^2 - 2 h lambda mu - 1 = 0, as the leapfrog method. They stay on the unit
circle for h lambda in [-i, i] and nowhere else: what decays at the rate r leaves a partner that grows at the rate r.

Source: Kidger, Foster, Li, Lyons, *Efficient and accurate gradients for neural SDEs* (2021), arXiv 2105.13493,
section 3, without its noise.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .explicit_runge_kutta import step_size
from .protocol import Function, Memory, Step, per_sample
from .summary import MethodSummary

SOURCE = "Kidger, Foster, Li, Lyons 2021, arXiv 2105.13493, section 3"


class ReversibleHeun:
    """See `Method` for the attributes. Its memory: z and v = f(t, z), each (B, *state)."""

    name = "reversible_heun"
    order = 2
    error_order = 1
    interpolant_order = 2
    stages = 2
    extra_stages = 0
    fsal = True
    fixed_steps = True

    def __repr__(self) -> str:
        return "ReversibleHeun()"

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source."""
        return MethodSummary(
            name=self.name,
            order=self.order,
            embedded_order=self.error_order,
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

    @cached_property
    def stability(self) -> ImaginaryUnitInterval:
        """Where equal steps do not grow."""
        return ImaginaryUnitInterval()

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """z = y."""
        return y, k1

    def saved_evaluations(self, memory: Memory) -> int:
        """v, if it is known."""
        return len(memory[1:])

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
            estimate: compute the error estimate.
        """
        z, v = memory or self.start(f, t, y, f(t, y))
        h, twice = step_size(dt, y), _twice(dt, y)
        z_new = torch.addcmul(torch.addcmul(z, twice, y - z), h, v)  # 2 y - z + h v
        v_new = f(t + dt, z_new)
        y_new = torch.addcmul(y, 0.5 * h, v + v_new)
        error = 0.5 * h * (v_new - v) if estimate else None
        return Step(t, dt, y, y_new, error, [v, v_new], (z_new, v_new))

    def reverse(self, f: Function, t: Tensor, dt: Tensor, y_new: Tensor, memory_new: Memory) -> tuple[Tensor, Memory]:
        """The state and the memory from which `step` came; one evaluation of f."""
        z_new, v_new = memory_new
        h, twice = step_size(dt, y_new), _twice(dt, y_new)
        z = torch.addcmul(torch.addcmul(z_new, twice, y_new - z_new), -h, v_new)  # 2 y_new - z_new - h v_new
        v = f(t, z)
        return torch.addcmul(y_new, -0.5 * h, v + v_new), (z, v)

    def extend(self, f: Function, step: Step) -> Step:
        """The same step: its dense output needs no further evaluations."""
        return step

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """y + h theta (v + theta/2 (v_new - v)), of order 2.

        Args:
            step: a record returned by `step`.
            theta: (B,) float64, position within the step, 0 at its start and 1 at its end.
        """
        v, v_new = step.k
        first, second = (per_sample(weight * step.dt, v) for weight in (theta - 0.5 * theta**2, 0.5 * theta**2))
        return torch.addcmul(torch.addcmul(step.y, first, v), second, v_new)


def _twice(dt: Tensor, y: Tensor) -> Tensor:
    """2 for the samples that move, 0 for the others, as a factor of the state."""
    return step_size(2.0 * (dt != 0.0).to(dt.dtype), y)


class ImaginaryUnitInterval:
    """The stability region [-i, i]: no ray into the left half plane has a part in it."""

    real_interval = 0.0
    imaginary_interval = 1.0

    def exit_radii(self, angles: np.ndarray) -> np.ndarray:
        """First radius (M,) outside on rays at these angles (M,) > 0 to the imaginary axis: 0."""
        return np.zeros_like(angles)


REVERSIBLE_HEUN = ReversibleHeun()
