"""Stabilised explicit methods: s stages bought for an interval on the negative real axis that grows as s^2.

    RKC1:  R = T_s(w0 + w1 z) / T_s(w0),               w0 = 1 + eps/s^2,  w1 = T_s(w0) / T_s'(w0)
    RKC2:  R = a + b T_s(w0 + w1 z),                    w1 = T_s'(w0) / T_s''(w0),  b = T_s''(w0) / T_s'(w0)^2
    RKL1:  R = P_s(1 + 2 z / (s^2 + s))
    RKL2:  R = a + b P_s(1 + 4 z / (s^2 + s - 2)),      b = (s^2 + s - 2) / (2 s (s + 1));   a = 1 - b P_s(w0)

with Chebyshev polynomials T and Legendre polynomials P. The interval [-beta, 0] is that on which their argument stays
in [-1, w0]. All coefficients are rational; factors are computed by the recurrence, because powers of z lose all digits.

Source: van der Houwen, Sommeijer, Z. Angew. Math. Mech. 60 (1980) 479-485; Sommeijer, Shampine, Verwer, J. Comput.
Appl. Math. 88 (1998) 315-326, section 2; Meyer, Balsara, Aslam, J. Comput. Phys. 257 (2014) 594-626, sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods.polynomial import Polynomial, add, multiply, polynomial, scale

from .rational import RationalScheme, one_step
from .scan import by_growth, checked_modes, empirical_step, scan_exits
from .scheme import Complex, Floats, StepBound
from .search import largest_step

DAMPING = {"rkc1": Fraction(1, 20), "rkc2": Fraction(2, 13)}
"""eps, where the caller names none: the usual values."""
EXACT_STAGES = 24
"""Stages up to which exact arithmetic decides the region; beyond, beta does on the real axis, elsewhere a scan."""
MOST_STAGES = 10_000
CHEBYSHEV = "van der Houwen, Sommeijer 1980; Sommeijer, Shampine, Verwer, J. Comput. Appl. Math. 88 (1998), section 2"
LEGENDRE = "Meyer, Balsara, Aslam, J. Comput. Phys. 257 (2014), sections 2 and 3"


@dataclass(frozen=True, eq=False)
class StabilisedScheme(RationalScheme):
    """R = a + b F_s(w0 + w1 z), F_s a Chebyshev or Legendre polynomial.

    Attributes:
        stages: s.
        chebyshev: F_s is T_s, not P_s.
        shift: a.
        size: b.
        argument: w0 and w1.
    """

    stages: int = 1
    chebyshev: bool = True
    shift: Fraction = Fraction(0)
    size: Fraction = Fraction(1)
    argument: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1))

    @property
    def beta(self) -> float:
        """Length of the interval on the real axis for which the method is made."""
        w0, w1 = self.argument
        return float((w0 + 1) / w1)

    def factors(self, *z: Complex) -> Complex:
        """The factor, (1, *shape), by the three-term recurrence."""
        w0, w1 = (float(value) for value in self.argument)
        w = np.asarray(w0 + w1 * np.asarray(z[0], dtype=complex), dtype=complex)
        with np.errstate(over="ignore", invalid="ignore"):
            value = _recurrence(self.stages, w, self.chebyshev)
            return (float(self.shift) + float(self.size) * value)[None]

    def grows(self, *z: Complex) -> np.ndarray:
        """See `CharacteristicScheme`."""
        return by_growth(self.growth)(*z)

    def exits(self, directions: Complex) -> Floats:
        """See `CharacteristicScheme`; by looking, as powers of z lose all digits."""
        return scan_exits(self.grows, directions)

    def exact_limit(self, *eigenvalue: complex) -> Fraction | None:
        """See `CharacteristicScheme`; on the real axis of methods of many stages beta."""
        (mode,) = map(complex, eigenvalue)
        w0, w1 = self.argument
        if mode.imag == 0 and mode.real < 0 and self.stages > EXACT_STAGES:
            return (w0 + 1) / w1 / -Fraction(mode.real)
        return super().exact_limit(*eigenvalue)

    def largest_step(self, *eigenvalues: Complex) -> StepBound:
        """See `Scheme`."""
        if self.stages <= EXACT_STAGES:
            return largest_step(self, *eigenvalues)
        (modes,) = checked_modes(self.parts, eigenvalues)
        if not modes.imag.any() and (modes.real <= 0).all() and modes.any():
            longest = int(np.argmin(modes.real))
            return StepBound(float(-self.beta / modes.real[longest]), longest, "bounded")
        return empirical_step(self.parts, self.growth, modes)

    def facts(self) -> Mapping[str, float | bool]:
        """See `Scheme`; `beta` is the interval of the design, `real_interval` may reach a little further."""
        if self.stages > EXACT_STAGES:
            return {"real_interval": self.beta, "beta": self.beta, "stages": float(self.stages)}
        return {
            "real_interval": self.real_interval,
            "imaginary_interval": self.imaginary_interval,
            "beta": self.beta,
            "stages": float(self.stages),
        }


def stabilised(kind: str, stages: int, damping: Fraction | None = None) -> StabilisedScheme:
    """A stabilised method with s stages.

    Args:
        kind: ``"rkc1"``, ``"rkc2"``, ``"rkl1"`` or ``"rkl2"``.
        stages: s; at least 2 for the methods of order 2.
        damping: eps of RKC; None takes 1/20 for RKC1 and 2/13 for RKC2, 0 is the longest interval without damping.

    Raises:
        OptionError: another kind, too few stages, or damping where there is none.
    """
    if kind not in KINDS:
        raise OptionError(f"unknown stabilised method {kind!r}; known: {listing(KINDS)}{nearest(kind, KINDS)}")
    order = int(kind[-1])
    if not order <= stages <= MOST_STAGES:
        raise OptionError(f"{kind} has from {order} to {MOST_STAGES} stages, got {stages}")
    if damping is not None and kind not in DAMPING:
        raise OptionError(f"{kind} has no damping to choose, got {damping}")
    return _stabilised(kind, stages, DAMPING.get(kind, Fraction(0)) if damping is None else Fraction(damping))


@cache
def _stabilised(kind: str, s: int, damping: Fraction) -> StabilisedScheme:
    shift, size, argument = KINDS[kind](s, damping)
    chebyshev, order = kind.startswith("rkc"), int(kind[-1])
    coefficients: Polynomial = polynomial([1])
    if s <= EXACT_STAGES:
        value = _polynomial(s, polynomial(argument), chebyshev)
        coefficients = add(polynomial([shift]), scale(value, size))
    return StabilisedScheme(
        name=f"{kind}:{s}",
        family="stabilised",
        order=order,
        evaluations=s,
        solves=0,
        source=CHEBYSHEV if chebyshev else LEGENDRE,
        chi=one_step(coefficients),
        stages=s,
        chebyshev=chebyshev,
        shift=shift,
        size=size,
        argument=argument,
    )


def stages_needed(kind: str, reach: float, damping: Fraction | None = None) -> int:
    """The fewest stages whose interval reaches dt times the spectral radius.

    Args:
        kind: see `stabilised`.
        reach: dt rho.
        damping: see `stabilised`.

    Raises:
        OptionError: the reach is negative or not finite, or would take more than 10,000 stages.
    """
    if not (np.isfinite(reach) and reach >= 0):
        raise OptionError(f"dt times the spectral radius is a finite number >= 0, got {reach}")
    order = int(kind[-1]) if kind in KINDS else 1
    low, high = order, max(order, int(np.sqrt(2.0 * reach)) + 8)
    if high > MOST_STAGES:
        raise OptionError(f"dt times the spectral radius is {reach:.3g}; that takes more than {MOST_STAGES} stages")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if interval(kind, middle, damping) >= reach else (middle + 1, high)
    return low


def interval(kind: str, stages: int, damping: Fraction | None = None) -> float:
    """beta of a method with s stages, in floating point: the interval [-beta, 0] it is made for."""
    s = stages
    if kind == "rkl1":
        return float(s * s + s)
    if kind == "rkl2":
        return (s * s + s - 2) / 2
    if kind not in KINDS:
        raise OptionError(f"unknown stabilised method {kind!r}; known: {listing(KINDS)}{nearest(kind, KINDS)}")
    w0 = 1 + float(DAMPING[kind] if damping is None else damping) / s**2
    ratio = _slope_ratios(s, w0)[0 if kind == "rkc1" else 1]
    return float((w0 + 1) * ratio)


def _slope_ratios(s: int, w0: float) -> tuple[float, float]:
    """T'/T and T''/T' at w0 >= 1, from T = cosh(s x), w0 = cosh(x); by their limits at w0 = 1."""
    if w0 - 1 < 1e-12:
        return float(s * s), (s * s - 1) / 3
    x = np.arccosh(w0)
    tangent = np.tanh(s * x)
    first = s * tangent / np.sinh(x)
    # T'' = (s^2 T - w T') / (w^2 - 1)
    return float(first), float((s * s / first - w0) / (w0 * w0 - 1))


def _rkc1(s: int, damping: Fraction) -> tuple[Fraction, Fraction, tuple[Fraction, Fraction]]:
    w0 = 1 + damping / s**2
    t, slope, _ = _values(s, w0)
    return Fraction(0), 1 / t, (w0, t / slope)


def _rkc2(s: int, damping: Fraction) -> tuple[Fraction, Fraction, tuple[Fraction, Fraction]]:
    w0 = 1 + damping / s**2
    t, slope, curvature = _values(s, w0)
    size = curvature / slope**2
    return 1 - size * t, size, (w0, slope / curvature)


def _rkl1(s: int, _: Fraction) -> tuple[Fraction, Fraction, tuple[Fraction, Fraction]]:
    return Fraction(0), Fraction(1), (Fraction(1), Fraction(2, s * s + s))


def _rkl2(s: int, _: Fraction) -> tuple[Fraction, Fraction, tuple[Fraction, Fraction]]:
    size = Fraction(s * s + s - 2, 2 * s * (s + 1))
    return 1 - size, size, (Fraction(1), Fraction(4, s * s + s - 2))


KINDS = {"rkc1": _rkc1, "rkc2": _rkc2, "rkl1": _rkl1, "rkl2": _rkl2}


def _values(s: int, w0: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """T_s, T_s' and T_s'' at w0."""
    t = [Fraction(1), w0]
    first, second = [Fraction(0), Fraction(1)], [Fraction(0), Fraction(0)]
    for _ in range(s - 1):
        t.append(2 * w0 * t[-1] - t[-2])
        first.append(2 * t[-2] + 2 * w0 * first[-1] - first[-2])
        second.append(4 * first[-2] + 2 * w0 * second[-1] - second[-2])
    return t[s], first[s], second[s]


def _polynomial(s: int, w: Polynomial, chebyshev: bool) -> Polynomial:
    """F_s(w) for a polynomial w in z."""
    before, value = polynomial([1]), w
    for k in range(1, s):
        twice = multiply(w, value)
        if chebyshev:
            before, value = value, add(scale(twice, Fraction(2)), scale(before, Fraction(-1)))
        else:
            before, value = value, add(scale(twice, Fraction(2 * k + 1, k + 1)), scale(before, Fraction(-k, k + 1)))
    return value


def _recurrence(s: int, w: Complex, chebyshev: bool) -> Complex:
    """F_s(w) in floating point."""
    before, value = np.ones_like(w), w
    for k in range(1, s):
        up, down = (2.0, 1.0) if chebyshev else ((2 * k + 1) / (k + 1), k / (k + 1))
        before, value = value, up * w * value - down * before
    return value
