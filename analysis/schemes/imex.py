"""Implicit-explicit methods for y' = lambda_1 y + lambda_2 y: the first term explicit, the second implicit.

Multistep ones have a characteristic polynomial that is linear in z_1 and z_2; Runge-Kutta ones have R(z_1, z_2) = P/Q
with Q = prod_i (1 - a_ii z_2). On a ray dt (lambda_1, lambda_2) both are decided by exact arithmetic.

Source: Ascher, Ruuth, Wetton, SIAM J. Numer. Anal. 32 (1995) 797-823 (multistep); Ascher, Ruuth, Spiteri, Appl. Numer.
Math. 25 (1997) 151-167 (Runge-Kutta).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import comb

from .characteristic import CharacteristicScheme
from .multistep import bdf
from .multivariate import constant, monomial, product, total
from .ray import Terms

PARTS = ("explicit", "implicit")
RUUTH = "Ascher, Ruuth, Wetton, SIAM J. Numer. Anal. 32 (1995), "
SPITERI = "Ascher, Ruuth, Spiteri, Appl. Numer. Math. 25 (1997), "

GAMMA = Fraction("0.2928932188134524755991556378951509607151640623115259634116")
"""1 - 1/sqrt(2)."""
ROUNDED = Fraction(1, 10**45)
"""Growth below this comes from the rounding of GAMMA."""

Row = Sequence[Fraction | int | str]
Matrix = Sequence[Row]
Weights = tuple[Row, Row]


def additive_runge_kutta(
    name: str,
    order: int,
    explicit: Matrix,
    implicit: Matrix,
    b: tuple[Sequence, Sequence],
    source: str,
    slack: Fraction,
) -> CharacteristicScheme:
    """An additive pair of tableaux with s stages, the implicit one lower triangular.

    Args:
        name: what it is called.
        order: of the pair.
        explicit: s rows of s entries.
        implicit: likewise.
        b: weights of both.
        source: paper, with the section.
        slack: size of the defects that rounded coefficients leave; 0 for exact ones.
    """
    numerators: list[Terms] = []  # the stage Y_i is N_i / prod_(j <= i) (1 - a_jj z_2)
    poles = [total(constant(1), monomial(1, -Fraction(row[i]))) for i, row in enumerate(implicit)]

    def weighted(weights: Weights, upto: int) -> Terms:
        """prod_(j <= upto) poles_j (1 + sum_j (z_1 a_j + z_2 b_j) Y_j)."""
        terms = [product(constant(1), *poles[:upto])]
        for j in range(upto):
            slope = total(monomial(0, Fraction(weights[0][j])), monomial(1, Fraction(weights[1][j])))
            terms.append(product(slope, numerators[j], *poles[j + 1 : upto]))
        return total(*terms)

    for i in range(len(implicit)):
        numerators.append(weighted((explicit[i], implicit[i]), i))
    p, q = weighted(b, len(implicit)), product(constant(1), *poles)
    return CharacteristicScheme(
        name=name,
        family="imex",
        order=order,
        evaluations=len(implicit),
        solves=sum(Fraction(row[i]) != 0 for i, row in enumerate(implicit)),
        source=source,
        chi=({exponents: -value for exponents, value in p.items()}, q),
        parts=PARTS,
        slack=slack,
    )


def multistep_pair(name: str, order: int, rho: Row, explicit: Row, implicit: Row, source: str) -> CharacteristicScheme:
    """sum_j rho_j y_(n+j) = dt sum_j (explicit_j f_(n+j) + implicit_j g_(n+j)), lowest j first."""
    chi = tuple(
        total(constant(Fraction(a)), monomial(0, -Fraction(b)), monomial(1, -Fraction(c)))
        for a, b, c in zip(rho, explicit, implicit, strict=True)
    )
    return CharacteristicScheme(
        name=name, family="imex", order=order, evaluations=1, solves=1, source=source, chi=chi, parts=PARTS
    )


def sbdf(order: int) -> CharacteristicScheme:
    """Backward differentiation for the implicit part, extrapolation to the new time for the explicit one."""
    extrapolation = [(-1) ** (order - 1 - j) * comb(order, j) for j in range(order)]
    return multistep_pair(
        f"sbdf{order}",
        order,
        bdf(order).rho,
        [*extrapolation, 0],
        [*[0] * order, 1],
        RUUTH + "section 2",
    )


def imex_catalogue() -> Mapping[str, CharacteristicScheme]:
    """The implicit-explicit methods of the literature."""
    half = Fraction(1, 2)
    delta = 1 - 1 / (2 * GAMMA)
    schemes = [
        multistep_pair("imex_euler", 1, [-1, 1], [1, 0], [0, 1], RUUTH + "section 2.1"),
        multistep_pair("cnab2", 2, [0, -1, 1], [-half, 3 * half, 0], [0, half, half], RUUTH + "section 2.2, eq. (14)"),
        multistep_pair("cnlf", 2, [-half, 0, half], [0, 1, 0], [half, 0, half], RUUTH + "section 2.2, eq. (19)"),
        sbdf(2),
        sbdf(3),
        sbdf(4),
        additive_runge_kutta(
            "ars222",
            2,
            [[0, 0, 0], [GAMMA, 0, 0], [delta, 1 - delta, 0]],
            [[0, 0, 0], [0, GAMMA, 0], [0, 1 - GAMMA, GAMMA]],
            ([delta, 1 - delta, 0], [0, 1 - GAMMA, GAMMA]),
            SPITERI + "section 2.6",
            ROUNDED,
        ),
        additive_runge_kutta(
            "ars443",
            3,
            [
                [0, 0, 0, 0, 0],
                ["1/2", 0, 0, 0, 0],
                ["11/18", "1/18", 0, 0, 0],
                ["5/6", "-5/6", "1/2", 0, 0],
                ["1/4", "7/4", "3/4", "-7/4", 0],
            ],
            [
                [0, 0, 0, 0, 0],
                [0, "1/2", 0, 0, 0],
                [0, "1/6", "1/2", 0, 0],
                [0, "-1/2", "1/2", "1/2", 0],
                [0, "3/2", "-3/2", "1/2", "1/2"],
            ],
            (["1/4", "7/4", "3/4", "-7/4", 0], [0, "3/2", "-3/2", "1/2", "1/2"]),
            SPITERI + "section 2.8",
            Fraction(0),
        ),
    ]
    return {scheme.name: scheme for scheme in schemes}
