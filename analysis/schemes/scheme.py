"""What the analysers ask of a time integrator: what one step does to ``y' = sum_k lambda_k y``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]
Floats = NDArray[np.float64]


@runtime_checkable
class Scheme(Protocol):
    """The linear theory of a method: explicit, implicit, multistep, IMEX, exponential, splitting, stochastic.

    Attributes:
        name: the literature's name.
        family: ``"explicit"``, ``"implicit"``, ``"multistep"``, ``"stabilised"``, ``"imex"``, ``"exponential"``,
            ``"splitting"``, ``"symplectic"`` or ``"stochastic"``.
        order: of the method; strong order for stochastic ones.
        parts: the arguments of `factor` in their order, ``("f",)``, ``("explicit", "implicit")``,
            ``("nonlinear", "linear")``, ``("first", "second")``, ``("drift", "noise")``; the noise is |mu|^2.
        evaluations: of the right-hand side per step.
        solves: linear systems per step, 0 for explicit methods.
        source: where coefficients or formulas come from.
    """

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def order(self) -> float: ...
    @property
    def parts(self) -> tuple[str, ...]: ...
    @property
    def evaluations(self) -> int: ...
    @property
    def solves(self) -> int: ...
    @property
    def source(self) -> str: ...

    def factor(self, *z: Complex) -> Complex:
        """What a step multiplies the principal solution by: exp(sum z) + O(z^(p+1)).

        Args:
            *z: for each part dt times its eigenvalue, all of one shape; the part that is missing is 0.

        Returns:
            Complex factors of that shape. Multistep methods: the root that continues 1.
        """
        ...

    def growth(self, *z: Complex) -> Floats:
        """The largest modulus among all factors (parasitic roots too); for stochastic ones that of E|y|^2."""
        ...

    def largest_step(self, *eigenvalues: Complex) -> StepBound:
        """The largest dt for which no mode grows: for every dt' in (0, dt], ``growth(dt' lambda) <= 1``.

        Args:
            *eigenvalues: for each part (N,), entries of the same position belong to one mode. Modes that grow in the
                exact solution are for the caller to leave out.
        """
        ...

    def facts(self) -> Mapping[str, float | bool]:
        """Constants: real_interval, imaginary_interval, and what the family has: alpha (degrees), a_stable, l_stable,
        limit_at_infinity, growth_boundary, ssp, stage_order, beta and stages (stabilised), negative_substeps."""
        ...


@dataclass(frozen=True)
class StepBound:
    """The largest stable step.

    Attributes:
        dt: infinite when every step is stable, 0 when none is.
        binding: position of the mode that sets it; -1 when none does.
        certificate: ``"exact"``: the boundary comes from exact arithmetic, which takes floating-point eigenvalues at
            their word. ``"bounded"``: so it does for the binding mode, but other modes were only looked at, or
            coefficients are rounded. ``"empirical"``: found by looking.
    """

    dt: float
    binding: int
    certificate: str
