"""Methods that change one thing about another method and leave the rest to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Memory, Method, MethodSummary, Step
from fieldsolver.methods.protocol import Function, per_sample

from .errors import OdeintOptionError

INTERPOLATIONS = ("linear", "cubic")


class Delegate:
    """Does what another method does; see `Method`.

    Args:
        method: the other method.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self.name = method.name
        self.order = method.order
        self.error_order = method.error_order
        self.interpolant_order = method.interpolant_order
        self.stages = method.stages
        self.extra_stages = method.extra_stages
        self.fsal = method.fsal
        self.fixed_steps = method.fixed_steps

    def describe(self) -> MethodSummary:
        """Orders, cost, stability and source of the method."""
        return self.method.describe()

    def start(self, f: Function, t: Tensor, y: Tensor, k1: Tensor) -> Memory:
        """The method's memory."""
        return self.method.start(f, t, y, k1)

    def saved_evaluations(self, memory: Memory) -> int | Tensor:
        """What the method saves."""
        return self.method.saved_evaluations(memory)

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """The method's step."""
        return self.method.step(f, t, dt, y, memory, estimate=estimate)

    def extend(self, f: Function, step: Step) -> Step:
        """The method's extra stages."""
        return self.method.extend(f, step)

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """The method's interpolant."""
        return self.method.interpolate(step, theta)


class InsideSteps(Delegate):
    """f is evaluated strictly inside each step: a jump of f at a step's end belongs to the other side.

    Times at the ends of a step become their neighbours, in the dtype of the state, towards the inside.

    Args:
        method: a one-step method.
        real: the dtype in which f sees the time.
        jumps: (J,) times where a step does not begin with the slope that the one before ended with; None: everywhere.
    """

    def __init__(self, method: Method, real: torch.dtype, jumps: np.ndarray | None = None) -> None:
        super().__init__(method)
        self._real, self._jumps = real, jumps

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """The method's step with f inside it."""
        if self._jumps is None or float(t[0]) in self._jumps:
            memory = ()
        return self.method.step(self._inside(f, t, dt), t, dt, y, memory, estimate=estimate)

    def extend(self, f: Function, step: Step) -> Step:
        """The method's extra stages with f inside the step."""
        return self.method.extend(self._inside(f, step.t, step.dt), step)

    def _inside(self, f: Function, t: Tensor, dt: Tensor) -> Function:
        start, end = t.detach().to(self._real), (t + dt).detach().to(self._real)
        after, before = torch.nextafter(start, end), torch.nextafter(end, start)
        low, high = torch.minimum(after, before), torch.maximum(after, before)

        def inside(time: Tensor, y: Tensor) -> Tensor:
            seen = time.detach().to(self._real)
            moved = (seen.clamp(low, high) - seen).to(time.dtype)
            return f(time.to(self._real).to(time.dtype) + moved, y)  # the graph of the time is kept

        return inside


class GridInterpolant(Delegate):
    """Straight lines, or cubic Hermite polynomials, between the ends of the steps, as torchdiffeq has on fixed grids.

    Args:
        method: the method.
        kind: "linear" or "cubic"; the latter evaluates f at the end of each step that is interpolated.

    Raises:
        OdeintOptionError: another kind.
    """

    def __init__(self, method: Method, kind: str) -> None:
        super().__init__(method)
        if kind not in INTERPOLATIONS:
            raise OdeintOptionError(f"unknown interpolation method interp={kind!r}; expected 'linear' or 'cubic'")
        self._cubic = kind == "cubic"
        self.interpolant_order = 3 if self._cubic else 1
        self.extra_stages = int(self._cubic)

    def extend(self, f: Function, step: Step) -> Step:
        """The slope at the end of the step, for the cubic."""
        return replace(step, k=[step.k[0], f(step.t + step.dt, step.y_new)]) if self._cubic else step

    def interpolate(self, step: Step, theta: Tensor) -> Tensor:
        """Between the ends of the step."""
        s, rise = per_sample(theta, step.y), step.y_new - step.y
        line = step.y + s * rise
        if not self._cubic:
            return line
        # The line, and what makes the slopes right: s (1 - s) ((1 - s) (h k_0 - rise) - s (h k_1 - rise)).
        h = per_sample(step.dt, step.y)
        return line + s * (1 - s) * ((1 - s) * (h * step.k[0] - rise) - s * (h * step.k[-1] - rise))


class DifferentiableGrid(Delegate):
    """Steps from each time of a grid to the next, with the gradient of the grid.

    Args:
        method: the method.
        grid: (N + 1,) times, with a graph.
        keep_memory: whether the method's memory has that graph, too. That of a one-step method has not: k1 was
            evaluated at a mere number.
    """

    def __init__(self, method: Method, grid: Tensor, *, keep_memory: bool = False) -> None:
        super().__init__(method)
        self._keep_memory = keep_memory
        self._grid = grid.double()
        self._times = self._grid.detach().cpu().numpy()
        self._direction = 1.0 if self._times[-1] >= self._times[0] else -1.0

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """The method's step from the grid's own numbers."""
        n = int(np.searchsorted(self._direction * self._times, self._direction * float(t[0]), side="right")) - 1
        start, end = self._grid[n : n + 1], self._grid[n + 1 : n + 2]
        return self.method.step(f, start, end - start, y, memory if self._keep_memory else (), estimate=estimate)
