"""`work_precision`: what an accurate answer costs with each method, measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.methods import get_method
from fieldsolver.results import AnalysisResult, register_plot
from fieldsolver.solve import Solution, solve

from .orders.error_size import NORMS, error_size
from .orders.fixed_steps import Reference
from .orders.ladder import checked_divisors, checked_ladder
from .orders.solver_options import checked_exact, checked_options
from .plots.work_precision import draw_work_precision
from .precision.dataset import SCHEMA, work_precision_result
from .precision.runs import measure
from .provenance import Provenance

TIGHTEST = 1e-13
"""Tolerance of a computed reference; below, double precision holds no more."""

REFERENCES = ("dop853", "vern9")
"""Two methods of different families: the first makes the reference, the distance of the second is its error."""

register_plot(SCHEMA)(draw_work_precision)


def work_precision(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t_span: Sequence[float],
    methods: Sequence[str],
    rtols: Sequence[float] | None = None,
    atol_ratio: float | None = None,
    dts: Sequence[float] | None = None,
    exact: Callable[[float], Any] | None = None,
    repeats: int = 7,
    norm: str = "max",
    progress: bool | None = None,
    **options: Any,
) -> AnalysisResult:
    """Solve one problem with several methods at several tolerances, or step sizes, and time every run.

    Args:
        f, y0, t_span: as in `fieldsolver.solve`; use float64.
        methods: names of methods, each once.
        rtols: relative tolerances from loose to tight; or
        dts: step sizes from coarse to fine, each dividing the span. One of the two is given.
        atol_ratio: ``atol / rtol``, with `rtols`.
        exact: ``exact(t)``, the state at the end. None computes a reference by dop853 at a relative tolerance of 1e-13;
            its distance to that of vern9 is the error of the reference.
        repeats: timed runs of each point, after one that is not timed; fewer than 3 show no spread and decide nothing.
        norm: ``"max"`` or ``"rms"`` of the error at the end that is compared; both are in the result.
        progress: show a bar: True, False, or None for only on a terminal. Ctrl-C keeps what is done.
        **options: for `fieldsolver.solve`.

    Returns:
        Schema ``work_precision/1``, dimensions ``method``, ``setting``, ``repeat``, ``error_norm`` and ``target``:
        `error`, `wall_time` with `time_median`, `time_q25` and `time_q75`, `nfev`, `nsteps`, `nrejected`, `pareto` (by
        time) and `pareto_nfev`, and for each decade of the error the method that is `cheapest` in time, its
        `advantage` over the second, and the `crossover` at which the next one takes over; `cheapest_nfev`,
        `advantage_nfev` and `crossover_nfev` count evaluations, which no clock disturbs. PASS: for every decade the
        cheapest method leads by more than the quartiles of its times, and by 10 %. INCONCLUSIVE
        otherwise, when the reference is less accurate than 1 % of the finest error, when all errors lie within a
        decade, or when the runs were interrupted.

    Raises:
        OptionError: methods without an error estimate at tolerances, unknown names, or an option out of range.
        SolveFailed: the reference itself could not be computed.
    """
    t0, t1 = (float(end) for end in t_span)
    checked_options(options, "rtols= or dts", ("rtol", "atol", "dt"))
    names, settings = _checked_methods(methods), _checked_settings(rtols, atol_ratio, dts, (t0, t1), methods)
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise OptionError(f"repeats is a number of timed runs such as 7, got {repeats!r}")
    if norm not in NORMS:
        raise OptionError(f"norm is 'max' or 'rms', got {norm!r}")

    def solved(method: str, **sizes: float) -> Solution:
        with torch.no_grad():
            return solve(f, y0, t_span=(t0, t1), method=method, **{**options, "progress": False, **sizes})

    def run(method: str, setting: float) -> Solution:
        if rtols is None or atol_ratio is None:
            return solved(method, dt=setting, max_steps=round(abs(t1 - t0) / setting) + 1)
        return solved(method, rtol=setting, atol=setting * atol_ratio)

    def state(given: Any) -> Tensor:
        return f.pack(given) if isinstance(f, FieldEquation) else torch.as_tensor(given)

    origin = Provenance(f, state(y0), t_span=(t0, t1), norm=norm, repeats=repeats, atol_ratio=atol_ratio)
    if exact is not None:
        reference = Reference(checked_exact(state(exact(t1))), 0.0, "exact solution")
    else:
        reference = _reference(solved, 1.0 if atol_ratio is None else atol_ratio, norm)
    found = measure(names, settings, run, reference.value, repeats, progress)
    by = "dt" if rtols is None else "rtol"
    return work_precision_result(found, names, settings, by, reference, norm, origin)


def _reference(solved: Callable[..., Solution], atol_ratio: float, norm: str) -> Reference:
    sizes = {"rtol": TIGHTEST, "atol": TIGHTEST * atol_ratio}
    value, other = (solved(method, **sizes).y[-1] for method in REFERENCES)
    return Reference(value, error_size(other, value, norm), f"reference by {REFERENCES[0]} at rtol {TIGHTEST:.0e}")


def _checked_methods(methods: Sequence[str]) -> list[str]:
    names = [methods] if isinstance(methods, str) else list(methods)
    if not names or len(set(names)) != len(names):
        raise OptionError(f"methods is a list of different names such as ['bosh3', 'tsit5'], got {methods!r}")
    for name in names:
        get_method(name)
    return names


def _checked_settings(
    rtols: Sequence[float] | None,
    atol_ratio: float | None,
    dts: Sequence[float] | None,
    ends: tuple[float, float],
    methods: Sequence[str],
) -> list[float]:
    if (rtols is None) == (dts is None):
        raise OptionError("give rtols= with atol_ratio=, or dts=: one of the two ladders")
    if dts is not None:
        if atol_ratio is not None:
            raise OptionError("atol_ratio= belongs to rtols=; fixed steps have no tolerance")
        unsteady = [name for name in methods if not get_method(name).fixed_steps]
        if unsteady:
            raise OptionError(f"method {unsteady[0]!r} chooses its steps itself; compare it by rtols=")
        return checked_divisors(dts, *ends)
    if atol_ratio is None or not (math.isfinite(atol_ratio) and atol_ratio > 0):
        raise OptionError(f"atol_ratio is atol/rtol, a positive size such as 1e-3; got {atol_ratio!r}")
    blind = [name for name in methods if get_method(name).error_order is None]
    if blind:
        raise OptionError(f"method {blind[0]!r} has no error estimate and cannot follow a tolerance; give dts=")
    return checked_ladder(rtols or (), "rtols")
