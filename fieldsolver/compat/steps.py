"""How a solve steps: the method, and what the loop is told of the size of its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Memory, Method, Step
from fieldsolver.methods.protocol import Function
from fieldsolver.stepping import StepLog
from fieldsolver.stepping.controllers import Controller, get_controller
from fieldsolver.stepping.error_norm import Norm, Tolerance, rms
from fieldsolver.stepping.fixed import count_steps

from .adams import Adams
from .callbacks import NAMES as CALLBACKS
from .callbacks import CallingSteps, find_callbacks
from .delegates import Delegate, DifferentiableGrid, GridInterpolant, InsideSteps
from .errors import OdeintOptionError
from .method_names import ADAMS, ADAPTIVE, FIXED, load
from .options import UNLIMITED, AdaptiveOptions, GridOptions, adaptive_options, grid_options
from .problem import Problem


@dataclass(frozen=True)
class Steps:
    """A method and its steps.

    Attributes:
        method: the scheme.
        options: further arguments of `integrate`.
        grid: (N + 1,) the times of fixed steps; None where they are chosen.
        carries_time: the steps carry the gradient of the output times themselves.
        calling: the method once more, which makes the callbacks that func has; None without any.
    """

    method: Method
    options: dict[str, Any]
    grid: Tensor | None = None
    carries_time: bool = False
    calling: CallingSteps | None = None

    def repeated(self, log: StepLog) -> Steps:
        """The steps that a run has made, in silence."""
        start = torch.stack([t[0] for t in log.t]) if len(log) else log.t_end[:0]
        times = torch.cat([start[start != log.t_end[0]], log.t_end])
        return replace(self, options={"step_times": times, "max_steps": len(times)}, calling=None)


def choose_steps(
    problem: Problem, name: str, t: Tensor, rtol: Tolerance, atol: Tolerance, options: Mapping[str, Any] | None, *,
    direct: bool,
) -> Steps:  # fmt: skip
    """Read the options of a method.

    Args:
        problem: what is solved.
        name: one of `method_names.NAMES`, but not SciPy's.
        t: (T,) output times, T >= 2.
        rtol: relative tolerance.
        atol: absolute tolerance.
        options: torchdiffeq's dictionary.
        direct: whether every operation is recorded for the gradient.

    Raises:
        OptionError: options that make no sense.
    """
    given = dict(options or {})
    if name in ADAPTIVE:
        steps = _adaptive(problem, name, t, rtol, atol, adaptive_options(given, name))
    else:
        steps = _on_grid(problem, name, t, rtol, atol, grid_options(given, name, adams=name in ADAMS), direct)
    callbacks = find_callbacks(problem.func, name, CALLBACKS if name in ADAPTIVE else CALLBACKS[:1])
    if not callbacks:
        return steps
    return replace(steps, calling=CallingSteps(steps.method, problem, callbacks))


# ---------------------------------------------------------------------- chosen steps


def _adaptive(
    problem: Problem, name: str, t: Tensor, rtol: Tolerance, atol: Tolerance, given: AdaptiveOptions
) -> Steps:
    method, norm = load(ADAPTIVE[name]), _norm(problem, given)
    options: dict[str, Any] = {
        "rtol": rtol,
        "atol": atol,
        "max_steps": given.max_num_steps if given.max_num_steps == UNLIMITED else given.max_num_steps * (len(t) - 1),
        "controller": _controller(given),
    }
    times = t.detach()
    ends = sorted((float(times[0]), float(times[-1])))
    landings = np.unique(np.concatenate([given.step_t, given.jump_t]))
    within = landings[(landings > ends[0]) & (landings < ends[1])]
    if within.size:
        options["land_at"] = torch.from_numpy(within)
    if given.first_step is not None:
        options["first_step"] = given.first_step
    if given.max_step < math.inf:
        options["dt_max"] = given.max_step
    if given.jump_t.size:
        method = InsideSteps(method, problem.real, np.append(given.jump_t, float(times[0])))
    if given.min_step > 0:
        smallest = SmallestSteps(method, given.min_step, norm)
        method, norm = smallest, smallest.norm
        options["dt_min"] = given.min_step
    return Steps(method, options if norm is None else {**options, "norm": norm})


def _controller(given: AdaptiveOptions) -> Controller:
    """The default law with torchdiffeq's three numbers where they are given."""
    controller = get_controller("pi")
    changes: dict[str, Any] = {}
    if given.safety is not None:
        changes |= {"safety": given.safety, "memoryless_safety": given.safety}
    if given.ifactor is not None:
        changes["max_factor"] = given.ifactor
    if given.dfactor is not None:
        changes["min_factor"] = given.dfactor
    return replace(controller, **changes) if changes else controller


def _norm(problem: Problem, given: AdaptiveOptions) -> Norm | None:
    """(1, *state) -> (1,): the user's norm; for a tuple, the largest root mean square of its tensors; else None."""
    if given.norm is None and problem.shapes is None:
        return None

    def mixed(parts: Any) -> Tensor:
        return torch.stack([rms(part.reshape(1, -1))[0] for part in parts]).max()

    size = mixed if given.norm is None else given.norm

    def norm(error: Tensor) -> Tensor:
        value = torch.as_tensor(size(problem.to_user(error[0])), dtype=problem.real, device=error.device)
        return value.abs().reshape(1)

    return norm


class SmallestSteps(Delegate):
    """Steps of the smallest size count as accurate enough, whatever their error: torchdiffeq's min_step.

    Args:
        method: the method.
        size: the smallest size.
        norm: of the scaled error; None is the root mean square.
    """

    def __init__(self, method: Method, size: float, norm: Norm | None) -> None:
        super().__init__(method)
        self._size = size * (1.0 + 1e-9)
        self._norm = rms if norm is None else norm
        self._smallest: Tensor | None = None

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """The method's step."""
        self._smallest = dt.detach().abs() <= self._size
        return self.method.step(f, t, dt, y, memory, estimate=estimate)

    def norm(self, error: Tensor) -> Tensor:
        """The norm of the error of the last step; NaN and infinity stay."""
        value = self._norm(error)
        if self._smallest is None:
            return value
        return torch.where(self._smallest & torch.isfinite(value), value.clamp(max=1.0), value)


# ---------------------------------------------------------------------- a given grid


def _on_grid(
    problem: Problem, name: str, t: Tensor, rtol: Tolerance, atol: Tolerance, given: GridOptions, direct: bool
) -> Steps:
    grid = time_grid(problem, t, given)
    times = grid.detach().double().cpu()
    carries_time = direct and t.requires_grad and grid is t
    if name in ADAMS:
        method: Method = Adams(
            times.numpy(), implicit=name != "explicit_adams" and given.implicit, max_order=given.max_order,
            max_iters=given.max_iters, rtol=rtol, atol=atol, live=grid if carries_time else None,
        )  # fmt: skip
    else:
        method = load(FIXED[name])
    if given.perturb:
        method = InsideSteps(method, problem.real)
    if carries_time:
        method = DifferentiableGrid(method, grid, keep_memory=name in ADAMS)
    return Steps(
        GridInterpolant(method, given.interp), {"step_times": times, "max_steps": len(times)}, grid, carries_time
    )


def time_grid(problem: Problem, t: Tensor, given: GridOptions) -> Tensor:
    """(N + 1,) times of the steps, from t[0] to t[-1], in the dtype of t.

    Raises:
        OdeintOptionError: the constructor's grid does not lead from t[0] to t[-1].
    """
    if given.grid_constructor is not None:
        grid = given.grid_constructor(problem.rate, problem.y0, t)
        return _checked_grid(grid, t)
    if given.step_size is None:
        return t
    return even_grid(t[0], t[-1], given.step_size)


def even_grid(start: Tensor, end: Tensor, size: float) -> Tensor:
    """start, start + h, start + 2 h, ... and the end, h being the size with the sign of the direction."""
    first, last = float(start.detach()), float(end.detach())
    count = count_steps(first, last, size)
    inner = start.detach().double() + math.copysign(size, last - first) * torch.arange(
        count, dtype=torch.float64, device=start.device
    )
    return torch.cat([inner, end.detach().double().reshape(1)])


def _checked_grid(grid: Any, t: Tensor) -> Tensor:
    if not isinstance(grid, Tensor) or grid.dim() != 1 or grid.numel() < 2:
        raise OdeintOptionError(f"grid_constructor returned {grid!r}, expected a tensor (N,) of at least two times")
    got, expected = (grid.detach()[[0, -1]].tolist(), t.detach()[[0, -1]].tolist())
    if got != expected:
        raise OdeintOptionError(f"the grid leads from {got[0]} to {got[1]}, expected the ends of t, {expected}")
    kept = torch.ones(grid.numel(), dtype=torch.bool, device=grid.device)
    kept[1:] = grid.detach().diff() != 0
    return grid[kept]
