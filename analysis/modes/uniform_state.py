"""What is said about one uniform steady state: its dispersion relation, its modes, its onset."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .admissible import Modes, admissible
from .bands import Relation, relation
from .directions import fastest_direction
from .growth import noise
from .linearise import Linearised
from .numbers import Floats
from .onset import FoldSolver, Onset, onset
from .symbol import Symbol, symbol_of

HALF_RESOLVED = 0.5
"""Share of the Nyquist wave number up to which a grid follows a wave: four points per wavelength."""


@dataclass(frozen=True)
class StateAnalysis:
    """One uniform steady state.

    Attributes:
        state: ``(C,)``.
        residual: largest rate.
        symbol: of the linearised equation.
        direction: along which waves grow fastest.
        curve: the dispersion relation there.
        modes: of the domain, or why they are not known.
        onset: of instability along the parameter that was asked for.
    """

    state: Tensor
    residual: float
    symbol: Symbol
    direction: Floats
    curve: Relation
    modes: Modes | str
    onset: Onset | None

    @property
    def unstable_modes(self) -> int | None:
        """How many modes of the discrete equation grow; None where they are not known."""
        if isinstance(self.modes, str):
            return None
        size = max(np.abs(matrix).max() for matrix in self.symbol.terms.values())
        return int(self.modes.multiplicity[self.modes.rate.real > 1e-12 * size].sum())

    @property
    def is_marginal(self) -> bool:
        """Whether a maximum of growth cannot be told from zero."""
        zero = 10 * noise(self.curve.ray, np.array([max(peak.k, 0.0) for peak in self.curve.maxima]))
        return any(p.k > 0 and abs(p.growth.real) <= z for p, z in zip(self.curve.maxima, zero, strict=True))

    @property
    def is_open(self) -> bool:
        """Whether a band runs beyond what is known of a kernel."""
        return any(math.isnan(band.high) for band in self.curve.bands)

    def remarks(self) -> list[str]:
        """What the grid and the domain do to the bands."""
        if isinstance(self.modes, str):
            return [f"modes of the grid unknown: {self.modes}"]
        fastest = self.curve.fastest
        if fastest is None:
            found = self.unstable_modes
            return [f"but {found} modes of the scheme grow: the grid makes them"] if found else []
        said = []
        edge = max((band.high for band in self.curve.bands if math.isfinite(band.high)), default=0.0)
        if edge > HALF_RESOLVED * self.modes.nyquist:
            said.append(
                f"the grid does not resolve the band: its edge k = {edge:.4g} lies above "
                f"{HALF_RESOLVED * self.modes.nyquist:.4g}, half the Nyquist wave number {self.modes.nyquist:.4g}"
            )
        if not self.unstable_modes:
            said.append("no mode of this domain lies in the band, so the state is stable here: the domain is too small")
        return said


def analyse_state(
    linearised: Linearised,
    state: Tensor,
    residual: float,
    *,
    k_max: float | None,
    fallback: float,
    critical: str | None,
    parameters: Mapping[str, float],
    t: float,
    fold: FoldSolver,
) -> StateAnalysis:
    """Everything about one uniform steady state.

    Args:
        linearised: the equation.
        state: a uniform steady state ``(C,)``.
        residual: its largest rate.
        k_max: the largest wave number, or None.
        fallback: a wave number, where the equation has no scale.
        critical: a parameter whose critical value is sought, or None.
        parameters: values other than the declared ones.
        t: the time of the coefficients.
        fold: solves the fold in which a steady state ends.
    """
    _, response = linearised.at(state.reshape(1, -1), strict=True)
    symbol = symbol_of(linearised, response)
    direction = fastest_direction(symbol, k_max, fallback)
    curve = relation(symbol.along(direction), top=k_max, fallback=fallback)
    found = None
    if critical is not None:
        found = onset(
            linearised.equation,
            critical,
            state,
            parameters=parameters,
            t=t,
            fallback=fallback,
            direction=direction,
            fold=fold,
        )
    return StateAnalysis(state, residual, symbol, direction, curve, admissible(linearised, symbol, state), found)
