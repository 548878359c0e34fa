"""`solve`: checks the options, chooses the method and the gradient, runs the loop, labels the result."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import Event, FieldEquation
from fieldsolver.equations.events import EventFunction
from fieldsolver.errors import FieldSolverWarning, OptionError, SolveFailed
from fieldsolver.gradients import GradientMode, captured_by_events, captures_gradients, get_gradient, is_transformed
from fieldsolver.methods import with_rate_at_end
from fieldsolver.methods.transformed import in_transform
from fieldsolver.stepping import Ends, Status, SteadyState, StepLog, Trajectory
from fieldsolver.stepping.compiled_method import CompiledMethod
from fieldsolver.stepping.controllers import Controller
from fieldsolver.stepping.error_norm import Norm
from fieldsolver.stepping.partial import take_partial

from .checkpoint import Checkpoint, keeper_of
from .ends import differentiable_ends
from .events import events_of
from .options import (
    ToleranceOption,
    check_loop,
    check_replay,
    check_sizes,
    check_step,
    choose_method,
    refuse_reserved,
    resolved_tolerances,
    save_times,
    times_inside,
)
from .outcome import solution_of, statistics_of
from .ponder import ponder_cost
from .problem import Problem, make_problem
from .progress import ProgressBar
from .solution import Solution, succeeded
from .stability_limit import CHECKS, check_fixed_step, warn_of_backward_diffusion
from .steady_state import resolved, steady_gradient, time_span


def solve(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t_span: Sequence[float] | None = None,
    dt: float | None = None,
    save_at: Tensor | Sequence[float] | None = None,
    method: str | CompiledMethod = "auto",
    rtol: ToleranceOption = 1e-6,
    atol: ToleranceOption = 1e-9,
    batch_dims: int | None = None,
    args: Sequence[Any] = (),
    events: Sequence[Event] = (),
    until: SteadyState | None = None,
    gradient: str | GradientMode | None = None,
    backend: str = "auto",
    dense: bool = False,
    max_steps: int = 100_000,
    dt_min: float | None = None,
    dt_max: float | None = None,
    first_step: float | None = None,
    controller: str | Controller = "pi",
    norm: Norm | None = None,
    land_at: Tensor | Sequence[float] | None = None,
    restart_at: Tensor | Sequence[float] | None = None,
    replay: StepLog | None = None,
    on_failure: str = "raise",
    check: str = "refuse",
    callback: Callable[[Tensor, Tensor], None] | None = None,
    progress: bool | None = None,
    seed: int | None = None,
    backward: bool = False,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> Solution:
    """Integrate ``dy/dt = f(t, y)`` from ``t_span[0]`` to ``t_span[1]``.

    Every sample of a batch has its own step size, error control and outcome.

    Args:
        f: a declared equation, or a function or module ``f(t, y, *args)``.
        y0: for an equation a dict of fields or a packed tensor ``(*batch, C, *grid)``; for a function a tensor.
        t_span: start and end; may be left out with `until`. Where one is a tensor that requires a gradient, it gets
            one: save points at the end, and none else, move with it.
        dt: size of fixed steps; None lets the method choose its steps by the tolerances.
        save_at: times to keep, in the order of the integration; None keeps both ends. They never change the steps.
        method: name of the scheme; ``"auto"`` chooses and says why in ``solution.stats``. `fs.CompiledMethod` of a name
            has its steps compiled, which pays for many steps of large states.
        rtol: relative tolerance of adaptive steps: a number, a tensor that broadcasts against one state, or a dict with
            a number or a tensor per field.
        atol: absolute tolerance, likewise.
        batch_dims: plain functions only: 0, one system with a scalar `t`; 1, independent samples ``(B, ...)`` with `t`
            of shape ``(B, 1, ...)``.
        args: further arguments of a plain function; tensors among them get gradients.
        events: `fs.Event` objects, besides those of the equation; for plain functions of (t, y). What happened when is
            in ``solution.events``, and the times are differentiable.
        until: an `fs.SteadyState`: samples end when they are at rest, and keep that state at the save points behind.
        seed: reserved for noise; refused until that exists.
        gradient: name of a mode (``fieldsolver.gradients.GRADIENTS``), or a mode with options such as
            ``fs.gradients.Checkpointed(states=16)``; None chooses.
        backend: ``"auto"`` or ``"torch"``.
        dense: keep the interpolant, so that ``solution(t)`` works; differentiable in the mode ``"direct"``.
        max_steps: attempted steps per sample.
        dt_min: adaptive steps are not shortened below this; a sample that would need it ends.
        dt_max: adaptive steps are not lengthened beyond this.
        first_step: size of the first adaptive step; None chooses it by two evaluations.
        controller: law of the adaptive step size: a name in `fieldsolver.stepping.controllers.CONTROLLERS`, or a
            `Controller`.
        norm: ``(B, *state) -> (B,)`` of the error over the tolerance; None is the root mean square over the state.
        land_at: times within the span on which adaptive steps end exactly. The knots of a `fs.Signal` are among them
            anyway.
        restart_at: likewise, where f is discontinuous: the method and the controller start anew behind them.
        replay: ``solution.steps`` of an earlier solve: the same steps, without error control, by the same method unless
            another one is asked for. Refused where an event of the log is no longer, or a new one has come.
        on_failure: ``"raise"`` raises `SolveFailed`, with the partial solution, once all samples have ended;
            ``"keep"`` returns it.
        check: what to do about a fixed step beyond the stability limit: ``"refuse"``, ``"warn"`` or ``"off"``.
        callback: called as ``callback(t, y)`` after accepted steps, with the state ``(B, ...)``.
        progress: show a bar: True, False, or None for only on a terminal.
        backward: integrate backwards, from the larger to the smaller time.
        checkpoint: path of a file, or a `fs.Checkpoint`: what the solve needs to go on is written there every minute,
            and when an exception or Ctrl-C ends it. The same call then goes on from the file, to the same bits as
            without the interruption; once all samples have ended the file is removed. Only without gradients.

    Returns:
        A `Solution` with ``y`` of shape ``(T, *batch, C, *grid)``.

    Raises:
        OptionError, StateError: an option or the state cannot be; one sentence says what to type.
        StabilityError: a fixed step beyond a sharp stability limit.
        FileFormatError: the checkpoint is of another problem, or damaged; it is left as it is.
        SolveFailed: a sample ended early and `on_failure` is ``"raise"``.
        What f or the callback raises, and Ctrl-C, pass through with the partial solution as their ``.solution``.
    """
    t0, t1 = time_span(until, t_span, backward)
    ends = differentiable_ends(t_span, until)
    if on_failure not in ("raise", "keep"):
        raise OptionError(f"on_failure is 'raise' or 'keep', got {on_failure!r}")
    refuse_reserved(seed, backend)
    check_step(dt)
    if check not in CHECKS:
        raise OptionError(f"check is one of {CHECKS}, got {check!r}")
    method = check_replay(
        replay, method, dt=dt, dt_min=dt_min, dt_max=dt_max, first_step=first_step, norm=norm, land_at=land_at,
        restart_at=restart_at,
    )  # fmt: skip
    check_sizes(dt_min, dt_max, first_step, abs(t1 - t0))
    problem = make_problem(f, y0, batch_dims, args)
    check_loop(max_steps, callback, norm, problem)
    watched = events_of(problem, events)
    scheme, reason = choose_method(method, dt)
    relative, absolute = resolved_tolerances(rtol, atol, problem)
    if problem.equation is not None and not in_transform():  # inside torch.func nobody sees the parameters' values
        if backward:
            warn_of_backward_diffusion(problem.equation, t0 - t1)
        if dt is not None:
            check_fixed_step(problem.equation, scheme, dt, check, t0)
    times = save_times(save_at, t0, t1)
    land_at = None if land_at is None else times_inside("land_at", land_at, t0, t1)
    restart_at = None if restart_at is None else times_inside("restart_at", restart_at, t0, t1)
    usual = _default_gradient(problem, t0, watched, ends)
    if dense and usual == "checkpointed":
        usual = "direct"  # solution(t) then has its gradient; every step is kept anyway
    default = usual if until is None else steady_gradient(usual, save_at, watched)
    mode = get_gradient(default if gradient is None else gradient)
    mode.check(scheme, problem.equation, t1 - t0)
    steps: dict[str, Any] = {
        "dt": dt, "dt_min": dt_min, "dt_max": dt_max, "first_step": first_step, "controller": controller, "norm": norm,
        "land_at": problem.landings(land_at) if dt is None and replay is None else land_at, "restart_at": restart_at,
        "replay": replay,
    }  # fmt: skip
    keeper = keeper_of(checkpoint, f, problem, mode.name, dense, {
        **steps, "method": scheme.name, "t_span": (t0, t1), "rtol": rtol, "atol": atol, "save_at": times, "args": args,
        "batch_dims": batch_dims, "events": events, "max_steps": max_steps, "callback": callback is not None,
        "until": until,
    })  # fmt: skip
    if keeper is not None:
        steps["keeper"] = keeper
    if replay is not None:
        steps["check_events"] = True
    asking = scheme
    if until is not None:
        steps["until"], asking = resolved(until, problem), with_rate_at_end(scheme)

    started = time.perf_counter()

    def finished(trajectory: Trajectory, ponder: Tensor | None = None) -> Solution:
        warn = problem.equation is None and until is None  # close to rest every explicit method is held by stability
        why = _noting_stiffness(reason, trajectory, warn=warn) if method == "auto" else reason
        stats = statistics_of(problem, trajectory, scheme, why, mode.name, time.perf_counter() - started, t0)
        options = {"t0": t0, "t1": t1, "rtol": _plain(rtol), "atol": _plain(atol)} | ({} if dt is None else {"dt": dt})
        return solution_of(problem, trajectory, times, stats, options, t1 - t0, ponder)

    try:
        with ProgressBar("solving", progress) as bar:
            trajectory = mode.solve(
                problem.field, asking, problem.y0, t0, t1, rtol=relative, atol=absolute, save_at=times,
                max_steps=max_steps, dense=dense, callback=callback, progress=bar if bar.wanted else None,
                events=watched, ends=ends, **steps,
            )  # fmt: skip
            ponder = None
            if until is not None and until.ponder:
                along = get_gradient(usual) if mode.name == "implicit" else mode  # of the path, not of its end alone
                ponder = ponder_cost(along, problem.field, scheme, problem.y0, trajectory.steps, (t0, t1), watched)
    except (Exception, KeyboardInterrupt) as error:
        partial = take_partial(error)
        if partial is not None:
            setattr(error, "solution", finished(partial))  # noqa: B010  # no exception class declares it
            error.add_note("fieldsolver: what was solved up to here is in this exception's .solution")
        raise
    return _finished(finished(trajectory, ponder), on_failure)


def _noting_stiffness(reason: str, trajectory: Trajectory, *, warn: bool) -> str:
    """The reason for the method, with what was learned on the way; `explain` foretells it for declared equations."""
    found = trajectory.stats.stiff_from
    stiff = found[torch.isfinite(found)]
    if not stiff.numel():
        return reason
    what = f"{stiff.numel()} of {found.numel()} sample(s) became stiff, the first at t = {stiff.min().item():.4g}"
    if warn:
        remedy = "expect many steps, or take a method with a longer stability interval (fieldsolver list methods)"
        message = f"{what}: stability holds the explicit steps down, not accuracy, and there is no implicit method yet"
        warnings.warn(f"{message}; {remedy}", FieldSolverWarning, stacklevel=4)
    return f"{reason}; {what}"


def _plain(tolerance: ToleranceOption) -> Any:
    """As an attribute of a file."""
    if isinstance(tolerance, Tensor):
        return tolerance.flatten().tolist()
    return str(dict(tolerance)) if isinstance(tolerance, Mapping) else tolerance


def _default_gradient(problem: Problem, t0: float, events: Sequence[EventFunction], ends: Ends | None) -> str:
    if is_transformed(problem.field, t0, problem.y0, ends):
        return "direct"
    if not torch.is_grad_enabled():
        return "none"
    if captured_by_events(problem.field, t0, problem.y0, events) is not None:
        return "direct"
    if problem.needs_gradient() or ends is not None:
        return problem.default_gradient
    if problem.equation is None and captures_gradients(problem.field, t0, problem.y0):
        return "direct"
    return "none"


def _finished(solution: Solution, on_failure: str) -> Solution:
    if solution.success:
        return solution
    status, t_end = solution.status.reshape(-1), solution.t_end.reshape(-1)
    failed = torch.nonzero(~succeeded(status)).flatten()
    first = int(failed[0])
    message = (
        f"{failed.numel()} of {status.numel()} sample(s) ended early; sample {first} at t = {t_end[first].item():.6g}: "
        f"{Status(int(status[first])).sentence}"
    )
    if on_failure == "raise":
        raise SolveFailed(message + " The partial solution is in the exception's .solution.", solution)
    warnings.warn(message, FieldSolverWarning, stacklevel=3)
    return solution
