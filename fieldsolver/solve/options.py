"""The options of `solve` and its relatives: one sentence for each that cannot be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods import METHODS, Method, get_method
from fieldsolver.methods.transformed import is_batched
from fieldsolver.stepping import StepLog
from fieldsolver.stepping.compiled_method import CompiledMethod

from .problem import Problem

ToleranceOption = float | Tensor | Mapping[str, float | Tensor]
"""A number, numbers per entry of one state, or per field of a declared equation a number or one per point."""


def choose_method(name: str | CompiledMethod, dt: float | None) -> tuple[Method, str]:
    """The scheme of that name, and the reason; ``"auto"`` takes rk4 for fixed steps and tsit5 for chosen ones.

    Raises:
        OptionError: no method has this name, or it takes no fixed steps.
    """
    if isinstance(name, CompiledMethod):
        return name, "asked for, compiled"
    if not isinstance(name, str):
        raise OptionError(f"method is a name such as 'tsit5', or fs.CompiledMethod('tsit5'), got {name!r}")
    if name != "auto":
        method = get_method(name)
        if dt is not None and not method.fixed_steps:
            raise OptionError(f"{name} chooses its steps and its order; take ab4, or leave dt out")
        return method, "asked for"
    if dt is not None:
        return METHODS["rk4"], "auto: fixed steps were asked for; rk4 has order 4, and stable steps for waves and decay"
    return METHODS["tsit5"], "auto: explicit adaptive steps of order 5"


def check_replay(replay: StepLog | None, method: str | CompiledMethod, **others: Any) -> str | CompiledMethod:
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
        ends = [float(value.detach()) if isinstance(value, Tensor) else float(value) for value in t_span]
    except (TypeError, ValueError, RuntimeError):
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


def number(name: str, value: Any, expected: str) -> float:
    """One number of the user; NaN is none.

    Raises:
        OptionError: something else, said as "`name` is `expected`, got ...".
    """
    plain = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    scalar = isinstance(value, Tensor) and value.dim() == 0 and not value.is_complex() and value.dtype != torch.bool
    if not (plain or scalar) or math.isnan(value):
        raise OptionError(f"{name} is {expected}, got {value!r}")
    return float(value)


def check_sizes(dt_min: Any, dt_max: Any, first_step: Any, span: float) -> None:
    """Refuse sizes of steps that are no numbers or out of order, and a smallest step that is longer than the span."""
    smallest = 0.0 if dt_min is None else number("dt_min", dt_min, "the size of the smallest step, a number")
    largest = math.inf if dt_max is None else number("dt_max", dt_max, "the size of the largest step, a number")
    if not 0.0 <= smallest <= largest or largest == 0.0:
        raise OptionError(f"dt_min = {dt_min}, dt_max = {dt_max}; expected 0 <= dt_min <= dt_max and dt_max > 0")
    if smallest > span:
        raise OptionError(f"dt_min = {smallest:g} is longer than the whole span, {span:g}; take a smaller one")
    if first_step is None:
        return
    size = number("first_step", first_step, "the size of the first step, a number")
    if not (math.isfinite(size) and size > 0):
        raise OptionError(f"first_step = {first_step}, expected a positive size; leave it out to have it chosen")


def check_loop(max_steps: Any, callback: Any, norm: Any, problem: Problem) -> None:
    """Refuse a number of steps, a callback or a norm that the loop could not use."""
    whole = isinstance(max_steps, (int, np.integer)) and not isinstance(max_steps, bool)
    if not whole or max_steps < 1:
        raise OptionError(f"max_steps = {max_steps!r}, expected a whole number of attempted steps, at least 1")
    if callback is not None and not callable(callback):
        raise OptionError(f"callback is a function (t, y) that is called after accepted steps, got {callback!r}")
    if norm is not None:
        _check_norm(norm, problem.y0)


def _check_norm(norm: Any, y0: Tensor) -> None:
    """Ask for the norm of no error at all."""
    expected = "norm is a function of the scaled error (B, *state) that returns (B,) real numbers"
    if not callable(norm):
        raise OptionError(f"{expected}, got {norm!r}; leave it out for the root mean square")
    with torch.no_grad():
        size = norm(torch.zeros_like(y0))
    if not isinstance(size, Tensor):
        raise OptionError(f"{expected}, but it returned {type(size).__name__}; write error.abs().flatten(1).amax(1)")
    if size.shape != y0.shape[:1] or not size.is_floating_point():
        raise OptionError(
            f"{expected}, but of an error {tuple(y0.shape)} it returned {tuple(size.shape)}, {size.dtype}; "
            "reduce all axes but the first, as in error.abs().flatten(1).amax(1)"
        )


def refuse_reserved(seed: int | None, backend: str) -> None:
    """Refuse what is announced and does not exist yet."""
    if seed is not None:
        raise OptionError("seed= is reserved and does nothing in this version; leave it out")
    if backend not in ("auto", "torch"):
        raise OptionError(f"backend is 'auto' or 'torch', got {backend!r}")


def save_times(save_at: Tensor | Sequence[float] | None, t0: float, t1: float) -> Tensor:
    """(T,) float64: the times to keep; None keeps both ends."""
    if save_at is None:
        return torch.tensor([t0, t1], dtype=torch.float64)
    times = times_inside("save_at", save_at, t0, t1)
    if times.numel() == 0:
        raise OptionError("save_at is a list of at least one time, got shape (0,); leave it out to keep both ends")
    return times


def times_inside(name: str, given: Tensor | Sequence[float], t0: float, t1: float) -> Tensor:
    """(L,) float64 on the host: a list of times within the span, as the user has ordered them."""
    try:
        plain = torch.as_tensor(given)
        times = torch.as_tensor(given, dtype=torch.float64).detach().cpu() if not plain.is_complex() else None
    except (TypeError, ValueError, RuntimeError):
        times = None
    if times is None:
        raise OptionError(f"{name} is a list of times or a tensor, got {given!r}")
    if times.dim() == 0:
        raise OptionError(f"{name} is a list of finite times, got {times.item():g}; write [{times.item():g}]")
    if times.dim() != 1 or times.isnan().any():
        got = "NaN" if times.dim() == 1 else f"shape {tuple(times.shape)}"
        raise OptionError(f"{name} is a list of finite times, got {got}; write one such as [0.5, 1.0]")
    # linspace in float32 ends a rounding error beyond the span; a stray of that size is the end itself.
    slack = 1e-6 * abs(t1 - t0)
    low, high = min(t0, t1), max(t0, t1)
    inside = times.clamp(low, high)
    strays = (times - inside).abs() > slack
    wrong = times[strays]
    if wrong.numel():
        raise OptionError(f"{name} has the time {wrong[0].item():g} outside the span [{low:g}, {high:g}]")
    return inside


def check_tolerances(rtol: Any, atol: Any) -> None:
    """Refuse tolerances that no step could meet."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        values = list(value.values()) if isinstance(value, Mapping) else [value]
        for one in values:
            if not _tolerable(one):
                raise OptionError(f"{name} is a number that is not negative, or one per field or entry, got {value!r}")
    if not isinstance(rtol, (Tensor, Mapping)) and not isinstance(atol, (Tensor, Mapping)) and rtol == 0 and atol == 0:
        raise OptionError("rtol and atol cannot both be zero: no step would ever be accurate enough")


def _tolerable(tolerance: Any) -> bool:
    if isinstance(tolerance, Tensor):
        return bool((torch.isfinite(tolerance) & (tolerance >= 0)).all())
    return isinstance(tolerance, (int, float)) and 0 <= tolerance < math.inf


def resolved_tolerances(rtol: Any, atol: Any, problem: Problem) -> tuple[float | Tensor, float | Tensor]:
    """rtol and atol as numbers, or tensors that broadcast against one state.

    Raises:
        OptionError: unknown fields, shapes that do not fit, or tolerances that round-off exceeds.
    """
    check_tolerances(rtol, atol)
    relative, absolute = _for_state("rtol", rtol, problem), _for_state("atol", atol, problem)
    epsilon = torch.finfo(problem.y0.dtype).eps
    # A sample that starts with NaN fails by itself, and says nothing about the others.
    known = problem.y0.detach().abs().nan_to_num(nan=0.0, posinf=0.0)
    size = known.max() if known.numel() else torch.tensor(0.0)
    per_size, at_zero = (value.to(size) if isinstance(value, Tensor) else value for value in (relative, absolute))
    if not is_batched(size) and bool((per_size * size + at_zero < 2 * epsilon * size).any()):
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
    state = problem.y0.shape[1:]
    if value.numel() != 1 and not _fits(value, state):
        raise OptionError(
            f"{name} has shape {tuple(value.shape)}, expected one that broadcasts against a state, {tuple(state)}"
        )
    return value


def _fits(value: Tensor, shape: Sequence[int]) -> bool:
    """Whether it broadcasts to this shape."""
    try:
        return torch.broadcast_shapes(value.shape, shape) == tuple(shape)
    except RuntimeError:
        return False


def _per_field(name: str, value: Mapping[str, float | Tensor], problem: Problem) -> Tensor:
    equation = problem.equation
    if equation is None:
        raise OptionError(f"{name} with one number per field needs a FieldEquation; pass a tensor like the state")
    fields = equation.unpack(torch.zeros(equation.state_shape, dtype=torch.float64))
    unknown = [key for key in value if key not in fields]
    if unknown:
        raise OptionError(f"{name} names {unknown[0]!r}; fields: {listing(fields)}{nearest(unknown[0], fields)}")
    missing = [key for key in fields if key not in value]
    if missing:
        raise OptionError(f"{name} names no number for {listing(missing)}; give one per field, or a single number")
    spread = {}
    for key, field in fields.items():
        given = torch.as_tensor(value[key], dtype=field.dtype, device=field.device)
        if given.numel() != 1 and not _fits(given, field.shape):
            raise OptionError(
                f"{name} for {key!r} has shape {tuple(given.shape)}, expected a number or a tensor that broadcasts to "
                f"the field of one sample, {tuple(field.shape)}"
            )
        spread[key] = given.reshape(()).expand(field.shape) if given.numel() == 1 else given.expand(field.shape)
    packed = equation.pack(spread)
    return (packed.real if packed.is_complex() else packed).double()
