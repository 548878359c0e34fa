"""A penalty on tokens whose phases are all alike."""

from __future__ import annotations

from torch import Tensor

from .columns import Columns
from .wave import Wave, magnitude


def phase_concentration(z: Wave, columns: Columns) -> Tensor:
    """``|mean_j exp(i alpha_jk)|^2``, the mean over dimensions; (B, 1), or (B, N) if causal.

    1 less the square root of it is the circular variance (Mardia, Jupp: Directional Statistics, section 2.3.1). It lies
    between 0, evenly spread, and 1, all alike, and has a finite gradient everywhere. The paper's waves lie in the upper
    half plane; those of superpositions do not.
    """
    unit = z.times(1 / magnitude(z))
    return (columns.mean(unit.real).square() + columns.mean(unit.imaginary).square()).mean(-1)
