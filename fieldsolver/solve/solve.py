"""`solve`: checks the options, chooses the method and the gradient, runs the loop, labels the result."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import FieldSolverWarning, OptionError, SolveFailed
from fieldsolver.gradients import captures_gradients, solve_with_gradient
from fieldsolver.methods import METHODS, Method, get_method
from fieldsolver.stepping import Status, Trajectory

from .problem import Problem, make_problem
from .progress import ProgressBar
from .solution import Solution, SolveStatistics
from .stability_limit import CHECKS, check_fixed_step, warn_of_backward_diffusion


def solve(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t_span: Sequence[float],
    dt: float | None = None,
    save_at: Tensor | Sequence[float] | None = None,
    method: str = "auto",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    batch_dims: int | None = None,
    args: Sequence[Any] = (),
    events: Sequence[Any] = (),
    until: Any = None,
    gradient: str | None = None,
    backend: str = "auto",
    dense: bool = False,
    max_steps: int = 100_000,
    on_failure: str = "raise",
    check: str = "refuse",
    callback: Callable[[Tensor, Tensor], None] | None = None,
    progress: bool | None = None,
    seed: int | None = None,
    backward: bool = False,
) -> Solution:
    """Integrate ``dy/dt = f(t, y)`` from ``t_span[0]`` to ``t_span[1]``.

    Every sample of a batch has its own step size, error control and outcome.

    Args:
        f: a declared equation, or a function or module ``f(t, y, *args)``.
        y0: for an equation a dict of fields or a packed tensor ``(*batch, C, *grid)``; for a function a tensor.
        t_span: start and end.
        dt: size of fixed steps; None lets the method choose its steps by the tolerances.
        save_at: times to keep, in the order of the integration; None keeps both ends. They never change the steps.
        method: name of the scheme; ``"auto"`` chooses and says why in ``solution.stats``.
        rtol: relative tolerance of adaptive steps.
        atol: absolute tolerance of adaptive steps.
        batch_dims: plain functions only: 0, one system with a scalar `t`; 1, independent samples ``(B, ...)`` with `t`
            of shape ``(B, 1, ...)``.
        args: further arguments of a plain function; tensors among them get gradients.
        events, until, seed: reserved for events, stopping conditions and noise; refused until these exist.
        gradient: ``"checkpointed"``, ``"direct"`` or ``"none"``; None chooses.
        backend: ``"auto"`` or ``"torch"``.
        dense: keep the interpolant, so that ``solution(t)`` works.
        max_steps: attempted steps per sample.
        on_failure: ``"raise"`` raises `SolveFailed`, with the partial solution, once all samples have ended;
            ``"keep"`` returns it.
        check: what to do about a fixed step beyond the stability limit: ``"refuse"``, ``"warn"`` or ``"off"``.
        callback: called as ``callback(t, y)`` after accepted steps, with the state ``(B, ...)``.
        progress: show a bar: True, False, or None for only on a terminal.
        backward: integrate backwards, from the larger to the smaller time.

    Returns:
        A `Solution` with ``y`` of shape ``(T, *batch, C, *grid)``.

    Raises:
        OptionError, StateError: an option or the state cannot be; one sentence says what to type.
        StabilityError: a fixed step beyond a sharp stability limit.
        SolveFailed: a sample ended early and `on_failure` is ``"raise"``.
    """
    t0, t1 = _checked_span(t_span, backward)
    if on_failure not in ("raise", "keep"):
        raise OptionError(f"on_failure is 'raise' or 'keep', got {on_failure!r}")
    check_tolerances(rtol, atol)
    _refuse_reserved(events, until, seed, backend)
    check_step(dt)
    if check not in CHECKS:
        raise OptionError(f"check is one of {CHECKS}, got {check!r}")
    problem = make_problem(f, y0, batch_dims, args)
    scheme, reason = choose_method(method, dt)
    if backward and problem.equation is not None:
        warn_of_backward_diffusion(problem.equation, t0 - t1)
    if problem.equation is not None and dt is not None:
        check_fixed_step(problem.equation, scheme, dt, check, t0)
    times = _save_times(save_at, t0, t1)
    mode = gradient if gradient is not None else _default_gradient(problem, t0)

    started = time.perf_counter()
    with ProgressBar("solving", progress) as bar:
        trajectory = solve_with_gradient(
            mode, problem.field, scheme, problem.y0, t0, t1, dt=dt, rtol=rtol, atol=atol, save_at=times,
            max_steps=max_steps, dense=dense, callback=callback, progress=bar if bar.wanted else None,
            dt_max=problem.longest_step() if dt is None else None,
        )  # fmt: skip
    stats = _statistics(problem, trajectory, scheme, reason, mode, time.perf_counter() - started)
    options = {"t0": t0, "t1": t1, "rtol": rtol, "atol": atol} | ({} if dt is None else {"dt": dt})
    return _finished(_label(problem, trajectory, times, stats, options), on_failure)


def choose_method(name: str, dt: float | None) -> tuple[Method, str]:
    """The scheme of that name, and the reason; ``"auto"`` takes rk4 for fixed steps and tsit5 for chosen ones."""
    if not isinstance(name, str):
        raise OptionError(f"method is a name such as 'tsit5', got {name!r}")
    if name != "auto":
        return get_method(name), "asked for"
    if dt is not None:
        return METHODS["rk4"], "auto: fixed steps were asked for, and rk4 has the largest stable step per evaluation"
    return METHODS["tsit5"], "auto: explicit adaptive steps of order 5"


def check_step(dt: Any) -> None:
    """Refuse what is no step size; None means adaptive steps."""
    if dt is None:
        return
    if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not (math.isfinite(dt) and dt > 0):
        raise OptionError(f"dt is a positive step size, got {dt!r}")


def _checked_span(t_span: Sequence[float], backward: bool) -> tuple[float, float]:
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


def _refuse_reserved(events: Sequence[Any], until: Any, seed: int | None, backend: str) -> None:
    for name, given in (("events", len(events) > 0), ("until", until is not None), ("seed", seed is not None)):
        if given:
            raise OptionError(f"{name}= is reserved and does nothing in this version; leave it out")
    if backend not in ("auto", "torch"):
        raise OptionError(f"backend is 'auto' or 'torch', got {backend!r}")


def check_tolerances(rtol: float, atol: float) -> None:
    """Refuse tolerances that no step could meet."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
            raise OptionError(f"{name} is a number that is not negative, got {value!r}")
    if rtol == 0 and atol == 0:
        raise OptionError("rtol and atol cannot both be zero: no step would ever be accurate enough")


def _save_times(save_at: Tensor | Sequence[float] | None, t0: float, t1: float) -> Tensor:
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


def _default_gradient(problem: Problem, t0: float) -> str:
    if not torch.is_grad_enabled():
        return "none"
    if problem.needs_gradient():
        return problem.default_gradient
    if problem.equation is None and captures_gradients(problem.field, t0, problem.y0):
        return "direct"
    return "none"


def _statistics(
    problem: Problem, trajectory: Trajectory, method: Method, reason: str, mode: str, seconds: float
) -> SolveStatistics:
    costs = trajectory.stats
    shaped = {
        name: problem.to_user(getattr(costs, name))
        for name in ("accepted", "rejected", "nfev", "smallest_dt", "largest_dt")
    }
    return SolveStatistics(method=method.name, reason=reason, backend="torch", gradient=mode, seconds=seconds, **shaped)


def _label(
    problem: Problem, trajectory: Trajectory, times: Tensor, stats: SolveStatistics, options: dict[str, Any]
) -> Solution:
    dense = trajectory.dense
    return Solution(
        t=times,
        y=_projected(problem, times, trajectory.saved),
        status=problem.to_user(trajectory.status),
        t_end=problem.to_user(trajectory.t_end),
        stats=stats,
        equation=problem.equation,
        steps=trajectory.steps,
        dense=None if dense is None else lambda t: problem.to_user(dense(t), torch.as_tensor(t).dim()),
        attributes=options,
    )


def _projected(problem: Problem, times: Tensor, saved: Tensor) -> Tensor:
    """Saved states with the user's batch axes, and nodes on Dirichlet walls at their values."""
    values = problem.to_user(saved, leading=1)
    equation = problem.equation
    if equation is None or not equation.holds_nodes:
        return values
    rows = [equation.project(t, row) for t, row in zip(times.to(values.device), values, strict=True)]
    return torch.stack(rows)


def _finished(solution: Solution, on_failure: str) -> Solution:
    if solution.success:
        return solution
    status, t_end = solution.status.reshape(-1), solution.t_end.reshape(-1)
    failed = torch.nonzero(status != Status.SUCCESS).flatten()
    first = int(failed[0])
    message = (
        f"{failed.numel()} of {status.numel()} sample(s) ended early; sample {first} at t = {t_end[first].item():.6g}: "
        f"{Status(int(status[first])).sentence}"
    )
    if on_failure == "raise":
        raise SolveFailed(message + " The partial solution is in the exception's .solution.", solution)
    warnings.warn(message, FieldSolverWarning, stacklevel=3)
    return solution
