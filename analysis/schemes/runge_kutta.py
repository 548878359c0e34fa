"""The Runge-Kutta methods, explicit and implicit, as schemes: from tableaux, and from Pade approximants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import comb

from fieldsolver.errors import OptionError
from fieldsolver.methods import ButcherTableau
from fieldsolver.methods.monotonicity import ssp_radius
from fieldsolver.methods.polynomial import Polynomial

from .rational import RationalScheme, completed, linear_order, one_step, pade, stability_function

HAIRER_WANNER = "Hairer, Wanner II (1996), "

ALEXANDER_2 = Fraction("0.2928932188134524755991556378951509607151640623115259634116")
"""1 - 1/sqrt(2)."""
ALEXANDER_3 = Fraction("0.4358665215084589994160194511935568425292964892217236189")
"""The root of x^3 - 3 x^2 + 3/2 x - 1/6 near 0.43587."""


def explicit_scheme(tableau: ButcherTableau) -> RationalScheme:
    """An explicit Runge-Kutta method."""
    return RationalScheme(
        name=tableau.name,
        family="explicit",
        order=tableau.order,
        evaluations=tableau.stages - tableau.fsal,
        solves=0,
        source=tableau.source,
        chi=one_step(tableau.stability_polynomial()),
        known={"ssp": ssp_radius(tableau), "stage_order": 1.0},
    )


def implicit_scheme(
    name: str, order: int, a: Sequence[Sequence[Fraction | int | str]], b: Sequence[Fraction | int | str], source: str
) -> RationalScheme:
    """Any Runge-Kutta method with rational coefficients: diagonally or fully implicit, or explicit.

    Args:
        name: what it is called.
        order: of the method.
        a: s rows of s entries.
        b: s weights.
        source: paper, with the equation or table.

    Raises:
        OptionError: shapes that do not fit, or floats, which hide their exact value.
    """
    rows = [[_exact(value) for value in row] for row in a]
    weights = [_exact(value) for value in b]
    if any(len(row) != len(weights) for row in rows) or len(rows) != len(weights):
        raise OptionError(f"tableau {name!r}: a has rows of {[len(row) for row in rows]} entries, b has {len(weights)}")
    r = stability_function(rows, weights)
    if linear_order(*r) < order:
        raise OptionError(
            f"tableau {name!r}: order {order} is claimed, but y' = y is met to order {linear_order(*r)} only"
        )
    explicit_stages = sum(not any(row) for row in rows)
    return RationalScheme(
        name=name,
        family="implicit",
        order=order,
        evaluations=len(rows),
        solves=len(rows) - explicit_stages,
        source=source,
        chi=one_step(*r),
        known={"stage_order": float(stage_order(rows, weights))},
    )


def stage_order(a: Sequence[Sequence[Fraction]], b: Sequence[Fraction]) -> int:
    """The largest q with sum_j a_ij c_j^(k-1) = c_i^k / k and sum_i b_i c_i^(k-1) = 1/k for all k <= q."""
    c = [sum(row, Fraction(0)) for row in a]
    q = 0
    while q < 2 * len(b):
        k = q + 1
        stages = all(
            sum(x * y**q for x, y in zip(row, c, strict=True)) == end**k / k for row, end in zip(a, c, strict=True)
        )
        if not stages or sum(x * y**q for x, y in zip(b, c, strict=True)) != Fraction(1, k):
            break
        q = k
    return q


def _exact(value: Fraction | int | str) -> Fraction:
    if isinstance(value, float):
        raise OptionError(f"a tableau holds the float {value}, which hides its exact value; write '1/3' or '0.161'")
    return Fraction(value)


def _from_function(
    name: str, order: int, r: tuple[Polynomial, Polynomial], stages: int, stage_order: int, source: str, **known: float
) -> RationalScheme:
    return RationalScheme(
        name=name,
        family="implicit",
        order=order,
        evaluations=stages,
        solves=stages,
        source=source,
        chi=one_step(*r),
        known={"stage_order": float(stage_order), **known},
    )


def implicit_catalogue() -> Mapping[str, RationalScheme]:
    """The implicit Runge-Kutta methods of the literature."""
    rational = [
        implicit_scheme("backward_euler", 1, [[1]], [1], HAIRER_WANNER + "section IV.3"),
        implicit_scheme("implicit_midpoint", 2, [["1/2"]], [1], HAIRER_WANNER + "section IV.3"),
        implicit_scheme("crank_nicolson", 2, [[0, 0], ["1/2", "1/2"]], ["1/2", "1/2"], "Crank, Nicolson 1947"),
    ]
    gauss = [
        _from_function(f"gauss{s}", 2 * s, pade(s, s), s, s, HAIRER_WANNER + "section IV.5, R is Pade (s, s)")
        for s in (1, 2, 3, 4)
    ]
    radau = [
        _from_function(
            f"radau_iia{2 * s - 1}", 2 * s - 1, pade(s - 1, s), s, s, HAIRER_WANNER + "section IV.5, Pade (s-1, s)"
        )
        for s in (1, 2, 3, 4)
    ]
    lobatto_a = [
        _from_function(
            f"lobatto_iiia{2 * s - 2}", 2 * s - 2, pade(s - 1, s - 1), s - 1, s, HAIRER_WANNER + "IV.5, Pade (s-1, s-1)"
        )
        for s in (2, 3, 4)
    ]
    lobatto_c = [
        _from_function(
            f"lobatto_iiic{2 * s - 2}", 2 * s - 2, pade(s - 2, s), s, s - 1, HAIRER_WANNER + "IV.5, Pade (s-2, s)"
        )
        for s in (2, 3, 4)
    ]
    alexander = "Alexander, SIAM J. Numer. Anal. 14 (1977), theorem 5"
    diagonal = [
        _from_function("sdirk2", 2, _diagonal(ALEXANDER_2, 2), 2, 1, alexander),
        _from_function("sdirk3", 3, _diagonal(ALEXANDER_3, 3), 3, 1, alexander),
        _from_function("trbdf2", 2, _diagonal(ALEXANDER_2, 2), 2, 2, "Bank et al. 1985; Hosea, Shampine 1996"),
    ]
    schemes = [*rational, *gauss, *radau, *lobatto_a, *lobatto_c, *diagonal]
    return {scheme.name: scheme for scheme in schemes}


def _diagonal(gamma: Fraction, stages: int) -> tuple[Polynomial, Polynomial]:
    """R of an L-stable method of order s with s equal diagonal entries: Q = (1 - gamma z)^s, deg P = s - 1."""
    q = [comb(stages, k) * (-gamma) ** k for k in range(stages)]
    return completed(q, stages - 1, stages)
