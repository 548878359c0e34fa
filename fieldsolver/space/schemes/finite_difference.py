"""Finite differences, with one of two closures at the walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fieldsolver.errors import GridError, listing

from ..operators import diffusion_half_width, stencil_half_width
from ..stencils import check_space_order, staggered_stencil, symbol
from .scheme import Scheme

CLOSURES: tuple[str, ...] = ("reflection", "summation_by_parts")
ISOTROPIC_POINTS: dict[str, dict[int, int]] = {"isotropic": {2: 9, 3: 27}, "isotropic19": {3: 19}}
ADVECTIONS: tuple[str, ...] = ("central", "upwind1", "upwind3", "weno5")
LAPLACIANS: tuple[str, ...] = ("axes", *ISOTROPIC_POINTS)


@dataclass(frozen=True)
class FiniteDifference(Scheme):
    """Central finite differences.

    Args:
        order: 2, 4, 6 or 8 inside the domain; up to 6 with ``closure="summation_by_parts"``.
        closure: at walls, ``"reflection"`` (exact discrete spectra, symmetric, mass-conserving; order 2 at a wall
            unless the solution has the symmetry of the reflection) or ``"summation_by_parts"`` (one-sided stencils and
            penalties: stable, symmetric in its own norm, of high order up to the wall; node-centred grids).
        advection: how ``advection(v, u)`` is taken: ``"central"``, ``"upwind1"``, ``"upwind3"`` or ``"weno5"``.
        laplacian: ``"axes"`` (one stencil per axis), or ``"isotropic"`` (9 points in the plane, 27 in space) or
            ``"isotropic19"``: second order, with an error that has no preferred direction.

    Raises:
        GridError: an unknown word, or an order that the closure does not have.
    """

    order: int = 2
    closure: str = "reflection"
    advection: str = "central"
    laplacian: str = "axes"

    def __post_init__(self) -> None:
        check_space_order(self.order)
        words = (("closure", CLOSURES), ("laplacian", LAPLACIANS), ("advection", ADVECTIONS))
        for name, known in words:
            if getattr(self, name) not in known:
                raise GridError(f"{name} is one of {listing(dict.fromkeys(known))}, got {getattr(self, name)!r}")
        if self.closure == "summation_by_parts" and self.order > 6:
            raise GridError(f"summation by parts is of order 2, 4 or 6, got order={self.order}")
        if self.closure == "summation_by_parts" and self.advection != "central":
            raise GridError(
                f"summation by parts takes advection by central differences and penalties, got {self.advection!r}; "
                "leave advection out, or use closure='reflection'"
            )
        if self.laplacian != "axes" and (self.order != 2 or self.closure != "reflection"):
            raise GridError("the isotropic Laplacian is of order 2 with closure='reflection'; leave the others out")

    def __str__(self) -> str:
        closure = ", summation by parts at walls" if self.closure == "summation_by_parts" else ""
        stencil = f", {self.laplacian} Laplacian" if self.laplacian != "axes" else ""
        advection = f", advection by {self.advection}" if self.advection != "central" else ""
        return f"finite differences of order {self.order}{closure}{stencil}{advection}"

    def half_width(self, derivative: int) -> int | None:
        return None if self.closure == "summation_by_parts" else stencil_half_width(derivative, self.order)

    @property
    def diffusion_half_width(self) -> int | None:
        """Reach of the conservative ``diffusion``."""
        return None if self.closure == "summation_by_parts" else diffusion_half_width(self.order)

    def symbol(self, derivative: int, theta: np.ndarray, spacing: float) -> np.ndarray:
        return symbol(derivative, self.order, theta) / spacing**derivative

    def diffusion_symbol(self, theta: np.ndarray, spacing: float) -> np.ndarray:
        slope, _ = staggered_stencil(self.order)
        offsets = [j - len(slope) / 2 + 0.5 for j in range(len(slope))]
        face = np.zeros(theta.shape, dtype=complex)
        for coefficient, offset in zip(slope, offsets, strict=True):
            face += float(coefficient) * np.exp(1j * offset * theta)
        return ((face * face).real + 0j) / spacing**2
