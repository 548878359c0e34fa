"""Linear multistep methods on equal steps: sum_j alpha_j y_(n+j) = dt sum_j beta_j f_(n+j).

chi(zeta) = rho(zeta) - z sigma(zeta). The angle alpha of A(alpha)-stability comes from the root locus z = rho/sigma on
the unit circle: its smallest angle to the negative real axis. With u = 1 - cos(phi) the squared tangent of that angle
is a rational function of u, whose smallest value on the left half-plane is isolated exactly.

Source: Hairer, Norsett, Wanner I (1993), sections III.1 and III.2; Hairer, Wanner II (1996), sections V.1 and V.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import atan, comb, degrees, sqrt

from fieldsolver.methods.adams_stability import adams_bashforth_weights
from fieldsolver.methods.polynomial import Polynomial, add, derivative, evaluate, multiply, polynomial, scale

from .characteristic import CharacteristicScheme, terms
from .cosines import cosine, sine
from .real_roots import positive_roots

BDF_SOURCE = "Curtiss, Hirschfelder 1952; Hairer, Norsett, Wanner I (1993), section III.1, eq. (1.22')"
ADAMS_SOURCE = "Hairer, Norsett, Wanner I (1993), section III.1"


@dataclass(frozen=True, eq=False)
class MultistepScheme(CharacteristicScheme):
    """A linear multistep method; rho and sigma are exact, lowest power first."""

    rho: Polynomial = ()
    sigma: Polynomial = ()

    @cached_property
    def alpha(self) -> float:
        """Degrees: stable in the sector of this half-angle around the negative real axis; 0 if in none."""
        if self.exact_limit(-1.0 + 0j) is not None:
            return 0.0
        real, imaginary = self._locus
        if not real:
            return 90.0  # the locus is the imaginary axis
        u, two_minus_u = polynomial([0, 1]), polynomial([2, -1])
        across = multiply(multiply(u, two_minus_u), multiply(imaginary, imaginary))  # (sin(phi) B)^2
        along = multiply(real, real)  # A^2
        while across and across[0] == 0 and along[0] == 0:
            across, along = across[1:], along[1:]
        turning = add(multiply(derivative(across), along), scale(multiply(across, derivative(along)), Fraction(-1)))
        while turning and turning[0] == 0:
            turning = turning[1:]
        places = [root[1] for root in positive_roots(turning) if root[1] <= 2]
        left = [place for place in places if evaluate(real, place) < 0]
        return min((degrees(atan(sqrt(evaluate(across, u) / evaluate(along, u)))) for u in left), default=90.0)

    @cached_property
    def _locus(self) -> tuple[Polynomial, Polynomial]:
        """A and B with rho conj(sigma) = A(u) + i sin(phi) B(u)."""
        real: Polynomial = ()
        imaginary: Polynomial = ()
        for a, x in enumerate(self.rho):
            for b, y in enumerate(self.sigma):
                real = add(real, scale(cosine(abs(a - b)), x * y))
                imaginary = add(imaginary, scale(sine(abs(a - b)), x * y * (1 if a > b else -1)))
        return real, imaginary

    def facts(self) -> Mapping[str, float | bool]:
        """See `Scheme`."""
        a_stable = self.alpha == 90.0
        own: dict[str, float | bool] = {"alpha": self.alpha, "a_stable": a_stable}
        return {**super().facts(), **own}


def multistep(
    name: str, order: int, rho: Sequence[Fraction | int], sigma: Sequence[Fraction | int], source: str
) -> MultistepScheme:
    """The linear multistep method with rho = sum_j alpha_j zeta^j and sigma = sum_j beta_j zeta^j."""
    r, s = polynomial(rho), polynomial(sigma)
    padded = [*s, *[Fraction(0)] * (len(r) - len(s))]
    chi = tuple(terms(x, -y) for x, y in zip(r, padded, strict=True))
    implicit = int(padded[-1] != 0)
    return MultistepScheme(
        name=name,
        family="multistep",
        order=order,
        evaluations=1,
        solves=implicit,
        source=source,
        chi=chi,
        rho=r,
        sigma=s,
    )


def bdf(order: int) -> MultistepScheme:
    """Backward differentiation: sum_(j=1)^k (1/j) nabla^j y_(n+1) = dt f_(n+1)."""
    rho = [Fraction(0)] * (order + 1)
    for j in range(1, order + 1):
        for i in range(j + 1):
            rho[order - i] += Fraction((-1) ** i * comb(j, i), j)
    return multistep(f"bdf{order}", order, rho, [*[0] * order, 1], BDF_SOURCE)


def adams_bashforth(order: int) -> MultistepScheme:
    """Explicit Adams."""
    return multistep(
        f"ab{order}", order, [*[0] * (order - 1), -1, 1], adams_bashforth_weights(order)[::-1], ADAMS_SOURCE + ", (1.5)"
    )


def adams_moulton(order: int) -> MultistepScheme:
    """Implicit Adams of this order, with order - 1 steps."""
    steps = max(order - 1, 1)
    return multistep(
        f"am{order}", order, [*[0] * (steps - 1), -1, 1], adams_moulton_weights(order)[::-1], ADAMS_SOURCE + ", (1.9)"
    )


def adams_moulton_weights(order: int) -> list[Fraction]:
    """b_i in y_(n+1) = y_n + dt sum_(i>=0) b_i f_(n+1-i): gamma*_j spread over the backward differences."""
    gamma: list[Fraction] = []
    for m in range(order):
        gamma.append((m == 0) - sum((value / (m + 1 - j) for j, value in enumerate(gamma)), Fraction(0)))
    return [(-1) ** i * sum((gamma[j] * comb(j, i) for j in range(i, order)), Fraction(0)) for i in range(order)]


def adams_pece(order: int) -> CharacteristicScheme:
    """Predict with Adams-Bashforth of this order, evaluate, correct with Adams-Moulton of the next, evaluate.

    The fixed-order form of the method `abm`, on equal steps.
    """
    predictor = adams_bashforth_weights(order)
    corrector = adams_moulton_weights(order + 1)
    chi: list[dict[tuple[int, ...], Fraction]] = [{} for _ in range(order + 1)]
    chi[order][0,] = Fraction(1)
    for i in range(order):
        place = chi[order - 1 - i]
        place[0,] = Fraction(-1 if i == 0 else 0)
        # y_new = y + z (b*_0 p + sum b*_(i+1) y_(n-i)),  p = y + z sum b_i y_(n-i)
        place[1,] = -corrector[i + 1] - (corrector[0] if i == 0 else 0)
        place[2,] = -corrector[0] * predictor[i]
    return CharacteristicScheme(
        name=f"abm{order + 1}",
        family="multistep",
        order=order + 1,
        evaluations=2,
        solves=0,
        source=ADAMS_SOURCE + "; Shampine, Gordon 1975",
        chi=tuple(chi),
    )


def leapfrog() -> MultistepScheme:
    """y_(n+1) = y_(n-1) + 2 dt f_n, the explicit midpoint rule."""
    return multistep("leapfrog", 2, [-1, 0, 1], [0, 2], "Hairer, Norsett, Wanner I (1993), section III.1, eq. (1.13')")


def multistep_catalogue() -> Mapping[str, CharacteristicScheme]:
    """The multistep methods of the literature."""
    schemes = [
        *(bdf(k) for k in range(1, 7)),
        *(adams_bashforth(k) for k in range(2, 7)),
        *(adams_moulton(k) for k in range(2, 7)),
        *(adams_pece(k) for k in range(1, 5)),
        leapfrog(),
    ]
    return {scheme.name: scheme for scheme in schemes}
