"""Tokens as complex numbers: the token itself, and beside it what all the others are.

With the token vectors w_jk of a text (token j, dimension k), the global semantics ``G_k = sqrt(sum_j w_jk^2)`` and the
angle ``alpha_jk = atan2(sqrt(1 - (w_jk/G_k)^2), w_jk/G_k)``, Zhang and Sheng ("Wave Network: an ultra-small language
model", arXiv 2411.02674, section 3) set ``Z_jk = G_k exp(i alpha_jk)``. The angle lies in [0, pi], so

    Z_jk = w_jk + i s_jk,    s_jk = sqrt(sum_(m != j) w_mk^2),

which needs no angle. The polar form has infinite derivatives where w = +-G: at texts of one token, at columns that one
token dominates and at columns of zeros. In this one ``|ds_jk/dw_mk| = |w_mk|/s_jk <= 1``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .columns import Columns
from .wave import Wave

AMPLITUDES = ("norm", "rms")


def represent(w: Tensor, columns: Columns, *, amplitude: str = "norm", eps: float = 1e-6) -> Wave:
    """The complex representation of token vectors.

    Args:
        w: (B, N, D), real; low precision becomes float32.
        columns: which tokens there are, and whether later ones count.
        amplitude: ``"norm"``, as in the paper: s is the norm of the other tokens and ``|Z_jk| = G_k``; ``"rms"``: s is
            their root mean square, of the size of a token however long the text, and ``|Z|`` differs between tokens.
        eps: s is at least this times the root mean square of the text's numbers.

    Returns:
        Z, (B, N, D). Padded tokens hold finite numbers without a meaning.
    """
    w = w.to(torch.promote_types(w.dtype, torch.float32))
    w = torch.where(columns.mask.unsqueeze(-1), w, 0)
    total, context = columns.with_and_without(w.square())
    if amplitude == "rms":
        context = context / columns.others(torch.ones_like(w[..., :1])).clamp(min=1)
    mean = total / columns.number(w).clamp(min=1)
    floor = eps**2 * mean.mean(-1, keepdim=True) + torch.finfo(w.dtype).tiny
    return Wave(w, (context + floor).sqrt())


def global_semantics(w: Tensor, columns: Columns) -> Tensor:
    """G: the norm of every column; (B, 1, D), or (B, N, D) if causal."""
    return columns.total(w.square()).sqrt()
