"""Butcher tableaux as exact data that validate themselves.

An explicit Runge-Kutta method with s stages, for y' = f(t, y) and step h::

    k_i   = f(t + c_i h,  y + h sum_{j<i} a_ij k_j),      i = 1..s
    y_new = y + h sum_i b_i k_i                           order p
    error =     h sum_i (b_i - b_hat_i) k_i               b_hat: the embedded method
    y(t + theta h) ~ y + h sum_i b_i(theta) k_i           the interpolant, 0 <= theta <= 1

An interpolant of high order needs more stages than the step. Those extra stages continue the rows of `a`, and are
evaluated only for a step inside which the solution is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NoReturn

from fieldsolver.errors import OptionError

from . import stability
from .polynomial import Polynomial, polynomial

Coefficient = Fraction | int | str
"""Exact: `Fraction(1, 3)`, `1`, `"1/3"` or a published decimal such as `"0.161"`. Never a float."""

Row = Sequence[Coefficient]

DECIMAL_SLACK = Fraction(1, 10**13)
"""How far published decimals may miss an identity; a wrong digit misses it by far more."""


@dataclass(frozen=True, init=False)
class ButcherTableau:
    """One explicit Runge-Kutta method.

    Attributes:
        name: the literature's name in lower case.
        order: order p of the method.
        source: paper, with the equation or table.
        c: s abscissae.
        a: s rows; row i holds the i coefficients below the diagonal.
        b: s weights.
        b_hat: s weights of the embedded method, or None: then only fixed steps are possible.
        embedded_order: order of the embedded method.
        b_coarse: s weights of a second embedded method of lower order, or None. Where it is given, the norms of both
            estimates are combined; see `fieldsolver.stepping.error_norm.combined`.
        coarse_order: order of the second embedded method.
        extra_c: abscissae of the extra stages that only the interpolant uses; mostly none.
        extra_a: their rows; the first has s coefficients, the next s + 1, and so on.
        interpolant: for each stage, the extra ones too, the coefficients of theta, theta^2, ... in b_i(theta); or None.
        interpolant_order: order p* of the interpolant (its error over one step is O(h^(p*+1))).

    Raises:
        OptionError: the tableau contradicts itself; the message names the fault.
    """

    name: str
    order: int
    source: str
    c: tuple[Fraction, ...]
    a: tuple[tuple[Fraction, ...], ...]
    b: tuple[Fraction, ...]
    b_hat: tuple[Fraction, ...] | None
    embedded_order: int | None
    b_coarse: tuple[Fraction, ...] | None
    coarse_order: int | None
    extra_c: tuple[Fraction, ...]
    extra_a: tuple[tuple[Fraction, ...], ...]
    interpolant: tuple[tuple[Fraction, ...], ...] | None
    interpolant_order: int | None

    def __init__(
        self,
        *,
        name: str,
        order: int,
        source: str,
        c: Row,
        a: Sequence[Row],
        b: Row,
        b_hat: Row | None = None,
        embedded_order: int | None = None,
        b_coarse: Row | None = None,
        coarse_order: int | None = None,
        extra_c: Row = (),
        extra_a: Sequence[Row] = (),
        interpolant: Sequence[Row] | None = None,
        interpolant_order: int | None = None,
    ) -> None:
        values = {
            "name": name,
            "order": order,
            "source": source,
            "c": _exact("c", c),
            "a": tuple(_exact("a", row) for row in a),
            "b": _exact("b", b),
            "b_hat": None if b_hat is None else _exact("b_hat", b_hat),
            "embedded_order": embedded_order,
            "b_coarse": None if b_coarse is None else _exact("b_coarse", b_coarse),
            "coarse_order": coarse_order,
            "extra_c": _exact("extra_c", extra_c),
            "extra_a": tuple(_exact("extra_a", row) for row in extra_a),
            "interpolant": None if interpolant is None else tuple(_exact("interpolant", row) for row in interpolant),
            "interpolant_order": interpolant_order,
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)  # the way to initialise a frozen dataclass
        self._check_shapes()
        self._check_sums()

    # ------------------------------------------------------------------ derived

    @property
    def stages(self) -> int:
        """s, the number of stages of a step."""
        return len(self.b)

    @property
    def fsal(self) -> bool:
        """First same as last: the last stage of a step is the first stage of the next one."""
        return self.stages > 1 and self.c[-1] == 1 and self.a[-1] == self.b[:-1] and self.b[-1] == 0

    @property
    def all_a(self) -> tuple[tuple[Fraction, ...], ...]:
        """The rows of all stages, extra ones included."""
        return self.a + self.extra_a

    @cached_property
    def b_error(self) -> tuple[Fraction, ...] | None:
        """b - b_hat, the weights of the error estimate."""
        return None if self.b_hat is None else self._difference(self.b_hat)

    @cached_property
    def b_coarse_error(self) -> tuple[Fraction, ...] | None:
        """b - b_coarse, the weights of the second, coarser error estimate."""
        return None if self.b_coarse is None else self._difference(self.b_coarse)

    def _difference(self, embedded: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        return tuple(b - b_hat for b, b_hat in zip(self.b, embedded, strict=True))

    def stability_polynomial(self) -> Polynomial:
        """Exact coefficients of R(z) = 1 + sum_k c_k z^k, y_new = R(h lambda) y for y' = lambda y."""
        return stability.stability_polynomial(self.a, self.b, self.order)

    @cached_property
    def real_interval(self) -> float:
        """Largest x such that |R(z)| <= 1 for all z in [-x, 0]."""
        return stability.real_interval(self.stability_polynomial())

    @cached_property
    def imaginary_interval(self) -> float:
        """Largest y such that |R(iz)| <= 1 for all z in [-y, y]."""
        return stability.imaginary_interval(self.stability_polynomial())

    # ---------------------------------------------------------------- validation

    def _check_shapes(self) -> None:
        s = self.stages
        for field in ("c", "a", "b_hat", "b_coarse"):
            values = getattr(self, field)
            if values is not None and len(values) != s:
                self._refuse(f"{field} has {len(values)} entries, b has {s}")
        if len(self.extra_c) != len(self.extra_a):
            self._refuse(f"extra_a has {len(self.extra_a)} rows, extra_c has {len(self.extra_c)} entries")
        if self.interpolant is not None and len(self.interpolant) != len(self.all_a):
            stages = f"b has {s}" + (f" and there are {len(self.extra_a)} extra stages" if self.extra_a else "")
            self._refuse(f"interpolant has {len(self.interpolant)} entries, {stages}")
        for i, row in enumerate(self.all_a):
            if len(row) != i:
                self._refuse(f"row {i + 1} of a has {len(row)} coefficients; strictly lower triangular means {i}")
        pairs = (
            ("b_hat", "embedded_order"),
            ("b_coarse", "coarse_order"),
            ("interpolant", "interpolant_order"),
        )
        for values, order in pairs:
            if (getattr(self, values) is None) != (getattr(self, order) is None):
                self._refuse(f"{values} and {order} belong together: give both or neither")
        if self.b_coarse is not None and self.b_hat is None:
            self._refuse("b_coarse is a second error estimate: give b_hat, the first one, too")

    def _check_sums(self) -> None:
        for i, (row, c) in enumerate(zip(self.all_a, self.c + self.extra_c, strict=True)):
            self._expect(f"row {i + 1} of a", sum(row, Fraction(0)), c, f"c_{i + 1}")
        self._expect("b", sum(self.b, Fraction(0)), Fraction(1), "consistency")
        if self.b_hat is not None:
            self._expect("b_hat", sum(self.b_hat, Fraction(0)), Fraction(1), "consistency")
            if self.b_hat == self.b:
                self._refuse("b_hat equals b, so its error estimate is always zero")
        if self.b_coarse is not None:
            self._expect("b_coarse", sum(self.b_coarse, Fraction(0)), Fraction(1), "consistency")
        weights = self.b + (Fraction(0),) * len(self.extra_a)
        for i, row in enumerate(self.interpolant or ()):
            self._expect(f"interpolant b_{i + 1}(1)", sum(row, Fraction(0)), weights[i], f"b_{i + 1}")

    def _expect(self, what: str, value: Fraction, wanted: Fraction, meaning: str) -> None:
        if abs(value - wanted) > DECIMAL_SLACK:
            self._refuse(f"{what} sums to {float(value)!r}, expected {float(wanted)!r} ({meaning})")

    def _refuse(self, fault: str) -> NoReturn:
        raise OptionError(f"tableau {self.name!r}: {fault}. Compare it with its source: {self.source}")


def _exact(field: str, row: Row) -> tuple[Fraction, ...]:
    if any(isinstance(value, float) for value in row):
        raise OptionError(f"{field} of a tableau holds a float, which hides its exact value; write '1/3' or '0.161'")
    return tuple(Fraction(value) for value in row)


def interpolant_polynomials(tableau: ButcherTableau) -> tuple[Polynomial, ...]:
    """b_i(theta) as polynomials, lowest power (the constant 0) first."""
    return tuple(polynomial((0, *row)) for row in tableau.interpolant or ())
