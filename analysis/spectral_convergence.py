"""`spectral_convergence`: does the error fall exponentially in the number of modes, or only like a power?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from .orders.dataset import levels, scalar
from .orders.evidence import ROUNDOFF
from .orders.fit_order import usable_levels
from .orders.geometric import SpectralFit, spectral_fits
from .orders.ladder import checked_ladder, run_ladder
from .orders.models import Floats
from .orders.verdict import FAR_BELOW
from .plots.spectral_convergence import draw_spectral_convergence
from .provenance import Provenance

if TYPE_CHECKING:
    import xarray

SCHEMA = "spectral_convergence/1"

CLEAR = 6.0
"""Difference of AICc at which one law is believed against another: an evidence ratio of exp(3) = 20."""

ROUNDOFF_FLOOR = 1e-14
"""Of quantities of order one; a spectral ladder soon gets there, with too few levels to show a floor."""

FEWEST = 4
"""Levels below which errors that do not fall may do so by chance."""

SAME = 0.9
"""No error of the finer half is below this share of any of the coarser half: they do not fall."""

register_plot(SCHEMA)(draw_spectral_convergence)


def spectral_convergence(
    problem: Callable[[int], float],
    sizes: Sequence[int],
    *,
    floor: float | None = None,
    confidence: float = 0.95,
    progress: bool | None = None,
) -> AnalysisResult:
    """Decide between ``e = C exp(-a N^beta)`` and ``e = C N^-p`` for the error with N points or modes.

    Args:
        problem: ``problem(n)``, the error of the run with n points or modes, a magnitude.
        sizes: increasing; five or more above the floor.
        floor: a known error floor; levels within ten times of it are left out. None looks for one, and takes 1e-14 for
            the round-off of quantities of order one.
        confidence: of the intervals.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``spectral_convergence/1``, dimension ``level``: `n`, `error`, `used`, `local_rate` (``-d ln e/d n``),
        and the scalars `model`, `rate` (a) with `_lo` and `_hi`, `beta` with `_lo` and `_hi`, `coefficient`,
        `algebraic_order` (p of the other law), `floor`, `aicc(candidate)`. PASS: an exponential law is at least twenty
        times likelier than the algebraic one, and its rate is positive. FAIL: the other way round. ROUNDOFF_LIMITED:
        fewer than four levels lie above the floor, or the floor lies above round-off. FAIL, too, where the errors do
        not fall at all, and INCONCLUSIVE where they stop falling far above round-off, or neither law is clearly better.
        The last level above round-off counts; errors at round-off are expected and left out.

    Raises:
        OptionError: sizes do not increase, an error is negative, or an option is out of range.
    """
    counts = checked_sizes(sizes)
    named: Callable[..., Any] = problem
    origin = Provenance(named)
    # the ladder runs in 1/n, which decreases
    errors = run_ladder("spectral convergence", [1 / n for n in counts], lambda h: problem(round(1 / h)), progress)
    return spectral_result(counts, errors, floor=floor, confidence=confidence, provenance=origin.attributes())


def spectral_result(
    sizes: Sequence[int],
    errors: Sequence[float],
    *,
    floor: float | None = None,
    confidence: float = 0.95,
    provenance: Mapping[str, Any] | None = None,
) -> AnalysisResult:
    """Judge the errors of a finished ladder."""
    n = np.array(sizes, dtype=np.float64)
    levels_used = usable_levels(1 / n, errors, ROUNDOFF_FLOOR if floor is None else floor)
    used, values = levels_used.used, levels_used.errors
    fits = spectral_fits(n[used], values[used], confidence) if used.sum() >= 4 else []
    known = max(ROUNDOFF_FLOOR if floor is None and not used.all() else floor or 0.0, levels_used.met)
    status, reason = _judge(n, values, used, fits, known, floor)
    details = {"certificate": "statistical", "confidence": confidence, **(provenance or {})}
    return AnalysisResult(_dataset(n, values, used, fits, known, confidence), status, reason, SCHEMA, details)


def checked_sizes(sizes: Sequence[int]) -> list[int]:
    """Increasing numbers of points, or an `OptionError`."""
    try:
        counts = [int(n) for n in sizes]
    except (TypeError, ValueError):
        raise OptionError(f"sizes are numbers of points such as [8, 12, 16, 24], got {sizes!r}") from None
    if not counts or min(counts) < 1 or any(n != given for n, given in zip(counts, sizes, strict=True)):
        raise OptionError(f"sizes are whole numbers of points, one or more, got {list(sizes)}")
    checked_ladder([1 / n for n in counts], "1/sizes")
    return counts


def _judge(
    n: Floats, errors: Floats, used: np.ndarray, fits: list[SpectralFit], floor: float, declared: float | None
) -> tuple[Verdict, str]:
    if not np.isfinite(errors).all():
        bad = ", ".join(f"{size:g}" for size in n[~np.isfinite(errors)])
        return Verdict.INCONCLUSIVE, f"no finite error at n = {bad}: the run failed; start above it or mend the run"
    if not fits:
        count = int(used.sum())
        if count < len(n) and _far_above_roundoff(errors, used, floor, declared):
            return _no_decrease(n, errors)
        if count < len(n):
            return (
                Verdict.ROUNDOFF_LIMITED,
                f"only {count} of {len(n)} levels lie above the floor of {floor:.2g}, and 4 are needed: add levels "
                f"between n = {n[0]:g} and {n[max(count, 1)]:g}, or a problem that is harder to resolve",
            )
        return Verdict.INCONCLUSIVE, f"{count} levels cannot show a rate: 4 are needed, 5 to fit beta"
    best = next(fit for fit in fits if fit.name != "algebraic")
    algebraic = next(fit for fit in fits if fit.name == "algebraic")
    found = (
        f"e = C exp(-a n^{best.beta:.3g}) with a = {best.rate:.4g} [{best.rate_lo:.4g}, {best.rate_hi:.4g}] "
        f"from {int(used.sum())} levels"
    )
    power = f"e = C n^-{algebraic.rate:.3g}"
    difference = algebraic.aicc - best.aicc
    if difference <= -CLEAR or (difference < 0 and best.beta <= 0.2):
        return Verdict.FAIL, f"the error falls like a power, {power}, not exponentially: the solution is not smooth"
    if abs(difference) < CLEAR:
        return (
            Verdict.INCONCLUSIVE,
            f"{found} and {power} fit alike (AICc {best.aicc:.1f} and {algebraic.aicc:.1f}); run n = "
            f"{2 * n[-1]:g} next, or more levels between those run",
        )
    if best.rate_lo <= 0:
        return Verdict.FAIL, f"{found}: the error does not fall"
    undeclared = declared is None or floor > 10 * declared
    if not used.all() and floor > ROUNDOFF * max(1.0, errors[0]) and undeclared:
        return (
            Verdict.ROUNDOFF_LIMITED,
            f"the finest levels lie on a floor of {floor:.2g}, above round-off (a tolerance, the time integration, or "
            f"the reference); above it {found}",
        )
    return (
        Verdict.PASS,
        f"exponential convergence: {found}; a power of n is exp({difference / 2:.0f}) times less likely",
    )


def _far_above_roundoff(errors: Floats, used: np.ndarray, floor: float, declared: float | None) -> bool:
    """Whether what was met is no floor: neither declared nor small, and not the same on three levels well below."""
    if floor <= max(ROUNDOFF, FAR_BELOW * errors[0]) or (declared is not None and floor <= 10 * declared):
        return False
    tail = errors[~used]
    constant = len(tail) >= 3 and SAME * tail.max() <= tail.min() and tail.max() < errors[0] / 10
    return not constant


def _no_decrease(n: Floats, errors: Floats) -> tuple[Verdict, str]:
    """The errors stop, or never start, to fall at a level far above round-off: no floor, but no convergence either."""
    found = f"the errors go from {errors[0]:.2g} at n = {n[0]:g} to {errors[-1]:.2g} at n = {n[-1]:g}"
    if len(errors) >= FEWEST and errors[len(errors) // 2 :].min() >= SAME * errors[: len(errors) // 2].max():
        return Verdict.FAIL, f"{found} and do not fall: inconsistent, or the wrong solution"
    return (
        Verdict.INCONCLUSIVE,
        f"{found} with no steady fall, far above round-off: the solution is not resolved, or not smooth; run "
        f"n = {2 * n[-1]:g} and {4 * n[-1]:g} next",
    )


def _dataset(
    n: Floats, errors: Floats, used: np.ndarray, fits: list[SpectralFit], floor: float, confidence: float
) -> xarray.Dataset:
    import xarray

    named = {fit.name: fit for fit in fits}
    best = next((fit for fit in fits if fit.name != "algebraic"), None)
    algebraic = named.get("algebraic")
    rates = np.full(len(n), np.nan)
    positive = np.where(errors > 0, errors, np.nan)
    rates[1:] = -np.diff(np.log(positive)) / np.diff(n)
    interval = {"confidence": confidence}

    def of(fit: SpectralFit | None, name: str) -> float:
        return getattr(fit, name) if fit is not None else math.nan

    return xarray.Dataset(
        {
            "error": levels(errors, "error"),
            "local_rate": levels(rates, "-d ln e / d n between this level and the one before"),
            "used": levels(used.astype(np.int8), "1 where the level entered the fit"),
            "rate": scalar(of(best, "rate"), "a in e = C exp(-a n^beta)", interval),
            "rate_lo": scalar(of(best, "rate_lo"), "lower end of the interval of a, at the fitted beta", interval),
            "rate_hi": scalar(of(best, "rate_hi"), "upper end of the interval of a, at the fitted beta", interval),
            "beta": scalar(of(best, "beta"), "exponent of n; 1 is geometric", interval),
            "beta_lo": scalar(of(best, "beta_lo"), "lower end of the interval of beta; equal to it if held", interval),
            "beta_hi": scalar(of(best, "beta_hi"), "upper end of the interval of beta; equal to it if held", interval),
            "coefficient": scalar(math.exp(best.intercept) if best else math.nan, "C"),
            "algebraic_order": scalar(of(algebraic, "rate"), "p of the law C n^-p, for comparison"),
            "algebraic_coefficient": scalar(math.exp(algebraic.intercept) if algebraic else math.nan, "C of C n^-p"),
            "floor": scalar(floor, "error floor, 0 when there is none"),
            "model": scalar(best.name if best else "none", "exponential law chosen by AICc"),
            "aicc": (
                ("candidate",),
                [fit.aicc for fit in fits],
                {"units": "1", "long_name": "AICc, smaller is better"},
            ),
        },
        coords={
            "n": levels(n, "points or modes"),
            "candidate": ("candidate", [fit.name for fit in fits], {"units": "1", "long_name": "candidate law"}),
        },
    )
