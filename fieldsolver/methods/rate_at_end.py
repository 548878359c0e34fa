"""A method that also says how fast the solution moves where its step ends, and goes on from there with that."""

from __future__ import annotations

from fractions import Fraction

from .explicit_runge_kutta import ExplicitRungeKutta
from .protocol import Method
from .tableau import ButcherTableau


def with_rate_at_end(method: Method) -> Method:
    """The same steps with f at their end as last stage, which is the first stage of the next step.

    Whoever asks after every step whether the solution still moves needs that rate; so it is evaluated once, not twice.
    Methods that carry it already, or are not given by a tableau, are returned as they are.
    """
    if type(method) is not ExplicitRungeKutta or method.fsal:
        return method
    return ExplicitRungeKutta(first_same_as_last(method.tableau))


def first_same_as_last(tableau: ButcherTableau) -> ButcherTableau:
    """The tableau with one more stage, ``f(t + h, y_new)``, that has no weight in the step."""
    stages, weights = tableau.stages, tableau.interpolant

    def wider(row: tuple[Fraction, ...] | None) -> tuple[Fraction, ...] | None:
        return None if row is None else (*row[:stages], Fraction(0), *row[stages:])

    return ButcherTableau(
        name=tableau.name,
        order=tableau.order,
        source=tableau.source,
        c=(*tableau.c, 1),
        a=(*tableau.a, tableau.b),
        b=(*tableau.b, 0),
        b_hat=wider(tableau.b_hat),
        embedded_order=tableau.embedded_order,
        b_coarse=wider(tableau.b_coarse),
        coarse_order=tableau.coarse_order,
        extra_c=tableau.extra_c,
        extra_a=tuple(wider(row) or () for row in tableau.extra_a),
        interpolant=None if weights is None else (*weights[:stages], (0,) * len(weights[0]), *weights[stages:]),
        interpolant_order=tableau.interpolant_order,
    )
