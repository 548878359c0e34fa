"""Mean-square stability of methods for the stochastic test equation dX = lambda X dt + mu X dW (Ito).

The parts are the drift, z_1 = dt lambda, and the noise, z_2 = dt |mu|^2. With one normal number per step::

    E|X_(n+1)|^2 / E|X_n|^2 = ( |1 + (1-theta) z_1|^2 + z_2 + m z_2^2 / 2 ) / |1 - theta z_1|^2

m = 0 for Euler-Maruyama and theta methods, m = 1 for Milstein. It is at most 1 where::

    2 Re lambda + |mu|^2 + dt ( (1 - 2 theta) |lambda|^2 + m |mu|^4 / 2 ) <= 0

whose first two terms are the condition for the equation itself.

Source: Higham, *Mean-square and asymptotic stability of the stochastic theta method*, SIAM J. Numer. Anal. 38 (2000)
753-769, theorem 3.1; Buckwar, Sickenberger, Math. Comput. Simul. 81 (2011) 1110-1127 (Milstein).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fieldsolver.errors import OptionError

from .scan import checked_modes
from .scheme import Complex, Floats, StepBound


@dataclass(frozen=True, eq=False)
class StochasticScheme:
    """See `Scheme` for the attributes; `order` is the strong one.

    Attributes:
        theta: share of the drift taken at the end of the step.
        milstein: with the second-order noise term.
    """

    name: str
    order: float
    source: str
    theta: float = 0.0
    milstein: bool = False
    family: str = "stochastic"
    parts: tuple[str, ...] = ("drift", "noise")

    @property
    def evaluations(self) -> int:
        """Of drift and noise together, a derivative of the noise counted as one."""
        return 3 if self.milstein else 2

    @property
    def solves(self) -> int:
        """Linear systems per step."""
        return int(self.theta > 0)

    def factor(self, *z: Complex) -> Complex:
        """The expected factor, that of the drift alone."""
        drift = np.asarray(z[0], dtype=complex)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((1 + (1 - self.theta) * drift) / (1 - self.theta * drift), dtype=complex)

    def growth(self, *z: Complex) -> Floats:
        """Of the mean square per step; the noise enters by the modulus of z_2."""
        drift, noise = np.asarray(z[0], dtype=complex), np.abs(z[1])
        numerator = np.abs(1 + (1 - self.theta) * drift) ** 2 + noise + self.milstein * noise**2 / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(numerator / np.abs(1 - self.theta * drift) ** 2)

    def largest_step(self, *eigenvalues: Complex) -> StepBound:
        """From the formula above; see `Scheme`.

        Args:
            *eigenvalues: lambda (N,) and |mu|^2 (N,), real and not negative.

        Raises:
            OptionError: a noise that is negative or complex.
        """
        drift, noise = checked_modes(self.parts, eigenvalues)
        if noise.imag.any() or (noise.real < 0).any():
            raise OptionError("the noise part is |mu|^2, real and not negative; got other numbers")
        rate = 2 * drift.real + noise.real
        curvature = (1 - 2 * self.theta) * np.abs(drift) ** 2 + self.milstein * noise.real**2 / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            limits = np.where(curvature > 0, np.maximum(-rate, 0.0) / curvature, np.inf)
        limits = np.where((rate > 0) & (curvature <= 0), 0.0, limits)
        binding = int(np.argmin(limits)) if limits.size else -1
        if binding < 0 or not np.isfinite(limits[binding]):
            return StepBound(np.inf, -1, "exact")
        return StepBound(float(limits[binding]), binding, "exact")

    def facts(self) -> Mapping[str, float | bool]:
        """The intervals without noise."""
        silent = np.zeros(1, dtype=complex)
        real, imaginary = (self.largest_step(np.array([mode]), silent).dt for mode in (-1.0 + 0j, 1j))
        return {"real_interval": real, "imaginary_interval": imaginary, "a_stable": self.theta >= 0.5}


def stochastic_catalogue() -> Mapping[str, StochasticScheme]:
    """Euler-Maruyama, Milstein, and theta methods."""
    higham = "Higham, SIAM J. Numer. Anal. 38 (2000), theorem 3.1"
    schemes = [
        StochasticScheme("euler_maruyama", 0.5, "Maruyama 1955; " + higham),
        StochasticScheme("milstein", 1.0, "Milstein 1974; Buckwar, Sickenberger 2011", milstein=True),
        StochasticScheme("theta_maruyama", 0.5, higham, theta=0.5),
        StochasticScheme("implicit_euler_maruyama", 0.5, higham, theta=1.0),
    ]
    return {scheme.name: scheme for scheme in schemes}
