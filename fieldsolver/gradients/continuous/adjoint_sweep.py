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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverError, OptionError
from fieldsolver.methods import Method
from fieldsolver.methods.protocol import per_sample
from fieldsolver.stepping import BackwardStatistics, Observer, Status, Trajectory, VectorField, integrate
from fieldsolver.stepping.arithmetic import masked
from fieldsolver.stepping.save_times import SaveTimes
from fieldsolver.stepping.vector_field import Parameters

from .adjoint_parameters import ParameterQuadrature

PASSED_ON = ("dt", "dt_min", "dt_max", "controller", "land_at", "restart_at", "max_steps")
"""Options of the forward solve that hold for the backward one."""


@dataclass(frozen=True, slots=True)
class Solved:
    """A forward solve.

    Attributes:
        y0: (B, *state), where it started.
        saved: (T, B, *state), save points.
        y_end: (B, *state), where it ended.
        status: (B,), on the host.
        t_end: (B,) float64, on the host.
    """

    y0: Tensor
    saved: Tensor
    y_end: Tensor
    status: Tensor
    t_end: Tensor


class Backward(Protocol):
    """How the solution is known while the adjoint is integrated: the difference between the modes."""

    @property
    def observers(self) -> tuple[Observer, ...]:
        """What watches the forward solve."""
        ...

    def options(self, y: Tensor) -> Mapping[str, Any]:
        """Tolerances and norm of the backward run, for solutions like y (B, *state)."""
        ...

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

    def conclude(self, statistics: BackwardStatistics) -> None:
        """The pass is over."""
        ...


class AdjointSweep:
    """One backward pass.

    Args:
        name: of the mode, for messages.
        backward: how the solution is known.
        field: f, bound to the parameters of the solve, without a graph.
        method: the scheme, in both directions.
        solved: the forward solve.
        span: its start and its end.
        options: those of the forward solve.
        statistics: what is written into.
    """

    def __init__(
        self, name: str, backward: Backward, field: VectorField, method: Method, solved: Solved,
        span: tuple[float, float], options: Mapping[str, Any], statistics: BackwardStatistics,
    ) -> None:  # fmt: skip
        self.name, self.backward, self.method, self.solved = name, backward, method, solved
        self.t0, self.t1 = span
        self.options = options
        self.save_times = SaveTimes.checked(options.get("save_at"), *span)
        self.field = _counted(field, statistics)
        self.reached = (solved.status == Status.SUCCESS) & (solved.t_end == self.t1)
        itself = torch.arange(solved.y0.shape[0])
        first = int(self.reached.int().argmax()) if self.reached.any() else 0
        self.sources = torch.where(self.reached, itself, first).to(solved.y0.device)

    def run(
        self, grad_saved: Tensor | None, grad_end: Tensor | None, wanted: Sequence[int], ends: tuple[bool, bool]
    ) -> tuple[Tensor, list[Tensor | None], list[Tensor | None]]:
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
        totals: list[Tensor | None] = [None] * len(wanted)
        a, broken = torch.zeros_like(self.solved.y0), torch.zeros_like(self.sources, dtype=torch.bool)
        times = [*sorted(arriving, reverse=self.t1 >= self.t0), self.t0]
        for start, end in pairwise(times if self.reached.any() else ()):
            a = a + arriving[start]
            broken = broken | ~torch.isfinite(a).reshape(a.shape[0], -1).all(dim=1)
            a = self._stretch(start, end, masked(broken, torch.zeros_like(a), a), wanted, totals)
        if broken.any():  # what is not finite stays so, as in any other backward pass
            a = masked(broken, torch.full_like(a, math.nan), a)
            totals = [torch.full_like(self.field.parameters[i], math.nan) for i in wanted]
        grad_t0 = self._at_end(-a, self.t0) if ends[0] else None
        grad_t1 = self._at_end(arriving[self.t1], self.t1) if ends[1] and self.t1 in arriving else None
        return a if at_start is None else a + at_start, totals, [grad_t0, grad_t1]

    def _arriving(
        self, grad_saved: Tensor | None, grad_end: Tensor | None
    ) -> tuple[dict[float, Tensor], Tensor | None]:
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
                    f"{self.solved.t_end[sample].item():.6g}; leave it out of the loss, or use gradient='checkpointed'"
                )

    def _stretch(
        self, start: float, end: float, a: Tensor, wanted: Sequence[int], totals: list[Tensor | None]
    ) -> Tensor:
        """a at the end of a stretch without jumps."""
        if start == end:
            return a
        size = a.abs().reshape(a.shape[0], -1).amax(dim=1)
        unit = torch.where(size > 0, size, torch.ones_like(size))
        backward = self.backward.field(self.field, self.sources)
        z = self.backward.pack(self._solution(start), a / per_sample(unit, a))
        quadrature = ParameterQuadrature(self.backward.unpack, wanted, totals, unit)
        options = {name: self.options[name] for name in PASSED_ON if name in self.options}
        if self.options.get("step_times") is not None:
            options["step_times"] = _between(self.options["step_times"], start, end)
        trajectory = integrate(
            backward, self.method, z, start, end, fused=True, observers=(quadrature,), **options,
            **self.backward.options(a),
        )  # fmt: skip
        self._refuse_lost(trajectory)
        self.backward.arrived(trajectory.y_end, self._solution(end))
        times = torch.full((a.shape[0],), end, dtype=torch.float64, device=a.device)
        return self.backward.unpack(backward, times, trajectory.y_end)[2] * per_sample(unit, a)

    def _solution(self, t: float) -> Tensor:
        """Of the forward solve at an end or at a save point, (B, *state); of the stand-in where a sample failed."""
        if t == self.t0:
            y = self.solved.y0
        elif t == self.t1:
            y = self.solved.y_end
        else:
            y = self.solved.saved[int(np.flatnonzero(self.save_times.times == t)[0])]
        return y if self.reached.all() else y.index_select(0, self.sources)

    def _at_end(self, gradient: Tensor, t: float) -> Tensor:
        """Sum of gradient . f(t, y) over all entries, () float64."""
        y = self._solution(t)
        rate = self.field(torch.full((y.shape[0],), t, dtype=torch.float64, device=y.device), y)
        return torch.sum(gradient.conj() * rate).real.double()

    def _refuse_lost(self, trajectory: Trajectory) -> None:
        lost = torch.nonzero((trajectory.status != Status.SUCCESS) & self.reached).flatten()
        if lost.numel():
            sample = int(lost[0])
            raise FieldSolverError(
                f"the backward pass of gradient={self.name!r} ended early in sample {sample}, at t = "
                f"{trajectory.t_end[sample].item():.6g}: {Status(int(trajectory.status[sample])).sentence} Or use "
                "gradient='checkpointed', which integrates nothing backward."
            )


def _counted(field: VectorField, statistics: BackwardStatistics) -> VectorField:
    """The same field, every evaluation of which is entered."""

    def function(parameters: Parameters, t: Tensor, y: Tensor) -> Tensor:
        statistics.nfev += 1
        return field.function(parameters, t, y)

    return replace(field, function=function)


def _between(step_times: Tensor, start: float, end: float) -> Tensor:
    """The given times inside a stretch, in its direction, with both its ends."""
    times = torch.as_tensor(step_times, dtype=torch.float64).detach().cpu().numpy()
    inside = times[(times > min(start, end)) & (times < max(start, end))]
    ordered = np.unique([start, *inside, end])
    return torch.from_numpy(ordered if end > start else ordered[::-1].copy())
