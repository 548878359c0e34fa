"""`odeint` with the arguments of torchdiffeq."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .errors import OdeintTypeError
from .event_location import solve_until_event
from .method_names import SCIPY, check_method
from .problem import Problem, Rate, State, read_problem, read_times, read_tolerance
from .run import GradientMode, Recorded, run
from .scipy_solver import solve_with_scipy
from .steps import choose_steps

EventFunction = Callable[[Any, Any], Tensor]


def odeint(
    func: Rate,
    y0: State,
    t: Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    event_fn: EventFunction | None = None,
) -> Any:
    """Integrate dy/dt = func(t, y), y(t[0]) = y0: torchdiffeq's `odeint`, with the same arguments.

    One step size serves the whole state. The gradient is that of the discrete solution, with the step sizes as
    constants; it reaches y0, t and whatever func uses, and may be differentiated again.

    Args:
        func: function of a scalar tensor t, in the real dtype of the state, and the state.
        y0: a tensor of any shape, real or complex, or a tuple of tensors, which are integrated in one dtype.
        t: (T,) output times, strictly increasing or decreasing; the first one is the initial time.
        rtol: relative tolerance: a number, a tensor that broadcasts against y0, or one of these for each of a tuple.
        atol: absolute tolerance, likewise.
        method: one of `method_names.NAMES`; None is ``"dopri5"``.
        options: options of the method, as in torchdiffeq; those it does not know bring a warning.
        event_fn: function of t and the state; the integration ends where one of its values changes its sign. Only
            t[0] and the direction of t are used then, and t must have two entries.

    Returns:
        (T, *shape) for a tensor, a tuple of these for a tuple. With an event (event_t, solution), whose T is 2: the
        initial state, and the state at event_t, which carries no gradient itself (`odeint_event` gives it one).

    Raises:
        OptionError: an argument that cannot be; also a ValueError, and the type that torchdiffeq raises.
        OdeintFailed: the steps became too small or too many, or the state not finite; also an AssertionError.
    """
    return solve(func, y0, t, rtol, atol, method, options, event_fn, Recorded())


def solve(
    func: Rate, y0: State, t: Tensor, rtol: Any, atol: Any, method: str | None, options: Mapping[str, Any] | None,
    event_fn: EventFunction | None, mode: GradientMode,
) -> Any:  # fmt: skip
    """What `odeint` and `odeint_adjoint` share; the arguments are those of `odeint`, and how gradients are made."""
    name = check_method(method)
    problem = read_problem(func, y0)
    t = read_times(t, problem.y0)
    rtol, atol = (read_tolerance(*given, problem) for given in (("rtol", rtol), ("atol", atol)))
    if options is not None and not isinstance(options, Mapping):
        raise OdeintTypeError(f"options is {type(options).__name__}, expected a dict such as {{'first_step': 0.1}}")
    if event_fn is not None:
        check_event_function(event_fn)
        event_t, states = solve_until_event(problem, name, t, rtol, atol, options, event_fn, mode)
        return event_t, problem.to_user(states)
    return problem.to_user(_states(problem, name, t, rtol, atol, options, mode))


def check_event_function(event_fn: Any) -> None:
    """Raises `OdeintTypeError` if it cannot be called."""
    if not callable(event_fn):
        raise OdeintTypeError(
            f"event_fn is {type(event_fn).__name__}, expected a function of t and the state, such as lambda t, y: y[0]"
        )


def _states(
    problem: Problem, name: str, t: Tensor, rtol: float | Tensor, atol: float | Tensor,
    options: Mapping[str, Any] | None, mode: GradientMode,
) -> Tensor:  # fmt: skip
    """(T, *state)."""
    if name == SCIPY:
        return solve_with_scipy(problem, t, rtol, atol, options or {})
    if t.numel() == 1:
        return problem.y0.unsqueeze(0)
    steps = choose_steps(
        problem, name, t, rtol, atol, options, direct=mode.name == "direct" and torch.is_grad_enabled()
    )
    return run(problem, steps, t, mode)
