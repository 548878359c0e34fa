"""`integrate`: checks its options, picks the step control, and runs the loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError, listing
from fieldsolver.methods import Method, Step, adaptive_methods

from .adaptive import AdaptiveSteps
from .batch import Batch
from .control import Attempt, Observer, StepControl
from .controllers import Controller, get_controller
from .dense import DenseOutput
from .ends import Ends
from .error_norm import Norm, Tolerance
from .events import EventDetector, EventFunction
from .fixed import FixedSteps, GivenSteps
from .interruption import Interrupter, LiveInterrupter
from .interruption_log import ReplayedInterrupter
from .keeper import Keeper
from .ledger import Ledger
from .loop import Run
from .partial import keep_partial
from .save_times import SaveTimes
from .saving import SavePoints
from .steady import SteadyState
from .steady_watch import SteadyWatch
from .step_log import ReplayedSteps, StepLog, StepRecorder
from .stiffness_watch import StiffnessWatch
from .targets import Targets, checked_times
from .trajectory import Statistics, Trajectory
from .vector_field import VectorField, unselectable

Callback = Callable[[Tensor, Tensor], None]
Progress = Callable[[float], None]


def integrate(
    field: VectorField,
    method: Method,
    y0: Tensor,
    t0: float,
    t1: float,
    *,
    dt: float | None = None,
    rtol: Tolerance = 1e-6,
    atol: Tolerance = 1e-9,
    save_at: Tensor | None = None,
    max_steps: int = 100_000,
    dt_min: float | None = None,
    dt_max: float | None = None,
    first_step: float | None = None,
    controller: str | Controller = "pi",
    norm: Norm | None = None,
    land_at: Tensor | None = None,
    restart_at: Tensor | None = None,
    step_times: Tensor | None = None,
    events: Sequence[EventFunction] = (),
    dense: bool = False,
    callback: Callback | None = None,
    progress: Progress | None = None,
    replay: StepLog | None = None,
    observers: Sequence[Observer] = (),
    fused: bool = False,
    keeper: Keeper | None = None,
    check_events: bool = False,
    until: SteadyState | None = None,
    ends: Ends | None = None,
) -> Trajectory:
    """Integrate B independent samples from t0 to t1 (t1 < t0 integrates backward).

    The result is differentiable if gradients are enabled; `fieldsolver.gradients` does that with less memory and
    without the rejected steps.

    Args:
        field: the right-hand side, f(t (B,) float64, y (B, *state)) -> (B, *state).
        method: the scheme, from `get_method`.
        y0: (B, *state), real or complex.
        t0: start.
        t1: end.
        dt: positive size of fixed steps; None chooses steps by the error.
        rtol: relative tolerance, a number or a tensor of the shape of one state.
        atol: absolute tolerance, likewise.
        save_at: (T,) float64, ordered from t0 towards t1; None saves nothing.
        max_steps: attempted steps per sample.
        dt_min: adaptive steps are not shortened below this.
        dt_max: adaptive steps are not lengthened beyond this.
        first_step: size of the first adaptive step; None chooses it.
        controller: law of the adaptive step size, by name or as data.
        norm: (B, *state) -> (B,), of the scaled error; None is the root mean square over the state.
        land_at: (L,) times on which adaptive steps end exactly.
        restart_at: (L,) likewise, where f is discontinuous: the method and the controller start anew behind it.
        step_times: (N,) times from t0 to t1: the steps lead from each to the next, without error control.
        events: conditions to be watched; `EventFunction` says how.
        dense: keep every step, so that `trajectory.dense(t)` works.
        callback: called as callback(t (B,), y (B, *state)) after every attempt with an accepted step.
        progress: called with the done fraction of the slowest sample.
        replay: repeat exactly these steps, without error control.
        observers: further observers of the accepted steps.
        fused: let explicit Runge-Kutta methods compute small real states on the host with less overhead and without
            a graph; rounding differs.
        keeper: writes the run to a file, and goes on from that file; not with dense, replay or observers, and only
            without a graph.
        check_events: refuse a `replay` whose events have moved, as `ReplayCheck` says.
        until: end samples that are at rest; its tolerances are numbers or tensors of the shape of one state.
        ends: t0 and t1 as tensors, if their gradients are wanted: the first step of each sample starts later with t0,
            its last one ends later with t1, and all other ends of steps stay.

    Raises:
        OptionError: options that make no sense, alone or together; events that are not where `replay` has them.
        StateError: y0 or f(t0, y0) has the wrong shape, dtype or device.
    """
    t0, t1 = float(t0), float(t1)
    if not (math.isfinite(t0) and math.isfinite(t1)):
        raise OptionError(f"the time span is ({t0}, {t1}), expected two finite times")
    if max_steps < 1:
        raise OptionError(f"max_steps = {max_steps}, expected at least 1")
    steady = None if until is None else SteadyWatch(*until.tolerances(y0), t1, stops=replay is None)
    adaptive = {
        "rtol": rtol, "atol": atol, "dt_min": dt_min, "dt_max": dt_max, "first_step": first_step, "norm": norm,
        "controller": controller, "land_at": land_at, "restart_at": restart_at,
        "second_norm": None if steady is None else steady.error_norm,
    }  # fmt: skip
    control = _choose_control(method, y0, t0, t1, dt, step_times, replay, adaptive)
    if keeper is not None:
        _refuse_with_keeper(dense, replay, observers)
        keeper.prepare(y0.device)
    field = unselectable(field) if any(not event.selectable for event in events) else field
    interrupter = _interrupter(method, y0, t0, t1, events, control, replay, check_events)
    saves, recorder = SavePoints(SaveTimes.checked(save_at, t0, t1)), StepRecorder()
    kept = DenseOutput(t0, t1) if dense else None
    watch = [StiffnessWatch()] if isinstance(control, AdaptiveSteps) else []
    watchers: list[Observer] = [saves, recorder, *watch, *([kept] if kept else []), *observers]
    if callback is not None or progress is not None:
        watchers.append(_UserHooks(callback, progress, t0, t1))
    going = Run(
        field, method, y0, t0, t1, control, watchers,
        max_steps=max_steps if replay is None else len(replay) + 1,
        compact=field.selectable and callback is None,
        interrupter=interrupter, chunk=1 if callback is not None else None, fused=fused,
        steady=steady, ends=ends,
    )  # fmt: skip

    def trajectory() -> Trajectory:
        y_end, steps = going.finish(), recorder.log(going.ledger)
        statistics, happened = Statistics.of(going.ledger, steps), None if interrupter is None else interrupter.log()
        return Trajectory(
            saves.result(), y_end, steps.t_end, steps.status, statistics, steps, kept, happened,
            residual=None if steady is None else steady.result(),
        )  # fmt: skip

    if keeper is not None:
        keeper.resume(going)
    try:
        while going.running():
            going.advance()
            if keeper is not None:
                keeper.after(going)
    except (Exception, KeyboardInterrupt) as error:  # of f, of the callback, or of the user: it goes on its way
        if keeper is not None:
            keeper.rescue(error)
        going.abandon()
        keep_partial(error, trajectory())
        raise
    result = trajectory()
    if keeper is not None:
        keeper.discard()
    return result


def _refuse_with_keeper(dense: bool, replay: StepLog | None, observers: Sequence[Observer]) -> None:
    for name, given in (("dense", dense), ("replay", replay is not None), ("observers", bool(observers))):
        if given:
            raise OptionError(f"{name} does not go with a checkpoint of the run, which does not hold it; leave one out")
    if torch.is_grad_enabled():
        raise OptionError("a checkpoint of the run holds no graph; solve with gradient='none', or leave it out")


def _interrupter(
    method: Method, y0: Tensor, t0: float, t1: float, events: Sequence[EventFunction], control: StepControl,
    replay: StepLog | None, check: bool,
) -> Interrupter | None:  # fmt: skip
    if replay is not None:
        found = replay.interruptions
        if found is not None and found.direction.shape[1] not in (0, len(events)):
            raise OptionError(
                f"replay has the events of another run, with {found.direction.shape[1]} conditions instead of "
                f"{len(events)}; pass events= as they were"
            )
        if not events and found is None:
            return None
        return ReplayedInterrupter(found, events, method, y0.shape[0], check=check)
    targets = control.targets if isinstance(control, AdaptiveSteps) else None
    targets = targets if isinstance(targets, Targets) and targets.before.size else None
    if not events and targets is None:
        return None
    detector = EventDetector(events, method, samples=y0.shape[0], span=abs(t1 - t0)) if events else None
    return LiveInterrupter(detector, targets)


def _choose_control(
    method: Method, y0: Tensor, t0: float, t1: float, dt: float | None, step_times: Tensor | None,
    replay: StepLog | None, adaptive: dict[str, Any],
) -> StepControl:  # fmt: skip
    if replay is not None:
        return ReplayedSteps(replay, y0.shape[0], t0, t1)
    if dt is None and step_times is None:
        return _adaptive_steps(method, y0, t0, t1, **adaptive)
    for name in ("dt_min", "dt_max", "first_step", "norm", "land_at", "restart_at"):
        if adaptive[name] is not None:
            known = "dt" if dt is not None else "step_times"
            raise OptionError(f"{name} belongs to adaptive steps; leave it out, or leave out {known}")
    if dt is not None and step_times is not None:
        raise OptionError("dt and step_times both say where steps end; leave one of them out")
    if step_times is not None:
        return GivenSteps(_checked_step_times(step_times, t0, t1))
    if dt is None or not (math.isfinite(dt) and dt > 0):
        raise OptionError(f"dt = {dt}, expected a positive size; the direction follows from t_span")
    return FixedSteps(t0, t1, float(dt))


def _adaptive_steps(
    method: Method, y0: Tensor, t0: float, t1: float, *, rtol: Tolerance, atol: Tolerance, dt_min: float | None,
    dt_max: float | None, first_step: float | None, controller: str | Controller, norm: Norm | None,
    land_at: Tensor | None, restart_at: Tensor | None, second_norm: Callable[[Step], Tensor] | None,
) -> AdaptiveSteps:  # fmt: skip
    if method.error_order is None:
        raise OptionError(
            f"method {method.name!r} has no error estimate and cannot choose its steps; give dt=, or use one of: "
            f"{listing(adaptive_methods())}"
        )
    smallest, largest = 0.0 if dt_min is None else float(dt_min), math.inf if dt_max is None else float(dt_max)
    if not 0.0 <= smallest <= largest or largest == 0.0:
        raise OptionError(f"dt_min = {dt_min}, dt_max = {dt_max}; expected 0 <= dt_min <= dt_max and dt_max > 0")
    if first_step is not None and not (math.isfinite(first_step) and first_step > 0):
        raise OptionError(f"first_step = {first_step}, expected a positive size; leave it out to have it chosen")
    if isinstance(rtol, float | int) and isinstance(atol, float | int) and rtol == atol == 0:
        raise OptionError("rtol = atol = 0, expected at least one of them to be positive; no error is that small")
    targets = Targets(t0, t1, checked_times("land_at", land_at), checked_times("restart_at", restart_at))
    return AdaptiveSteps(
        targets, method.error_order, _checked_tolerance("rtol", rtol, y0), _checked_tolerance("atol", atol, y0),
        get_controller(controller), dt_min=smallest, dt_max=largest, first_step=first_step, norm=norm,
        second_norm=second_norm,
    )  # fmt: skip


def _checked_step_times(step_times: Tensor, t0: float, t1: float) -> np.ndarray:
    times = checked_times("step_times", step_times)
    ordered = times is not None and times.size > 1 and (np.diff(times) * (t1 - t0) > 0).all()
    if times is None or not ordered or times[0] != t0 or times[-1] != t1:
        raise OptionError(f"step_times must lead from t0 = {t0} to t1 = {t1} in this order, without repetitions")
    return times


def _checked_tolerance(name: str, value: Tolerance, y0: Tensor) -> Tolerance:
    """A tensor takes the state's real dtype, so that it does not promote float32 to float64."""
    if not bool(torch.as_tensor(value >= 0).all()):
        raise OptionError(f"{name} = {value}, expected numbers that are not negative")
    return value.to(y0.device, y0.abs().dtype) if isinstance(value, Tensor) else float(value)


class _UserHooks:
    """Observer that calls what the user passed."""

    CHANGING = ()

    def __init__(self, callback: Callback | None, progress: Progress | None, t0: float, t1: float) -> None:
        self._callback, self._progress = callback, progress
        self._t0, self._span = t0, abs(t1 - t0)

    def start(self, batch: Batch, method: Method) -> None:
        """Nothing to do yet."""

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Report where the samples are."""
        if self._callback is not None:
            self._callback(torch.from_numpy(ledger.t.copy()).to(attempt.y.device), attempt.y.clone())
        if self._progress is not None:
            running = ledger.t[ledger.running(np.arange(ledger.t.size))]
            behind = np.abs(running - self._t0).min(initial=self._span)
            self._progress(float(behind / self._span))
