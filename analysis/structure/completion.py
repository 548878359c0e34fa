"""What is tried when the library holds nothing: metrics of the state, the Lyapunov equation, linear programming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .formulas import Formulas
from .found import BOUNDED, CONSERVED, DECREASING, EXACT, STATISTICAL, Found
from .kind import Kind
from .lyapunov_linear import linear_matrix, lyapunov_equation
from .lyapunov_search import lyapunov_function
from .metrics import energy_of
from .potential import Potential
from .rates import ROUND_OFF, rates_of
from .samples import FreshStates
from .system import System

SMALL = 6
"""Up to so many unknowns a Lyapunov function is sought by linear programming."""
QUADRATURE = 1e-8
"""Relative rate that the line integral of a potential may leave."""


def complete(
    system: System, formulas: Formulas, kind: Kind, fresh: FreshStates, seed: int
) -> tuple[list[Found], list[Any]]:
    """A Lyapunov function and its SymPy expression by the first route that gives one, or two empty lists."""
    routes = (
        lambda: _metric(system, formulas, kind, fresh),
        lambda: _linear(system, formulas, kind, fresh, seed),
        lambda: _programme(system, formulas, kind, seed),
    )
    for route in routes:
        extra = route()
        if extra is not None:
            return [extra[0]], [extra[1]]
    return [], []


def without_formula(system: System, found: Sequence[Found], kind: Kind, fresh: FreshStates) -> list[Found]:
    """Potentials of structures for which no formula was found: they exist, as line integrals."""
    extra: list[Found] = []
    for form in kind.forms:
        wanted = CONSERVED if form.kind == "Hamiltonian" else DECREASING
        if form.kind == "skew-gradient" or any(one.kind == wanted for one in (*found, *extra)):
            continue
        y = fresh()
        rates = rates_of(system, Potential(system, form.matrix, y[0]), y[1:9])
        size = rates.defect if wanted == CONSERVED else rates.growth
        if size <= QUADRATURE:
            extra.append(Found("", wanted, STATISTICAL, form.kind, size, discrete=True))
    return extra


def _metric(system: System, formulas: Formulas, kind: Kind, fresh: FreshStates) -> tuple[Found, Any] | None:
    if kind.metric is None:
        return None
    metric, form = kind.metric
    expression = energy_of(formulas, metric, form)
    if expression is None:
        return None
    rates = rates_of(system, formulas.quantity(expression), fresh(positive=metric.positive))
    if not rates.growth <= ROUND_OFF:
        return None
    domain = "where all unknowns are positive" if metric.positive else ""
    route = f"gradient flow in the metric {metric.name}"
    found = Found(formulas.text(expression), DECREASING, EXACT, route, rates.growth, discrete=True, domain=domain)
    return found, expression


def _linear(system: System, formulas: Formulas, kind: Kind, fresh: FreshStates, seed: int) -> tuple[Found, Any] | None:
    if not kind.jacobian_products:
        return None
    matrix = linear_matrix(system, seed)
    quadratic = None if matrix is None else lyapunov_equation(*matrix)
    if quadratic is None:
        return None
    import sympy

    away = [u - sympy.Float(float(c)) if c else u for u, c in zip(formulas.unknowns, quadratic.centre, strict=True)]
    terms = [sympy.Float(float(quadratic.matrix[a, b])) * x * y for a, x in enumerate(away) for b, y in enumerate(away)]
    expression = sympy.Add(*terms)
    rates = rates_of(system, formulas.quantity(expression), fresh())
    if not rates.growth <= ROUND_OFF:
        return None
    route = f"Lyapunov equation, residual {quadratic.residual:.1e}, smallest eigenvalue {quadratic.smallest:.3g}"
    certificate = BOUNDED if _is_linear(formulas) else STATISTICAL
    return Found(formulas.text(expression), DECREASING, certificate, route, rates.growth, discrete=True), expression


def _is_linear(formulas: Formulas) -> bool:
    """By the formulas: a function may switch between the states that were tried."""
    if formulas.rates is None:
        return False
    slopes = [rate.diff(u) for rate in formulas.rates for u in formulas.unknowns]
    return not any(slope.free_symbols & {*formulas.unknowns} for slope in slopes)


def _programme(system: System, formulas: Formulas, kind: Kind, seed: int) -> tuple[Found, Any] | None:
    if system.components > SMALL or not kind.jacobian_products:
        return None
    function = lyapunov_function(system, formulas, seed)
    if function is None:
        return None
    place = ", ".join(f"{c + 0.0:.4g}" for c in function.centre)
    domain = f"within {function.radius:g} of ({place})"
    route = f"linear programme, margin {function.margin:.2g}"
    text = formulas.text(function.expression)
    found = Found(text, DECREASING, STATISTICAL, route, 0.0, discrete=True, domain=domain)
    return found, function.expression
