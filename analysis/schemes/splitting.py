"""Splitting methods: sub-steps of one part at a time, each by its exact flow or by a Runge-Kutta method.

On y' = lambda_1 y + lambda_2 y one step multiplies by prod_i flow_k(i)(w_i z_k(i)). The parts commute here, so with
exact flows the factor is exp(z_1 + z_2) whatever the order; what limits the step is the method of a sub-flow. A method
of order above 2 has sub-steps backwards in time, which a strongly damped part cannot take: `negative_substeps` says so.

Source: Strang, SIAM J. Numer. Anal. 5 (1968) 506-517; Yoshida, Phys. Lett. A 150 (1990) 262-268.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .rational import RationalScheme
from .scan import empirical_step
from .scheme import Complex, Floats, StepBound

YOSHIDA = 1 / (2 - 2 ** (1 / 3))
"""Weight of the outer ones of three steps of order 2 that make one of order 4; the inner one has 1 - 2 YOSHIDA."""

SubStep = tuple[int, float]
"""Which part, and over which share of the step."""

LIE: tuple[SubStep, ...] = ((0, 1.0), (1, 1.0))
STRANG: tuple[SubStep, ...] = ((0, 0.5), (1, 1.0), (0, 0.5))
TRIPLE: tuple[SubStep, ...] = tuple(
    (part, weight * share) for weight in (YOSHIDA, 1 - 2 * YOSHIDA, YOSHIDA) for part, share in STRANG
)


@dataclass(frozen=True, eq=False)
class SplittingScheme:
    """See `Scheme` for the attributes.

    Attributes:
        substeps: in the order in which they are taken.
        flows: for each part the method of its sub-steps, or None for its exact flow.
    """

    name: str
    order: float
    source: str
    substeps: tuple[SubStep, ...]
    flows: tuple[RationalScheme | None, RationalScheme | None] = (None, None)
    family: str = "splitting"
    parts: tuple[str, ...] = ("first", "second")

    @property
    def evaluations(self) -> int:
        """Of the parts, counted where their flow is not exact."""
        return sum(flow.evaluations for flow in self._flows_taken if flow is not None)

    @property
    def solves(self) -> int:
        """Linear systems per step."""
        return sum(flow.solves for flow in self._flows_taken if flow is not None)

    @property
    def _flows_taken(self) -> list[RationalScheme | None]:
        return [self.flows[part] for part, _ in self.substeps]

    def factor(self, *z: Complex) -> Complex:
        """See `Scheme`."""
        arrays = [np.asarray(value, dtype=complex) for value in z]
        result = np.ones(np.broadcast_shapes(*(a.shape for a in arrays)), dtype=complex)
        with np.errstate(over="ignore", invalid="ignore"):
            for part, weight in self.substeps:
                flow = self.flows[part]
                if flow is not None:
                    result = result * flow.factor(np.asarray(weight * arrays[part], dtype=complex))
            # the exact flows together, as one of them alone may overflow
            exact = [value for value, flow in zip(arrays, self.flows, strict=True) if flow is None]
            return result * np.exp(sum(exact, np.zeros_like(result)))

    def growth(self, *z: Complex) -> Floats:
        """The modulus of the factor."""
        return np.abs(self.factor(*z))

    def largest_step(self, *eigenvalues: Complex) -> StepBound:
        """Exact where both flows are, as then no step grows; by looking elsewhere. See `Scheme`."""
        if self.flows == (None, None) and (np.sum(eigenvalues, axis=0).real <= 0).all():
            return StepBound(np.inf, -1, "exact")
        return empirical_step(self.parts, self.growth, *eigenvalues)

    def facts(self) -> Mapping[str, float | bool]:
        """The intervals of the second part alone."""
        zero = np.zeros(1, dtype=complex)
        real, imaginary = (self.largest_step(zero, np.array([mode])).dt for mode in (-1.0 + 0j, 1j))
        return {
            "real_interval": real,
            "imaginary_interval": imaginary,
            "negative_substeps": any(weight < 0 for _, weight in self.substeps),
        }


def splitting_catalogue(second: Sequence[RationalScheme]) -> Mapping[str, SplittingScheme]:
    """Lie, Strang and Yoshida's splitting, with exact flows and with each of these methods for the second part."""
    kinds = [
        ("lie", 1, "Lie, Trotter: Trotter, Proc. Amer. Math. Soc. 10 (1959)", LIE),
        ("strang", 2, "Strang, SIAM J. Numer. Anal. 5 (1968)", STRANG),
        ("yoshida4", 4, "Yoshida, Phys. Lett. A 150 (1990), eq. (4.4)", TRIPLE),
    ]
    schemes = [SplittingScheme(name, order, source, steps) for name, order, source, steps in kinds]
    for flow in second:
        for name, order, source, steps in kinds:
            together = min(order, flow.order)
            schemes.append(SplittingScheme(f"{name}_{flow.name}", together, source, steps, (None, flow)))
    return {scheme.name: scheme for scheme in schemes}
