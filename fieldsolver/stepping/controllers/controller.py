"""A step-size controller as data: the exponents of a digital filter, its safety factor and its limits.

With the scaled error e_n of a step of size h_n (e <= 1 is acceptable), e = C h^k, the next step is::

    h_(n+1) = h_n  safety  e_n^(-beta_1)  e_(n-1)^(-beta_2)  e_(n-2)^(-beta_3)
                   (h_n / h_(n-1))^(-alpha_2)  (h_(n-1) / h_(n-2))^(-alpha_3),       beta_i = (k beta_i) / k

The products k beta_i are those of the literature, so that one controller serves methods of every order.

Source: Soderlind, *Digital filters in adaptive time-stepping*, ACM Transactions on Mathematical Software 29 (2003)
1-26, the general controller of third order; the limiter is that of Soderlind, Wang, *Adaptive time-stepping and
computational stability*, Journal of Computational and Applied Mathematics 185 (2006) 225-243.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from fieldsolver.errors import OptionError

SMALLEST_ERROR = 1e-10
"""An error of exactly 0 must not divide."""


@dataclass(frozen=True, slots=True)
class Controller:
    """Everything that decides on the next step besides its error.

    Attributes:
        name: the literature's name in lower case.
        source: paper or code, with the equation or table.
        error_exponents: k beta_1, k beta_2, k beta_3, of the errors of the last three steps.
        ratio_exponents: alpha_2, alpha_3, of the last two ratios of step sizes.
        safety: multiplies the factor.
        min_factor: a step is shortened at most by this.
        max_factor: a step is lengthened at most by this.
        limiter: "clip" cuts the factor off at these limits; "arctan" replaces it smoothly by
            1 + kappa arctan((factor - 1) / kappa) before.
        kappa: width of the smooth limiter; its range is (1 - kappa arctan(1 / kappa), 1 + kappa pi / 2).
        dead_band: factors from its first to its second number become 1, so that an implicit method keeps its matrix.
        memoryless_exponent: k beta of the factor where there is no history: after rejections and in the first steps.
        memoryless_safety: its safety factor.
        first_error: the error before the first step; NaN where none is assumed and the memoryless factor is used.
        least_error: lower limit of the remembered errors.
        cautious: take the memoryless factor where it is the smaller one.
        starts_unknown: whether something is remembered that does not exist before the first step.

    Raises:
        OptionError: numbers that cannot control a step.
    """

    name: str
    source: str
    error_exponents: tuple[float, float, float]
    ratio_exponents: tuple[float, float] = (0.0, 0.0)
    safety: float = 0.9
    min_factor: float = 0.2
    max_factor: float = 10.0
    limiter: Literal["clip", "arctan"] = "clip"
    kappa: float = 1.0
    dead_band: tuple[float, float] | None = None
    memoryless_exponent: float = 1.0
    memoryless_safety: float = 0.9
    first_error: float = math.nan
    least_error: float = SMALLEST_ERROR
    cautious: bool = False
    starts_unknown: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unknown = self.remembers_sizes > 0 or (self.remembers_errors > 0 and math.isnan(self.first_error))
        object.__setattr__(self, "starts_unknown", unknown)
        self._check()

    def _check(self) -> None:
        if not sum(self.error_exponents) > 0 or not self.memoryless_exponent > 0:
            self._refuse("error_exponents", self.error_exponents, "a positive sum, so that large errors shorten steps")
        if not (0 < self.safety <= 1 and 0 < self.memoryless_safety < 1):
            self._refuse("safety", (self.safety, self.memoryless_safety), "numbers between 0 and 1")
        if not 0 < self.min_factor < 1 < self.max_factor < math.inf:
            self._refuse("limits", (self.min_factor, self.max_factor), "0 < min_factor < 1 < max_factor")
        if self.limiter not in ("clip", "arctan") or not self.kappa > 0:
            self._refuse("limiter", (self.limiter, self.kappa), "'clip' or 'arctan', and kappa > 0")
        if self.dead_band is not None and not 0 < self.dead_band[0] <= 1 <= self.dead_band[1]:
            self._refuse("dead_band", self.dead_band, "two numbers around 1")
        if not self.least_error > 0:
            self._refuse("least_error", self.least_error, "a positive number")

    @property
    def remembers_errors(self) -> int:
        """How many errors before the last one are used: 0, 1 or 2."""
        _, second, third = self.error_exponents
        return 2 if third else 1 if second else 0

    @property
    def remembers_sizes(self) -> int:
        """How many sizes before the last one are used: 0, 1 or 2."""
        second, third = self.ratio_exponents
        return 2 if third else 1 if second else 0

    def _refuse(self, field: str, value: object, expected: str) -> None:
        raise OptionError(f"controller {self.name!r} has {field} = {value}, expected {expected}")
