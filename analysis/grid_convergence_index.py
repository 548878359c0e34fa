"""Richardson extrapolation from three grids and the grid convergence index.

Procedure of Celik, Ghia, Roache, Freitas, Coleman and Raad, J. Fluids Eng. 130 (2008) 078001, with phi_1 the finest::

    r21 = h2/h1, r32 = h3/h2,  eps21 = phi2 - phi1, eps32 = phi3 - phi2,  s = sign(eps32/eps21)
    p ln r21 = ln|eps32/eps21| + ln((r21^p - s)/(r32^p - s))                             (3a-3c)
    phi_ext  = (r21^p phi1 - phi2)/(r21^p - 1)                                           (4)
    GCI_fine = F |(phi1 - phi2)/phi1| / (r21^p - 1),  F = 1.25                           (7)

Equation (3) is solved by bracketing. The fixed-point iteration of the paper diverges for r21 much below r32, and its
outer absolute value turns diverging values into a positive order; here those are a FAIL.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from .orders.verdict import TOLERANCE
from .plots.grid_convergence_index import draw_grid_convergence_index

if TYPE_CHECKING:
    import xarray

SCHEMA = "grid_convergence_index/1"
LARGEST_ORDER = 50.0

register_plot(SCHEMA)(draw_grid_convergence_index)


def grid_convergence_index(
    values: Sequence[float],
    h: Sequence[float],
    *,
    expected: float | None = None,
    safety_factor: float = 1.25,
) -> AnalysisResult:
    """Order, extrapolated value and error band of a quantity computed on three grids.

    Args:
        values: the quantity on each grid.
        h: mesh sizes, one per value, in any order; only their ratios matter.
        expected: the formal order of the scheme.
        safety_factor: F; 1.25 for three grids.

    Returns:
        Schema ``grid_convergence_index/1``: `order`, `extrapolated`, `extrapolated_lo` and `extrapolated_hi` (the
        finest value with its index; about 95 % by experience, no theorem), `band` (half the width of that),
        `error_approximate`, `error_extrapolated`, `gci_fine`, `gci_coarse` (fractions, not percent; NaN at a value of
        0), `asymptotic_ratio`, `oscillatory`. Three values fit any order, so PASS needs `expected` and an order within
        0.15 of it; oscillating or unclaimed values are INCONCLUSIVE, values that move apart FAIL, values that do not
        differ DEGENERATE.

    Raises:
        OptionError: not three distinct positive sizes, or values that are not finite.
    """
    (h1, f1), (h2, f2), (h3, f3) = _sorted(values, h)
    if not safety_factor >= 1:
        raise OptionError(f"safety_factor is at least 1, got {safety_factor!r}")
    r21, r32 = h2 / h1, h3 / h2
    eps21, eps32 = f2 - f1, f3 - f2
    p = math.nan if eps21 == 0 or eps32 == 0 else observed_order(r21, r32, eps32 / eps21)
    fine = _index(f1, f2, r21**p, safety_factor)
    coarse = _index(f2, f3, r32**p, safety_factor)
    band = safety_factor * abs(f1 - f2) / (r21**p - 1)  # not by way of the index, which a value of 0 does not have
    extrapolated = (r21**p * f1 - f2) / (r21**p - 1)
    numbers = {
        "order": (p, "observed order p"),
        "band": (band, "half-width of the band of the finest value, in its own units"),
        "extrapolated": (extrapolated, "Richardson extrapolation of the quantity"),
        "extrapolated_lo": (f1 - band, "lower end of the band of the finest value, by the index"),
        "extrapolated_hi": (f1 + band, "upper end of the band of the finest value, by the index"),
        "error_approximate": (_relative(f1 - f2, f1), "relative difference of the two finest values"),
        "error_extrapolated": (_relative(extrapolated - f1, extrapolated), "relative distance to the extrapolation"),
        "gci_fine": (fine, "grid convergence index of the finest grid, as a fraction"),
        "gci_coarse": (coarse, "grid convergence index of the middle grid, as a fraction"),
        "asymptotic_ratio": (_relative(r21**p * fine, coarse), "r21^p GCI_fine / GCI_coarse, 1 asymptotically"),
        "oscillatory": (int(eps21 * eps32 < 0), "1 when the differences alternate in sign"),
        "expected": (math.nan if expected is None else expected, "claimed order, NaN for none"),
    }
    status, reason = _judge(p, eps21, eps32, expected, fine, band)
    return AnalysisResult(_dataset(numbers, values, h), status, reason, SCHEMA, {"safety_factor": safety_factor})


def observed_order(r21: float, r32: float, ratio: float) -> float:
    """p > 0 of equation (3) for ``ratio = eps32/eps21``; NaN when the values do not converge."""
    from scipy.optimize import brentq

    s = math.copysign(1.0, ratio)

    def mismatch(p: float) -> float:
        correction = math.log((r21**p - s) / (r32**p - s))
        return p * math.log(r21) - math.log(abs(ratio)) - correction

    low, high = 1e-6, LARGEST_ORDER
    if mismatch(low) > 0 or mismatch(high) < 0:
        return math.nan
    return float(brentq(mismatch, low, high, xtol=1e-14))


def _judge(
    p: float, eps21: float, eps32: float, expected: float | None, gci: float, band: float
) -> tuple[Verdict, str]:
    if eps21 == 0 or eps32 == 0:
        return (
            Verdict.DEGENERATE,
            "two of the values are equal: the quantity does not depend on the grid, or is rounded",
        )
    if math.isnan(p):
        return Verdict.FAIL, f"the values move apart: differences {abs(eps32):.3g} then {abs(eps21):.3g} on refinement"
    index = f"grid convergence index {100 * gci:.4g} %"
    if math.isnan(gci):
        index = f"band +-{band:.4g} about the finest value, which is 0 and has no index relative to it"
    found = f"observed order {p:.4f}, {index}"
    if eps21 * eps32 < 0:
        return Verdict.INCONCLUSIVE, f"{found}, but the values oscillate; add a finer grid"
    if expected is None:
        return Verdict.INCONCLUSIVE, f"{found}; three values fit any order: pass expected= or run `convergence`"
    if abs(p - expected) < TOLERANCE:
        return Verdict.PASS, f"{found}; expected order {expected:g}"
    return Verdict.PRE_ASYMPTOTIC, f"{found}, not the formal order {expected:g}; add a finer grid"


def _index(fine: float, coarse: float, factor: float, safety: float) -> float:
    return safety * _relative(fine - coarse, fine) / (factor - 1)


def _relative(difference: float, of: float) -> float:
    return abs(difference / of) if of else math.nan


def _sorted(values: Sequence[float], h: Sequence[float]) -> list[tuple[float, float]]:
    try:
        pairs = sorted((float(size), float(value)) for size, value in zip(h, values, strict=True))
    except (TypeError, ValueError):
        raise OptionError(f"values and h must be numbers, equally many; got {values!r} and {h!r}") from None
    sizes = [size for size, _ in pairs]
    if len(pairs) != 3 or len(set(sizes)) != 3:
        raise OptionError(f"the grid convergence index needs three grids of different size, got h = {list(h)}")
    if not all(math.isfinite(number) for pair in pairs for number in pair) or sizes[0] <= 0:
        raise OptionError(f"values must be finite and h positive, got {list(values)} at h = {list(h)}")
    return pairs


def _dataset(numbers: dict[str, tuple[float, str]], values: Sequence[float], h: Sequence[float]) -> xarray.Dataset:
    import xarray

    def attributes(name: str) -> dict[str, str]:
        return {"units": "1", "long_name": name}

    scalars = {key: ((), value, attributes(name)) for key, (value, name) in numbers.items()}
    value = ("level", [float(value) for value in values], attributes("the quantity"))
    size = ("level", [float(size) for size in h], attributes("mesh size"))
    return xarray.Dataset({"value": value, **scalars}, coords={"h": size})
