"""`event_fn` of torchdiffeq: integrate until one of its values changes its sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations.events import EventFunction
from fieldsolver.errors import OptionError
from fieldsolver.stepping import Status, Trajectory, integrate

from .errors import OdeintFailed, OdeintOptionError
from .method_names import ADAPTIVE, SCIPY
from .problem import Problem
from .run import WORDS, GradientMode, run
from .steps import Steps, choose_steps

Condition = Callable[[Tensor, Tensor], Tensor]
"""c(t, y): a scalar, positive at the start; t a scalar, y (*state)."""

FAR = 1e100
"""Where the integration gives up waiting for the event: chosen steps grow tenfold, so a solution at rest gets there."""
GRID_STEPS = 20_000
"""How many steps of a fixed size torchdiffeq waits."""


def solve_until_event(
    problem: Problem, name: str, t: Tensor, rtol: float | Tensor, atol: float | Tensor,
    options: Mapping[str, Any] | None, event_fn: Callable[[Any, Any], Tensor], mode: GradientMode,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The time of the event, and the states (2, *state) at t[0] and there, of which the latter stays at that time.

    Args:
        problem: what is solved.
        name: of the method.
        t: (2,): the initial time, and the direction.
        rtol: relative tolerance.
        atol: absolute tolerance.
        options: of the method.
        event_fn: the user's, of t and the state.
        mode: how gradients are made.

    Raises:
        OptionError: t has not two entries, or the method cannot look for events.
        OdeintFailed: the integration ended before there was an event.
    """
    if t.numel() != 2:
        raise OptionError(f"t has {t.numel()} entries, expected len(t) == 2 with event_fn: the start and the direction")
    if name == SCIPY:
        raise OptionError(f"method {name!r} cannot look for events; use 'dopri5'")
    start, direction = t.detach()[0], 1.0 if t[1] > t[0] else -1.0
    condition = combined(problem, event_fn, start)
    with torch.no_grad():
        if float(condition(start, problem.y0)) == 0.0:
            return start.clone(), torch.stack([problem.y0, problem.y0])
    far = direction * FAR if name in ADAPTIVE else float(start) + direction * GRID_STEPS * _step_size(options)
    steps = choose_steps(
        problem, name, torch.stack([t[0].double(), t.new_tensor(far, dtype=torch.float64)]), rtol, atol, options,
        direct=False,
    )  # fmt: skip
    found = _located(problem, steps, float(start), far, condition)
    event = found.t_end.to(t.device)[0]
    reached = torch.stack([t[0].double(), event])
    if steps.grid is None:
        states = run(problem, steps.repeated(found.steps), reached, mode)
    else:
        kept = steps.options["step_times"][: len(found.steps) + 1]
        whole = replace(steps, options={**steps.options, "step_times": kept}, calling=None)
        states = run(problem, whole, reached, mode, end=float(kept[-1]))
    return event.to(t.dtype), states


def combined(problem: Problem, event_fn: Callable[[Any, Any], Tensor], start: Tensor) -> Condition:
    """The smallest of the user's values, each with the sign that makes it positive at the start; 0 if one is 0."""
    with torch.no_grad():
        signs = torch.sign(event_fn(start, problem.to_user(problem.y0)))

    def condition(t: Tensor, y: Tensor) -> Tensor:
        return torch.min(event_fn(t, problem.to_user(y)) * signs)

    return condition


def _located(problem: Problem, steps: Steps, start: float, far: float, condition: Condition) -> Trajectory:
    """The run up to the event, without a graph."""

    def each(parameters: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([condition(time, state).double() for time, state in zip(t, y, strict=True)])

    event = EventFunction("event_fn", each, direction=-1, terminal=True, selectable=False)
    method, callback = steps.method, None
    calls: AbstractContextManager[None] = nullcontext()
    if steps.calling is not None:
        method, callback, calls = steps.calling, steps.calling.accepted, steps.calling.calling()
    with torch.no_grad(), calls:
        found = integrate(
            problem.field(), method, problem.y0.detach().unsqueeze(0), start, far, **steps.options, events=(event,),
            callback=callback,
        )  # fmt: skip
    status = Status(int(found.status[0]))
    if status == Status.SUCCESS:
        raise OdeintFailed(f"there was no event until t = {far:g}")
    if status != Status.EVENT:
        words = WORDS.get(status, "failed")
        raise OdeintFailed(f"{words} at t = {float(found.t_end[0]):.6g}: {status.sentence}")
    return found


def _step_size(options: Mapping[str, Any] | None) -> float:
    size = (options or {}).get("step_size")
    if size is None:
        raise OdeintOptionError(
            "methods on a fixed grid look for events in steps of one size; pass options={'step_size': ...}"
        )
    return float(size)
