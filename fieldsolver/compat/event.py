"""`odeint_event`: the time of an event and the state there, both with their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .errors import OdeintOptionError, OdeintTypeError
from .event_location import Condition, combined
from .odeint import EventFunction, check_event_function, odeint
from .problem import Problem, Rate, State, read_problem


def odeint_event(
    func: Rate,
    y0: State,
    t0: Tensor | float,
    *,
    event_fn: EventFunction,
    reverse_time: bool = False,
    odeint_interface: Callable[..., Any] = odeint,
    **kwargs: Any,
) -> tuple[Tensor, State]:
    """Integrate until an event, and give its time a gradient: torchdiffeq's `odeint_event`, with the same arguments.

    Let c(t, y) = 0 at the event. The implicit function theorem gives the derivatives with respect to anything::

        dt* = -dc / (c_t + c_y . f),        dy* = dy + f dt*,

    dc and dy being those of c and of y at the fixed time t*. What event_fn uses gets its gradient, too.

    Args:
        func: function of t and the state.
        y0: a tensor or a tuple of tensors.
        t0: the initial time, a scalar tensor or a number.
        event_fn: function of t and the state; the event is the first change of the sign of one of its values.
        reverse_time: integrate backward in time.
        odeint_interface: `odeint` or `odeint_adjoint`.
        **kwargs: further arguments of it.

    Returns:
        The time of the event (a scalar), and the solution (2, *shape), at t0 and at the event; a tuple for a tuple.

    Raises:
        OptionError, OdeintFailed: as `odeint_interface`.
    """
    check_event_function(event_fn)
    problem = read_problem(func, y0)
    start = _initial_time(t0, problem)
    t = torch.cat([start, start.detach() + (-1.0 if reverse_time else 1.0)])
    event_t, solution = odeint_interface(func, y0, t, event_fn=event_fn, **kwargs)
    last = solution[-1] if isinstance(solution, Tensor) else torch.cat([part[-1].reshape(-1) for part in solution])
    with torch.no_grad():
        condition = combined(problem, event_fn, t[0])
    event_t, last = moved_to_event(problem, condition, event_t.detach(), last)
    if isinstance(solution, Tensor):
        return event_t, torch.stack([solution[0], last])
    ends = problem.to_user(last)
    return event_t, tuple(torch.stack([part[0], end]) for part, end in zip(solution, ends, strict=True))


def _initial_time(t0: Any, problem: Problem) -> Tensor:
    """(1,): a tensor as it is, a number in the real dtype of the state."""
    if not isinstance(t0, Tensor) and (isinstance(t0, bool) or not isinstance(t0, int | float)):
        raise OdeintTypeError(f"t0 is {type(t0).__name__}, expected a scalar tensor or a number")
    time = t0 if isinstance(t0, Tensor) else torch.tensor(t0, dtype=problem.real, device=problem.y0.device)
    if time.numel() != 1:
        raise OdeintOptionError(f"t0 has shape {tuple(time.shape)}, expected one number: the initial time")
    return time.reshape(1)


def moved_to_event(problem: Problem, condition: Condition, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The same numbers, with the derivatives of the event.

    Args:
        problem: what is solved.
        condition: zero at the event.
        t: when, a number.
        y: (*state), the state at that fixed time, with its graph.
    """
    live = condition(t, y)
    if not (live.requires_grad or y.requires_grad):
        return t, y
    rate = problem.rate(t, y.detach()).detach()
    slope = _slope(condition, t, y.detach(), rate)
    event_t = t - ((live - live.detach()) / slope).to(t.dtype)
    return event_t, y + (event_t - t).to(problem.real) * rate


def _slope(condition: Condition, t: Tensor, y: Tensor, rate: Tensor) -> Tensor:
    """dc/dt along the solution; a solution that only touches c = 0 gets 1e-12 for 0, as in torchdiffeq."""
    with torch.enable_grad():
        time, state = t.detach().clone().requires_grad_(), y.clone().requires_grad_()
        value = condition(time, state)
        found = torch.autograd.grad(value, (time, state), allow_unused=True) if value.requires_grad else (None, None)
    by_time, by_state = found
    slope = torch.zeros_like(value.detach()) if by_time is None else by_time.to(value.dtype)
    if by_state is not None:
        slope = slope + (by_state.conj() * rate).sum().real
    return torch.where(slope == 0, torch.full_like(slope, 1e-12), slope)
