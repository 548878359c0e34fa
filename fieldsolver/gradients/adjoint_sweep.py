"""The adjoint equation, from the end of a solve to its start.

::

    a' = -a . df/dy,        a(t1) = dL/dy(t1),        a(t) jumps by dL/dy(t) at the save points
    dL/dy0 = a(t0),   dL/dp = integral of a . df/dp,   dL/dt1 = a(t1) . f(t1, y1),   dL/dt0 = -a(t0) . f(t0, y0)

Every sample has its own steps. The equation is linear in a, so a is stepped in units of its own size: a loss that is
scaled by c has c times the gradient.

Source: Chen, Rubanova, Bettencourt, Duvenaud, *Neural ordinary differential equations*, NeurIPS (2018), appendix B;
Pontryagin and others, *The mathematical theory of optimal processes* (1962).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverError, OptionError
from fieldsolver.methods import Method
from fieldsolver.methods.protocol import per_sample
from fieldsolver.stepping import BackwardStatistics, Status, Trajectory, VectorField, integrate
from fieldsolver.stepping.arithmetic import masked
from fieldsolver.stepping.save_times import SaveTimes

from .adjoint_parameters import ParameterQuadrature

PASSED_ON = ("dt", "dt_min", "dt_max", "controller", "land_at", "restart_at", "max_steps")
"""Options of the forward solve that hold for the backward one."""


class Backward(Protocol):
    """How the solution is known while the adjoint is integrated: the difference between the modes."""

    def field(self, field: VectorField, sources: Tensor) -> VectorField:
        """The right-hand side of the state z that is integrated backward.

        Args:
            field: f, without a graph to its parameters.
            sources: (B,) integers, the sample whose solution stands in for each one's; itself, unless it failed.
        """
        ...

    def pack(self, y: Tensor, a: Tensor) -> Tensor:
        """Solution and adjoint (B, *state), at the start of a stretch -> z (B, ...)."""
        ...

    def unpack(self, backward: VectorField, t: Tensor, z: Tensor) -> tuple[VectorField, Tensor, Tensor]:
        """The field of z for n samples, t (n,), z (n, ...) -> f, and solution and adjoint (n, *state)."""
        ...

    def arrived(self, z: Tensor, y: Tensor) -> None:
        """A stretch has ended with z (B, ...), where the forward solve had y (B, *state)."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Tolerances and norm of the backward run."""
        ...


class AdjointSweep:
    """One backward pass.

    Args:
        name: of the mode, for messages.
        backward: how the solution is known.
        field: f, bound to the parameters of the solve, without a graph.
        method: the scheme, in both directions.
        found: the forward solve.
        y0: (B, *state), where it started.
        span: its start and its end.
        options: those of the forward solve.
        statistics: what is written into.
    """

    def __init__(
        self, name: str, backward: Backward, field: VectorField, method: Method, found: Trajectory, y0: Tensor,
        span: tuple[float, float], options: Mapping[str, Any], statistics: BackwardStatistics,
    ) -> None:  # fmt: skip
        self.name, self.backward, self.method, self.found, self.y0 = name, backward, method, found, y0
        self.t0, self.t1 = span
        self.options = options
        self.save_times = SaveTimes.checked(options.get("save_at"), *span)
        self.field = _counted(field, statistics)
        self.reached = (found.status == Status.SUCCESS) & (found.t_end == self.t1)

    def run(
        self, grad_saved: Tensor | None, grad_end: Tensor | None, wanted: tuple[int, ...], ends: tuple[bool, bool]
    ) -> tuple[Tensor, list[Tensor | None], tuple[Tensor | None, Tensor | None]]:
        """Gradients of y0, of the parameters and of the two ends.

        Args:
            grad_saved: (T, B, *state), gradient of the save points; None is zero.
            grad_end: (B, *state), gradient of y_end; None is zero.
            wanted: places of the parameters whose gradients are needed.
            ends: whether those of t0 and of t1 are needed.

        Raises:
            OptionError: a gradient arrives at a sample that ended early.
            FieldSolverError: a sample does not come back to t0.
        """
        arriving, at_start = self._arriving(grad_saved, grad_end)
        a, totals = torch.zeros_like(self.y0), [None] * len(wanted)
        broken = torch.zeros(self.y0.shape[0], dtype=torch.bool, device=self.y0.device)
        grad_t1 = self._at_end(arriving.get(self.t1), self.t1, self.found.y_end) if ends[1] else None
        quadrature = ParameterQuadrature(self.backward.unpack, wanted, totals)
        times = [*sorted(arriving, reverse=self.t1 >= self.t0), self.t0]
        for start, end in zip(times, times[1:], strict=False):
            a = a + arriving[start]
            broken = broken | ~torch.isfinite(a).reshape(a.shape[0], -1).all(dim=1)
            a = masked(broken, torch.zeros_like(a), a)
            a = self._stretch(start, end, a, quadrature)
        grad_t0 = None if not ends[0] else self._at_end(-a, self.t0, self.y0)
        if broken.any():  # what is not finite stays so, as in any other backward pass
            a = masked(broken, torch.full_like(a, math.nan), a)
            totals = [torch.full_like(self.field.parameters[i], math.nan) for i in wanted]
        else:
            totals = quadrature.totals
        return a if at_start is None else a + at_start, totals, (grad_t0, grad_t1)

    def _arriving(self, grad_saved: Tensor | None, grad_end: Tensor | None) -> tuple[dict[float, Tensor], Tensor | None]:
        """Gradients (B, *state) by the time at which they arrive, those of t0 apart."""
        arriving = {} if grad_end is None else {self.t1: grad_end}
        at_start = None
        if grad_saved is not None:
            flat = grad_saved.detach().reshape(grad_saved.shape[0], -1)
            for i in np.flatnonzero((flat != 0).any(dim=1).cpu().numpy()):
                if i < self.save_times.first:
                    at_start = grad_saved[i] if at_start is None else at_start + grad_saved[i]
                    continue
                time = float(self.save_times.times[i])
                arriving[time] = arriving[time] + grad_saved[i] if time in arriving else grad_saved[i]
        self._refuse_failed(arriving)
        return arriving, at_start

    def _refuse_failed(self, arriving: Mapping[float, Tensor]) -> None:
        failed = torch.nonzero(~self.reached).flatten()
        for gradient in arriving.values() if failed.numel() else ():
            asked = (gradient[failed.to(gradient.device)] != 0).reshape(failed.numel(), -1).any(dim=1).cpu()
            if asked.any():
                sample = int(failed[asked][0])
                raise OptionError(
                    f"gradient={self.name!r} was asked for the gradient of sample {sample}, which ended early, at t = "
                    f"{self.found.t_end[sample].item():.6g}; leave it out of the loss, or use gradient='checkpointed'"
                )

    def _stretch(self, start: float, end: float, a: Tensor, quadrature: ParameterQuadrature) -> Tensor:
        """a at the end of a stretch without jumps."""
        if start == end or not self.reached.any():
            return a
        sources = self._sources()
        size = a.abs().reshape(a.shape[0], -1).amax(dim=1)
        unit = torch.where(size > 0, size, 1.0)
        y = self._solution(start).index_select(0, sources)
        backward = self.backward.field(self.field, sources)
        z = self.backward.pack(y, a / per_sample(unit, a))
        scaled = _Scaled(self.backward, unit)
        trajectory = integrate(
            backward, self.method, z, start, end, fused=True, **self._options(start, end), **self.backward.options,
            observers=(scaled.observe(quadrature),),
        )  # fmt: skip
        self._refuse_lost(trajectory)
        self.backward.arrived(trajectory.y_end, self._solution(end).index_select(0, sources))
        _, _, arrived = self.backward.unpack(backward, trajectory.t_end.to(a.device), trajectory.y_end)
        return arrived * per_sample(unit, a)
