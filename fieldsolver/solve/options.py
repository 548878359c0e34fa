"""The options of `solve` and its relatives: one sentence for each that cannot be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods import METHODS, Method, get_method
from fieldsolver.stepping import StepLog

from .problem import Problem

ToleranceOption = float | Tensor | Mapping[str, float]
"""A number, numbers per entry of one state, or one number per field of a declared equation."""


def choose_method(name: str, dt: float | None) -> tuple[Method, str]:
    """The scheme of that name, and the reason; ``"auto"`` takes rk4 for fixed steps and tsit5 for chosen ones.

    Raises:
        OptionError: no method has this name, or it takes no fixed steps.
    """
    if not isinstance(name, str):
        raise OptionError(f"method is a name such as 'tsit5', got {name!r}")
    if name != "auto":
        method = get_method(name)
        if dt is not None and not method.fixed_steps:
            raise OptionError(f"{name} chooses its steps and its order; take ab4, or leave dt out")
        return method, "asked for"
    if dt is not None:
        return METHODS["rk4"], "auto: fixed steps were asked for; rk4 has order 4, and stable steps for waves and decay"
    return METHODS["tsit5"], "auto: explicit adaptive steps of order 5"


def check_replay(replay: StepLog | None, method: str, **others: Any) -> str:
    """The method that repeats a log: that of the log where none was asked for.

    Raises:
        OptionError: no log, or options that would choose the steps as well.
    """
    if replay is None:
        return method
    if not isinstance(replay, StepLog):
        raise OptionError(f"replay is solution.steps of an earlier solve, got {type(replay).__name__}")
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise OptionError(f"replay already says which steps to make; leave {listing(given)} out")
    return method if method != "auto" or replay.method is None else replay.method


def check_step(dt: Any) -> None:
    """Refuse what is no step size; None means adaptive steps."""
    if dt is None:
        return
    if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not (math.isfinite(dt) and dt > 0):
        raise OptionError(f"dt is a positive step size, got {dt!r}")


def checked_span(t_span: Sequence[float], backward: bool) -> tuple[float, float]:
    """Start and end, in the direction that was announced."""
    try:
        ends = [float(value) for value in t_span]
    except (TypeError, ValueError):
        raise OptionError(f"t_span is a pair of numbers such as (0.0, 10.0), got {t_span!r}") from None
    if len(ends) != 2:
        raise OptionError(f"t_span is a pair (start, end), got {len(ends)} value(s); times to keep belong in save_at=")
    t0, t1 = ends
    if not (math.isfinite(t0) and math.isfinite(t1)):
        raise OptionError(f"t_span must be finite, got ({t0:g}, {t1:g})")
    if t0 == t1:
        raise OptionError(f"t_span starts and ends at {t0:g}; give two different times")
    if (t1 < t0) != backward:
        hint = "pass backward=True to integrate backwards" if t1 < t0 else "drop backward=True, or swap the ends"
        raise OptionError(f"t_span runs from {t0:g} to {t1:g}; {hint}")
    return t0, t1


def refuse_reserved(until: Any, seed: int | None, backend: str) -> None:
    """Refuse what is announced and does not exist yet."""
    for name, given in (("until", until is not None), ("seed", seed is not None)):
        if given:
            raise OptionError(f"{name}= is reserved and does nothing in this version; leave it out")
    if backend not in ("auto", "torch"):
        raise OptionError(f"backend is 'auto' or 'torch', got {backend!r}")


def save_times(save_at: Tensor | Sequence[float] | None, t0: float, t1: float) -> Tensor:
    """(T,) float64: the times to keep; None keeps both ends."""
    if save_at is None:
        return torch.tensor([t0, t1], dtype=torch.float64)
    try:
        times = torch.as_tensor(save_at, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise OptionError(f"save_at is a list of times or a tensor, got {save_at!r}") from None
    if times.dim() != 1 or times.numel() == 0:
        raise OptionError(f"save_at is a list of at least one time, got shape {tuple(times.shape)}")
    # linspace in float32 ends a rounding error beyond the span; a stray of that size is the end itself.
    slack = 1e-6 * abs(t1 - t0)
    low, high = min(t0, t1), max(t0, t1)
    inside = times.clamp(low, high)
    strays = (times - inside).abs() > slack
    wrong = times[strays | times.isnan()]
    if wrong.numel():
        raise OptionError(f"save_at has the time {wrong[0].item():g} outside the span [{low:g}, {high:g}]")
    return inside


def check_tolerances(rtol: Any, atol: Any) -> None:
    """Refuse tolerances that no step could meet."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        values = list(value.values()) if isinstance(value, Mapping) else [value]
        for one in values:
            number = one if isinstance(one, Tensor) else torch.tensor(one) if isinstance(one, (int, float)) else None
            if number is None or not bool((torch.isfinite(number) & (number >= 0)).all()):
                raise OptionError(f"{name} is a number that is not negative, or one per field or entry, got {value!r}")
    if not isinstance(rtol, (Tensor, Mapping)) and not isinstance(atol, (Tensor, Mapping)) and rtol == 0 and atol == 0:
        raise OptionError("rtol and atol cannot both be zero: no step would ever be accurate enough")


def resolved_tolerances(rtol: Any, atol: Any, problem: Problem) -> tuple[float | Tensor, float | Tensor]:
    """rtol and atol as numbers, or tensors that broadcast against one state.

    Raises:
        OptionError: unknown fields, shapes that do not fit, or tolerances that round-off exceeds.
    """
    check_tolerances(rtol, atol)
    relative, absolute = _for_state("rtol", rtol, problem), _for_state("atol", atol, problem)
    epsilon = torch.finfo(problem.y0.dtype).eps
    size = problem.y0.detach().abs().max() if problem.y0.numel() else torch.tensor(0.0)
    smallest = (torch.as_tensor(relative).to(size) * size + torch.as_tensor(absolute).to(size)).min()
    if bool(smallest < 2 * epsilon * size):
        remedy = f"take rtol >= {10 * epsilon:.0e}" + ("" if epsilon < 1e-10 else ", or pass y0.double()")
        raise OptionError(
            f"rtol = {rtol} and atol = {atol} ask for less than the round-off of {problem.y0.dtype} "
            f"({epsilon:.1e} of y); {remedy}"
        )
    return relative, absolute


def _for_state(name: str, value: Any, problem: Problem) -> float | Tensor:
    if isinstance(value, Mapping):
        return _per_field(name, value, problem)
    if not isinstance(value, Tensor):
        return float(value)
    try:
        torch.broadcast_shapes(value.shape, problem.y0.shape[1:])
    except RuntimeError:
        raise OptionError(
            f"{name} has shape {tuple(value.shape)}, expected one that broadcasts against a state, "
            f"{tuple(problem.y0.shape[1:])}"
        ) from None
    return value


def _per_field(name: str, value: Mapping[str, float], problem: Problem) -> Tensor:
    equation = problem.equation
    if equation is None:
        raise OptionError(f"{name} with one number per field needs a FieldEquation; pass a tensor like the state")
    fields = equation.unpack(torch.zeros(equation.state_shape))
    unknown = [key for key in value if key not in fields]
    if unknown:
        raise OptionError(f"{name} names {unknown[0]!r}; fields: {listing(fields)}{nearest(unknown[0], fields)}")
    missing = [key for key in fields if key not in value]
    if missing:
        raise OptionError(f"{name} names no number for {listing(missing)}; give one per field, or a single number")
    packed = equation.pack({key: torch.full_like(field, float(value[key])) for key, field in fields.items()})
    return (packed.real if packed.is_complex() else packed).double()
