"""`space_time_convergence`: the orders in space and in time at once, from a lattice of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import OptionError, SolveFailed
from fieldsolver.results import AnalysisResult, Verdict, register_plot
from fieldsolver.solve.progress import ProgressBar

from .orders.dataset import scalar
from .orders.ladder import checked_ladder
from .orders.lattice_fit import LatticeFit, fit_lattice
from .orders.models import Floats
from .orders.verdict import TOLERANCE
from .plots.space_time_convergence import draw_space_time_convergence
from .provenance import Provenance

if TYPE_CHECKING:
    import xarray

SCHEMA = "space_time_convergence/1"

WORST_CONDITION = 1e3
"""A worse conditioned fit trades one term for the other."""

SCATTER = 0.1
"""Relative misfit beyond which the two leading terms do not describe the lattice."""

register_plot(SCHEMA)(draw_space_time_convergence)


def space_time_convergence(
    problem: Callable[[float, float], float],
    hs: Sequence[float],
    dts: Sequence[float],
    *,
    expected: tuple[float, float] | None = None,
    confidence: float = 0.95,
    progress: bool | None = None,
) -> AnalysisResult:
    """Fit ``e = |C_t dt^p +- C_h h^q|`` to the errors of all pairs of a mesh size and a time step.

    Where one error hides the other everywhere, no fit can see both orders; measure them one by one then, the order in
    time by `time_convergence` on one grid, the order in space by `grid_convergence` with tight tolerances.

    Args:
        problem: ``problem(h, dt)``, the error of a run, a magnitude. A run that raises `SolveFailed` counts as missing.
        hs: mesh sizes from coarse to fine; three or more.
        dts: time steps from coarse to fine; three or more.
        expected: the claimed orders ``(p, q)`` in time and in space, or None to measure them.
        confidence: of the intervals of the orders (Student's t, linearised).
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``space_time_convergence/1``, dimensions ``h`` and ``dt``: `error`, `fitted`, `time_share`, and the
        scalars `time_order`, `space_order` with `_lo` and `_hi`, `time_coefficient`, `space_coefficient`, `sign`,
        `scatter`, `condition`. PASS and FAIL as for `convergence`, for both orders. INCONCLUSIVE: a run failed, one of
        the two errors is the larger one on fewer than two lines of the lattice, the fit is ill-conditioned, an interval
        is too wide, or an order is higher than claimed. PRE_ASYMPTOTIC: the misfit exceeds 10 %. ROUNDOFF_LIMITED: an
        error of zero.

    Raises:
        OptionError: a ladder does not decrease or has fewer than three sizes, an error is negative, or an option.
    """
    sizes, steps = np.array(checked_ladder(hs, "hs")), np.array(checked_ladder(dts, "dts"))
    _check(sizes, steps, expected, confidence)
    named: Callable[..., Any] = problem
    origin = Provenance(named)
    errors = np.full((len(sizes), len(steps)), np.nan)
    with ProgressBar("space-time convergence", progress) as bar:
        work = 1 / np.multiply.outer(sizes, steps)
        for place in np.ndindex(errors.shape):
            errors[place] = _error(problem, float(sizes[place[0]]), float(steps[place[1]]))
            bar(float(work.ravel()[: np.ravel_multi_index(place, errors.shape) + 1].sum() / work.sum()))
    usable = np.isfinite(errors).sum() > 5 and not (errors == 0).any()
    fit = fit_lattice(sizes, steps, errors) if usable else None
    status, reason = _judge(fit, errors, sizes, steps, expected, confidence)
    details = {"certificate": "statistical", "confidence": confidence, **origin.attributes()}
    return AnalysisResult(_dataset(fit, errors, sizes, steps, expected, confidence), status, reason, SCHEMA, details)


def _judge(
    fit: LatticeFit | None,
    errors: Floats,
    h: Floats,
    dt: Floats,
    expected: tuple[float, float] | None,
    confidence: float,
) -> tuple[Verdict, str]:
    if (errors == 0).any():
        return (
            Verdict.ROUNDOFF_LIMITED,
            "an error is exactly zero: take a problem that the scheme does not solve exactly",
        )
    if fit is None or not np.isfinite(errors).all():
        bad = [f"({h[i]:.3g}, {dt[j]:.3g})" for i, j in np.argwhere(~np.isfinite(errors))]
        return Verdict.INCONCLUSIVE, f"no finite error at (h, dt) = {', '.join(bad)}: take smaller dt or coarser h"
    if fit.time_lines < 2:
        return (
            Verdict.INCONCLUSIVE,
            f"the time error is hidden: it is the larger one at {fit.time_lines} time step(s), and its order needs 2; "
            "take larger dt or finer h, or measure it alone by time_convergence on one grid",
        )
    if fit.space_lines < 2:
        return (
            Verdict.INCONCLUSIVE,
            f"the space error is hidden: the larger one at {fit.space_lines} mesh size(s), and its order needs 2; "
            "take coarser h or smaller dt, or measure it alone by grid_convergence with tight tolerances",
        )
    if fit.condition > WORST_CONDITION:
        return (
            Verdict.INCONCLUSIVE,
            f"the lattice cannot tell the terms apart (condition {fit.condition:.1e}); widen it",
        )
    lines = _lines(fit, confidence)
    words = "; ".join(f"order in {name} {p:.3f} [{p - half:.3f}, {p + half:.3f}]" for name, p, half in lines)
    if fit.residual > SCATTER:
        return (
            Verdict.PRE_ASYMPTOTIC,
            f"two leading terms miss the errors by {100 * fit.residual:.0f} %, so their orders ({words}) are not "
            f"settled; run h = {h[-1] / 2:.3g} and dt = {dt[-1] / 2:.3g} next, without the coarsest",
        )
    return _compared(lines, words, expected)


def _compared(
    lines: list[tuple[str, float, float]], words: str, expected: tuple[float, float] | None
) -> tuple[Verdict, str]:
    claims = (None, None) if expected is None else expected
    for (name, p, half), claim in zip(lines, claims, strict=True):
        if claim is not None and p + half < claim - TOLERANCE:
            return Verdict.FAIL, f"{words}: the order in {name} is clearly lower than {claim:g}"
    for name, _, half in lines:
        if half >= TOLERANCE:
            return Verdict.INCONCLUSIVE, f"{words}: the interval in {name} is too wide; add levels where it dominates"
    for (name, p, _), claim in zip(lines, claims, strict=True):
        if claim is None or abs(p - claim) < TOLERANCE:
            continue
        if p < claim:
            return Verdict.FAIL, f"{words}: the order in {name} is lower than {claim:g}"
        return (
            Verdict.INCONCLUSIVE,
            f"{words}: the order in {name} is higher than {claim:g}; its leading error vanishes on this problem",
        )
    suffix = "" if expected is None else f"; expected {expected[0]:g} and {expected[1]:g}"
    return Verdict.PASS, words + suffix


def _lines(fit: LatticeFit, confidence: float) -> list[tuple[str, float, float]]:
    """Name, order and half-width of the interval."""
    from scipy.special import stdtrit

    quantile = float(stdtrit(fit.degrees, 0.5 + confidence / 2))
    return [
        ("time", fit.time_order, quantile * fit.time_error),
        ("space", fit.space_order, quantile * fit.space_error),
    ]


def _dataset(
    fit: LatticeFit | None,
    errors: Floats,
    h: Floats,
    dt: Floats,
    expected: tuple[float, float] | None,
    confidence: float,
) -> xarray.Dataset:
    import xarray

    def on_lattice(values: Floats, name: str) -> tuple[tuple[str, str], Floats, dict[str, str]]:
        return ("h", "dt"), values, {"units": "1", "long_name": name}

    missing = np.full_like(errors, np.nan)
    fitted = missing
    if fit is not None:
        time = fit.time_coefficient * dt**fit.time_order
        fitted = np.abs(time + fit.sign * (fit.space_coefficient * h**fit.space_order)[:, None])
    variables = {
        "error": on_lattice(errors, "error"),
        "fitted": on_lattice(fitted, "fitted error"),
        "time_share": on_lattice(missing if fit is None else fit.time_share, "share of the time error"),
        "sign": scalar(0 if fit is None else fit.sign, "1: the errors add, -1: they cancel"),
        "scatter": scalar(np.nan if fit is None else fit.residual, "relative misfit of one error"),
        "condition": scalar(np.nan if fit is None else fit.condition, "condition number of the scaled fit"),
    }
    claims = (np.nan, np.nan) if expected is None else expected
    lines = [("time", np.nan, np.nan), ("space", np.nan, np.nan)] if fit is None else _lines(fit, confidence)
    level = {"confidence": confidence}
    for (name, p, half), claim in zip(lines, claims, strict=True):
        coefficient = np.nan if fit is None else getattr(fit, f"{name}_coefficient")
        variables |= {
            f"{name}_order": scalar(p, f"order in {name}", level),
            f"{name}_order_lo": scalar(p - half, f"lower end of the confidence interval in {name}", level),
            f"{name}_order_hi": scalar(p + half, f"upper end of the confidence interval in {name}", level),
            f"{name}_coefficient": scalar(coefficient, f"coefficient of the error in {name}"),
            f"{name}_expected": scalar(claim, f"claimed order in {name}, NaN for none"),
        }
    coords = {
        "h": ("h", h, {"units": "1", "long_name": "mesh size"}),
        "dt": ("dt", dt, {"units": "1", "long_name": "time step"}),
    }
    return xarray.Dataset(variables, coords=coords)


def _error(problem: Callable[[float, float], float], h: float, dt: float) -> float:
    try:
        value = problem(h, dt)
    except SolveFailed:
        return np.nan
    try:
        error = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise OptionError(f"problem({h:g}, {dt:g}) must return one number, the error; got {value!r}") from None
    if error < 0:
        raise OptionError(f"errors are magnitudes and cannot be negative, got {error:g}; pass abs(error)")
    return error if np.isfinite(error) else np.nan


def _is_pair(expected: object) -> bool:
    if not isinstance(expected, (tuple, list)) or len(expected) != 2:
        return False
    return all(isinstance(p, (int, float)) and np.isfinite(p) and p > 0 for p in expected)


def _check(h: Floats, dt: Floats, expected: tuple[float, float] | None, confidence: float) -> None:
    if len(h) < 3 or len(dt) < 3:
        raise OptionError(f"a lattice needs three sizes each way, got {len(h)} in hs and {len(dt)} in dts")
    if expected is not None and not _is_pair(expected):
        raise OptionError(f"expected is the pair of claimed orders in time and space, such as (4, 2); got {expected!r}")
    if not 0 < confidence < 1:
        raise OptionError(f"confidence lies between 0 and 1, such as 0.95; got {confidence!r}")
