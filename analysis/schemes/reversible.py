"""The reversible methods of the solver: a state and its partner, so two factors for each eigenvalue."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fieldsolver.methods.coupling_stability import CouplingStability
from fieldsolver.methods.mccallum_foster import McCallumFoster
from fieldsolver.methods.polynomial import scale
from fieldsolver.methods.reversible_heun import SOURCE as HEUN_SOURCE

from .characteristic import CharacteristicScheme, terms
from .scan import checked_modes
from .scheme import Complex, Floats, StepBound
from .search import ranked


@dataclass(frozen=True, eq=False)
class CoupledScheme(CharacteristicScheme):
    """A McCallum-Foster method, zeta^2 - T zeta + c = 0.

    In the strict sense it is unstable for small steps on the imaginary axis, by some 1e-12 per step. A growth of 1e-10
    is allowed here, as in the solver, so its limits are ``"bounded"``.
    """

    region: CouplingStability | None = None

    def largest_step(self, *eigenvalues: Complex) -> StepBound:
        """See `Scheme`."""
        (modes,) = checked_modes(self.parts, eigenvalues)
        moving = np.flatnonzero(modes)
        if not moving.size:
            return StepBound(np.inf, -1, "bounded")
        first, limits, _ = ranked(modes[moving], self.exits)
        return StepBound(float(limits[0]), int(moving[first[0]]), "bounded")

    def exits(self, directions: Complex) -> Floats:
        """See `CharacteristicScheme`."""
        radii = np.zeros(directions.shape)
        angle = np.arctan2(-directions.real, np.abs(directions.imag))
        decaying = angle >= 0
        if self.region is not None and decaying.any():
            distinct, back = np.unique(angle[decaying], return_inverse=True)
            radii[decaying] = self.region.exit_radii(distinct)[back]
        return radii

    @property
    def real_interval(self) -> float:
        """See `CharacteristicScheme`."""
        return self.region.real_interval if self.region else 0.0

    @property
    def imaginary_interval(self) -> float:
        """See `CharacteristicScheme`."""
        return self.region.imaginary_interval if self.region else 0.0


def coupled_scheme(method: McCallumFoster) -> CoupledScheme:
    """The linear theory of a McCallum-Foster method."""
    region = method.stability
    return CoupledScheme(
        name=method.name,
        family="explicit",
        order=method.order,
        evaluations=method.stages,
        solves=0,
        source=method.describe().source,
        chi=(terms(region.coupling), terms(*scale(region.trace, Fraction(-1))), terms(1)),
        region=region,
    )


def reversible_heun() -> CharacteristicScheme:
    """zeta^2 - 2 z zeta - 1 = 0, as leapfrog."""
    return CharacteristicScheme(
        name="reversible_heun",
        family="explicit",
        order=2,
        evaluations=1,
        solves=0,
        source=HEUN_SOURCE,
        chi=(terms(-1), terms(0, -2), terms(1)),
    )
