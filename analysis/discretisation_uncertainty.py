"""Error band of a computed quantity from four or more grids, by least squares.

Procedure of Eca and Hoekstra, J. Comput. Phys. 262 (2014) 104, for schemes of second order. With phi_i on grids h_i::

    phi_i ~ phi_0 + alpha h_i^p                              unknown order; kept where 0.5 <= p <= 2
    phi_i ~ phi_0 + alpha h_i,  phi_0 + alpha h_i^2          of fixed order, where p > 2
    phi_i ~ phi_0 + alpha_1 h_i + alpha_2 h_i^2              besides these, where p < 0.5 or nothing is found

each with weights 1 and with weights proportional to 1/h_i; the fit of smallest standard deviation sigma is taken. With
``delta = |phi_i - phi_0|`` of the fit, ``D = (max phi - min phi)/(n - 1)`` and F = 1.25 for 0.5 <= p < 2.1, else 3::

    U_i = F delta + sigma + |phi_i - phi_fit|                where sigma < D
    U_i = 3 sigma/D (delta + sigma + |phi_i - phi_fit|)      otherwise
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from .orders.dataset import levels, scalar
from .orders.least_squares_grids import GridFit, best_grid_fit
from .orders.models import Floats
from .orders.verdict import TOLERANCE
from .plots.discretisation_uncertainty import draw_discretisation_uncertainty

if TYPE_CHECKING:
    import xarray

SCHEMA = "discretisation_uncertainty/1"
FEWEST = 4

register_plot(SCHEMA)(draw_discretisation_uncertainty)


def discretisation_uncertainty(
    values: Sequence[float], h: Sequence[float], *, expected: float | None = None
) -> AnalysisResult:
    """Extrapolated value and error band of a quantity computed on four or more grids, noisy ones included.

    Three grids without scatter: `grid_convergence_index`.

    Args:
        values: the quantity on each grid.
        h: mesh sizes, one per value, in any order.
        expected: the formal order, 2 or less in this procedure.

    Returns:
        Schema ``discretisation_uncertainty/1``, dimension ``level``, fine to coarse: `h`, `value`, `fitted`,
        `uncertainty` (the half-width U of the band), and the scalars `extrapolated` with `extrapolated_lo` and
        `extrapolated_hi` (``phi_1 -+ U_1``, about 95 % by the authors' experience, no theorem), `order`, `sigma`,
        `data_range`, `safety_factor`, `model`. PASS: a fitted order within 0.15 of `expected` and a scatter below the
        data range; PRE_ASYMPTOTIC: another order; INCONCLUSIVE: no `expected`, or values that scatter as much as they
        change; DEGENERATE: all values are equal.

    Raises:
        OptionError: fewer than four distinct positive sizes, or values that are not finite.
    """
    sizes, phi = _sorted(values, h)
    if expected is not None and not 0 < expected <= 2:
        raise OptionError(f"the procedure is made for schemes of order up to 2, got expected={expected!r}")
    spread = float(np.ptp(phi)) / (len(phi) - 1)
    if spread == 0:
        fit, band = None, np.zeros_like(phi)
        status, reason = (
            Verdict.DEGENERATE,
            "all values are equal: the quantity does not depend on the grid, or is rounded",
        )
    else:
        fit = best_grid_fit(sizes, phi)
        band = _uncertainty(fit, phi, spread)
        status, reason = _judge(fit, phi, band, spread, expected)
    dataset = _dataset(fit, sizes, phi, band, spread, expected)
    return AnalysisResult(dataset, status, reason, SCHEMA, {"certificate": "empirical"})


def _safety(fit: GridFit, spread: float) -> float:
    return 1.25 if 0.5 <= fit.order < 2.1 and fit.sigma < spread else 3.0


def _uncertainty(fit: GridFit, phi: Floats, spread: float) -> Floats:
    """U_i."""
    delta, misfit = np.abs(fit.fitted - fit.limit), np.abs(phi - fit.fitted)
    if fit.sigma < spread:
        return np.asarray(_safety(fit, spread) * delta + fit.sigma + misfit)
    return np.asarray(3 * fit.sigma / spread * (delta + fit.sigma + misfit))


def _judge(fit: GridFit, phi: Floats, band: Floats, spread: float, expected: float | None) -> tuple[Verdict, str]:
    found = f"{phi[0]:.8g} +- {band[0]:.2g} on the finest grid, extrapolated {fit.limit:.8g} ({fit.model})"
    if fit.sigma >= spread:
        return (
            Verdict.INCONCLUSIVE,
            f"{found}; the values scatter by {fit.sigma:.2g}, as much as they change from grid to grid ({spread:.2g}): "
            "add finer grids, or converge each solve further",
        )
    if expected is None:
        return Verdict.INCONCLUSIVE, f"{found}; order {fit.order:.3f}; pass expected= to have it judged"
    if fit.free and abs(fit.order - expected) < TOLERANCE:
        return Verdict.PASS, f"{found}; order {fit.order:.3f}, expected {expected:g}"
    return (
        Verdict.PRE_ASYMPTOTIC,
        f"{found}; order {fit.free_order:.3f}, not the formal order {expected:g}; add finer grids",
    )


def _dataset(
    fit: GridFit | None, h: Floats, phi: Floats, band: Floats, spread: float, expected: float | None
) -> xarray.Dataset:
    import xarray

    nan = math.nan
    safety = nan if fit is None else _safety(fit, spread)
    limit = float(phi[0]) if fit is None else fit.limit
    return xarray.Dataset(
        {
            "value": levels(phi, "the quantity"),
            "fitted": levels(phi if fit is None else fit.fitted, "fitted value"),
            "uncertainty": levels(band, "half-width of the error band"),
            "extrapolated": scalar(limit, "value at h = 0"),
            "extrapolated_lo": scalar(float(phi[0] - band[0]), "lower end of the band of the finest grid"),
            "extrapolated_hi": scalar(float(phi[0] + band[0]), "upper end of the band of the finest grid"),
            "order": scalar(nan if fit is None else fit.order, "order of the law that was taken"),
            "fitted_order": scalar(nan if fit is None else fit.free_order, "order where it is left free"),
            "sigma": scalar(nan if fit is None else fit.sigma, "standard deviation of the fit"),
            "data_range": scalar(spread, "(max - min)/(n - 1) of the values"),
            "safety_factor": scalar(safety, "F"),
            "model": scalar("none" if fit is None else fit.model, "law that was taken"),
            "expected": scalar(nan if expected is None else expected, "claimed order, NaN for none"),
        },
        coords={"h": levels(h, "mesh size")},
    )


def _sorted(values: Sequence[float], h: Sequence[float]) -> tuple[Floats, Floats]:
    try:
        pairs = sorted((float(size), float(value)) for size, value in zip(h, values, strict=True))
    except (TypeError, ValueError):
        raise OptionError(f"values and h must be numbers, equally many; got {values!r} and {h!r}") from None
    sizes, phi = (np.array(column) for column in zip(*pairs, strict=True)) if pairs else (np.empty(0), np.empty(0))
    if len(set(sizes)) < max(FEWEST, len(sizes)):
        raise OptionError(f"the procedure needs {FEWEST} or more grids of different size, got h = {list(h)}")
    if not (np.isfinite(phi).all() and np.isfinite(sizes).all() and sizes[0] > 0):
        raise OptionError(f"values must be finite and h positive, got {list(values)} at h = {list(h)}")
    return sizes, phi
