"""`convergence`: run a ladder of refinements, fit the order of the errors, and judge it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, register_plot

from .orders.dataset import SCHEMA, convergence_result
from .orders.fit_order import fit_order
from .orders.ladder import checked_ladder, run_ladder
from .plots.convergence import draw_convergence
from .provenance import Provenance

register_plot(SCHEMA)(draw_convergence)


def convergence(
    problem: Callable[[float], float],
    ladder: Sequence[float],
    *,
    expected: float | None = None,
    stage_order: float | None = None,
    stiffness: float | None = None,
    floor: float | None = None,
    confidence: float = 0.95,
    label: str = "h",
    progress: bool | None = None,
) -> AnalysisResult:
    """Measure the order at which ``problem(h)`` tends to zero.

    Args:
        problem: returns the error of the run with step or mesh size `h`, a magnitude. A run that raises `SolveFailed`
            counts as a level without an error.
        ladder: the values of `h`, from coarse to fine; 5 levels or more show next-order terms and floors.
        expected: the order that is claimed, or None to measure it.
        stage_order: of a Runge-Kutta method on a stiff problem, where an order between it and `expected` is no fault;
            needs `stiffness`.
        stiffness: the largest rate of the problem (its fastest eigenvalue in modulus), in units of 1/h.
        floor: a known error floor; levels within ten times of it are left out. None looks for one.
        confidence: of the interval of the order.
        label: what `h` is called in the picture.
        progress: show a bar: True, False, or None for only on a terminal.

    Returns:
        Schema ``convergence/1``, dimension ``level``: `h`, `error`, `local_order`, `used`, and the scalars `order` with
        `order_lo` and `order_hi`, `coefficient`, `next_coefficient`, `next_order`, `floor`, `model`, `expected`.
        PASS: the local orders have settled, the interval is narrower than 0.3, and the order is within 0.15 of
        `expected` (`fieldsolver.analysis.orders.verdict` lists all rules).

    Raises:
        OptionError: the ladder does not decrease, an error is negative, or an option is out of range.
    """
    steps = checked_ladder(ladder)
    named: Callable[..., Any] = problem
    origin = Provenance(named, label=label)
    errors = run_ladder("convergence", steps, lambda h: _error(problem, h), progress)
    fit = fit_order(
        steps,
        errors,
        expected=expected,
        floor=floor,
        confidence=confidence,
        stage_order=stage_order,
        stiffness=stiffness,
    )
    return convergence_result(fit, label, provenance=origin.attributes())


def _error(problem: Callable[[float], float], h: float) -> float:
    value = problem(h)
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise OptionError(f"problem({h:g}) must return one number, the error; got {value!r}") from None
