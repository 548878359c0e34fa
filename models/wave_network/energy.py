"""Energies of waves, column by column, and superpositions that conserve them.

With the paper's representation and n tokens (over one column, each an identity):

    sum_j |Z_j|^2 = n G^2                     sum_j Re(Z_j)^2 = G^2
    sum_j |Z1_j Z2_j|^2 = n G1^2 G2^2
    sum_j |Z1_j + Z2_j|^2 = n (G1^2 + G2^2) + 2 sum_j (w1_j w2_j + s1_j s2_j)

Modulation does not have the energy ``E1 + E2``, and interference has it on the average over random phases only: it
moves energy between tokens. To rescale each ``|Z1 Z2|`` to ``|Z1| |Z2|`` changes nothing, since they are equal. What
can be conserved without losing what the tokens differ in is the energy of a column, by one factor for all its tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .columns import Columns
from .superposition import interference, modulation
from .wave import Wave, intensity, magnitude


def energy(z: Wave, columns: Columns) -> Tensor:
    """``sum_j |Z_jk|^2``; (B, 1, D), or (B, N, D) if causal."""
    return columns.total(intensity(z))


def conserving_interference(one: Wave, other: Wave, columns: Columns) -> Wave:
    """``Z1 + Z2`` times one number per column, such that the energy is that of both."""
    z = interference(one, other)
    found = energy(z, columns).clamp(min=torch.finfo(z.real.dtype).tiny)
    return z.times(((energy(one, columns) + energy(other, columns)) / found).sqrt())


def conserving_modulation(one: Wave, other: Wave) -> Wave:
    """``Z1 Z2/|Z2|``: the second wave turns the first; ``|Z1|`` stays as it is, token by token."""
    return modulation(one, other.times(1 / magnitude(other)))
