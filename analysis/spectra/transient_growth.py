"""How much the linearised equation amplifies the worst perturbation: ``|e^(tJ)|``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fieldsolver.errors import OptionError

from .exponential import exponential_action
from .lanczos import largest
from .linearisation import Linearisation
from .unknowns import Floats

DENSE_EXPONENTIAL = 400
LANCZOS_STEPS = 12
SETTLED = 1e-3


@dataclass(frozen=True)
class TransientGrowth:
    """The norm of the propagator over time.

    Attributes:
        times: ``(T,)``.
        norm: ``|e^(tJ)|``, ``(T,)``; NaN where the products did not suffice.
        peak, peak_time: the largest norm and its time, refined between the given times where that is affordable.
        certificate: ``"bounded"`` (to round-off) from whole matrices, else ``"empirical"``: each norm is reached, a
            larger one may have been missed.
        route: ``"dense"`` or ``"krylov"``.
        reason: what is not complete; empty if all is.
    """

    times: Floats
    norm: Floats
    peak: float
    peak_time: float
    certificate: str
    route: str
    reason: str


def transient_growth(
    lin: Linearisation, times: Sequence[float] | Floats, *, max_products: int = 20_000
) -> TransientGrowth:
    """``|e^(tJ)|`` at the given times, and its peak among and between them.

    Up to 400 unknowns from the whole exponential. Beyond by Lanczos on ``e^(tJ^T) e^(tJ)``: bounds from below.

    Raises:
        OptionError: a time is negative or not finite, or products with the transpose are not to be had.
    """
    at = np.asarray(times, dtype=np.float64)
    if at.ndim != 1 or not at.size or not (np.isfinite(at).all() and (at >= 0).all()):
        raise OptionError(f"times is a list of finite times from 0 on, got {times!r}")
    if lin.size <= DENSE_EXPONENTIAL:
        return _dense(lin, at)
    return _krylov(lin, at, max_products)


def _dense(lin: Linearisation, times: Floats) -> TransientGrowth:
    from scipy.linalg import expm

    matrix = lin.dense()

    def norm(t: float) -> float:
        return float(np.linalg.norm(expm(t * matrix), 2))

    norms = np.array([norm(t) for t in times])
    peak, peak_time = _refined(norm, times, norms)
    return TransientGrowth(times, norms, peak, peak_time, lin.certificate, "dense", "")


def _refined(norm: Callable[[float], float], times: Floats, norms: Floats) -> tuple[float, float]:
    """The peak between the neighbours of the largest value."""
    from scipy.optimize import minimize_scalar

    order = np.argsort(times)
    ordered, k = times[order], int(np.argmax(norms[order]))
    best, at = float(norms.max()), float(ordered[k])
    low, high = float(ordered[max(k - 1, 0)]), float(ordered[min(k + 1, len(ordered) - 1)])
    if high > low:
        found = minimize_scalar(
            lambda t: -norm(t), bounds=(low, high), method="bounded", options={"xatol": 1e-7 * (high - low)}
        )
        if -float(found.fun) > best:
            best, at = -float(found.fun), float(found.x)
    return best, at


def _krylov(lin: Linearisation, times: Floats, max_products: int) -> TransientGrowth:
    norms = np.full(times.size, np.nan)
    left = max_products
    start = lin.random_vector(seed=4)
    for place in np.argsort(times):
        norms[place], start, spent = _amplification(lin, float(times[place]), start, left)
        left -= spent
        if np.isnan(norms[place]):
            break
    known = np.isfinite(norms)
    reason = "" if known.all() else f"{int((~known).sum())} times need more than {max_products} products with J and J^T"
    peak = int(np.nanargmax(norms)) if known.any() else 0
    return TransientGrowth(times, norms, float(norms[peak]), float(times[peak]), "empirical", "krylov", reason)


def _amplification(lin: Linearisation, t: float, v: Floats, budget: int) -> tuple[float, Floats, int]:
    """``|e^(tJ)|`` from below, the perturbation that reaches it, and the products spent."""
    if t == 0:
        return 1.0, v, 0
    spent = 0

    def there_and_back(start: Floats) -> Floats:
        nonlocal spent
        for product in (lin.product, lin.transpose_product):
            end, used = exponential_action(product, start, t, tol=1e-6, max_products=budget - spent)
            spent += used
            if end is None:
                raise _OutOfProducts
            start = end
        return start

    try:
        square, vector = largest(there_and_back, v, steps=LANCZOS_STEPS, settled=SETTLED)
    except _OutOfProducts:
        return float("nan"), v, spent
    return float(np.sqrt(square)), vector, spent


class _OutOfProducts(Exception):
    """The budget of products is spent."""
