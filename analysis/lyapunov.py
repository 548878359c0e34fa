"""`lyapunov`: Lyapunov exponents of a flow or a map, with intervals and the laws they must satisfy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.results import AnalysisResult, Verdict, register_plot
from fieldsolver.solve.progress import ProgressBar

from .chaos.dynamics import read_dynamics
from .chaos.interval import GROUPS
from .chaos.study import Settings, nothing_found, run_study
from .plots.lyapunov import draw_lyapunov
from .problem import Problem
from .provenance import Provenance

SCHEMA = "lyapunov/1"

QUICK_SIZE, QUICK_COUNT = 64, 6
"""Unknowns and exponents of a quick look at a file."""

register_plot(SCHEMA)(draw_lyapunov)


def lyapunov(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    duration: float,
    transient: float | None = None,
    count: int | None = None,
    discrete: bool = False,
    method: str = "dop853",
    dt: float | None = None,
    rtol: float = 1e-6,
    batch_dims: int | None = None,
    members: int | None = None,
    blocks: int = 200,
    tolerance: float | None = None,
    confidence: float = 0.95,
    hamiltonian: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> AnalysisResult:
    """The `count` largest Lyapunov exponents of ``y' = f(t, y)``, or of the map ``y -> f(n, y)``.

    The tangents are moved by the derivative of the numerical step, made orthonormal by Householder's QR, and the
    logarithms of the diagonal averaged (G. Benettin et al., Meccanica 15, 9 (1980)). An ensemble of neighbouring starts
    shares the work. The intervals come from its members where they are independent; where they move together, from
    stretches of their common series. Everything runs in float64.

    Args:
        f: a declared equation, a function ``f(t, y)`` or an `nn.Module`; of a map the next state.
        y0: the start, or with batch axes (a function: ``batch_dims=1``) several, which are compared.
        duration: time of each member, or iterations, that is averaged over.
        transient: time before it, for the way to the attractor; None: half the duration. Members
            become independent during it.
        count: number of exponents; None: all of them.
        discrete: `f` is a map.
        method: the scheme of a flow.
        dt: its step; None: the largest that is accurate to `rtol` along the end of the transient.
        rtol: error of one step, relative to the largest entry of the state; without `dt` only.
        batch_dims: of a plain function, as in `fieldsolver.solve`.
        members: per start, a relative distance of 1e-2 apart (Hamiltonian: 1e-6); None: 64, fewer for large systems,
            one at a fixed point.
        blocks: into which the duration is divided, a multiple of 20.
        tolerance: stop as soon as all half-widths are below it.
        confidence: of the intervals.
        hamiltonian: the flow is Hamiltonian, so exponents must come in pairs; checked.
        seed: of members and tangents.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``lyapunov/1``, dimensions ``exponent``, ``block``, ``batch`` and ``check``: `lambda` with `_lo` and
        `_hi` (the half-width adds statistics, the drift over the run, the change by halving the step, and rounding;
        minus infinity where a map takes tangents to zero), `history`, `local_growth`, `lambda_sample`, `step_error`,
        `trace_mean`, `sum_rule_defect`, `D_KY` with `_lo` and `_hi`, and the checks. PASS: every law that applies
        holds. FAIL: one is broken by three half-widths. INCONCLUSIVE: by less; none applies, the starts disagree,
        halving the step changes the exponents by more than a tenth, the orbit keeps growing, or the intervals are too
        wide to tell the kind of motion. NOT_APPLICABLE: the orbit does not stay finite, or jumps at events.

    Raises:
        OptionError, StateError: an option, or `f` and `y0`, that do not fit.
    """
    settings = Settings(
        duration=duration, transient=duration / 2 if transient is None else transient, count=count, method=method,
        dt=dt, rtol=rtol, members=members, blocks=blocks, tolerance=tolerance, confidence=confidence,
        hamiltonian=hamiltonian, seed=seed,
    )  # fmt: skip
    _check(settings, discrete)
    options = {**vars(settings), "hamiltonian": int(hamiltonian), "kind": "map" if discrete else "flow"}
    if isinstance(f, FieldEquation) and (f.events or f.noises):
        what = "jumps at events" if f.events else "has noise"
        return _nothing(
            f"the equation {what}, and so would its tangents; this analyser knows smooth flows and maps only",
            settings, discrete, Provenance(f),
        )  # fmt: skip
    dynamics = read_dynamics(f, y0, batch_dims, discrete=discrete)
    provenance = Provenance(f, dynamics.starts, **options)
    with ProgressBar("lyapunov", progress) as bar:
        try:
            found = run_study(dynamics, settings, bar)
        except SolveFailed as failure:
            return _nothing(
                f"the orbit does not stay finite, so it has no exponents: {failure}", settings, discrete, provenance
            )
    details = provenance.attributes(**found.counts) | found.facts
    return AnalysisResult(found.dataset, found.status, found.reason, SCHEMA, details)


def _nothing(reason: str, settings: Settings, discrete: bool, provenance: Provenance) -> AnalysisResult:
    empty = nothing_found(settings.count or 1, discrete=discrete)
    return AnalysisResult(empty, Verdict.NOT_APPLICABLE, reason, SCHEMA, provenance.attributes())


def _check(settings: Settings, discrete: bool) -> None:
    for name in ("duration", "rtol"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value > 0):
            raise OptionError(f"{name} is a positive number, got {value!r}")
    if not (math.isfinite(settings.transient) and settings.transient >= 0):
        raise OptionError(f"transient is a time that is not negative, got {settings.transient!r}")
    if settings.dt is not None and not (math.isfinite(settings.dt) and settings.dt > 0):
        raise OptionError(f"dt is a positive step, got {settings.dt!r}")
    if settings.tolerance is not None and not settings.tolerance > 0:
        raise OptionError(f"tolerance is a positive half-width, got {settings.tolerance!r}")
    if not 0 < settings.confidence < 1:
        raise OptionError(f"confidence lies between 0 and 1, such as 0.95; got {settings.confidence!r}")
    for name in ("count", "members"):
        value = getattr(settings, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise OptionError(f"{name} is a positive integer or None, got {value!r}")
    if settings.blocks < GROUPS or settings.blocks % GROUPS:
        raise OptionError(f"blocks is a positive multiple of {GROUPS}, got {settings.blocks!r}")
    if discrete and settings.duration < settings.blocks:
        raise OptionError(f"duration must hold an iteration a block, so {settings.blocks}; got {settings.duration!r}")
    if discrete and settings.dt is not None:
        raise OptionError("a map has no step; leave dt= away, or discrete=True")


def study(problem: Problem) -> AnalysisResult:
    """The leading exponents of the equation of a file over its own span, the first third of which is transient.

    NOT_APPLICABLE for systems that are too large for a quick look: call `lyapunov` with a method and a step.
    """
    equation, span = problem.equation, problem.t_span[1] - problem.t_span[0]
    size = math.prod(equation.state_shape) * (1 + equation.is_complex)
    settings: dict[str, Any] = {
        "duration": 2 * span / 3, "transient": span / 3, "count": min(size, QUICK_COUNT), "dt": problem.dt,
        "members": 1 if size > QUICK_COUNT else None, "rtol": 1e-4, "blocks": 40, "progress": problem.progress,
    }  # fmt: skip
    if problem.dt is not None and problem.method != "auto":
        settings["method"] = problem.method
    if size > QUICK_SIZE and not (equation.events or equation.noises):
        reason = (
            f"exponents of {size} unknowns take longer than a quick look; call "
            f"analysis.lyapunov(equation, state, duration={2 * span / 3:g}, count=1)"
        )
        nothing = nothing_found(1, discrete=False)
        return AnalysisResult(nothing, Verdict.NOT_APPLICABLE, reason, SCHEMA, Provenance(equation).attributes())
    return lyapunov(equation, problem.start, **settings)
