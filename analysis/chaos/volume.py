"""The rate at which the flow or map changes volumes, by reverse-mode derivatives: a second way to the sum of exponents.

A flow multiplies volumes at the rate tr J (Liouville), a map by |det DF|. The exponents come from forward-mode
derivatives and QR, so that the two agree only if both are right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .dynamics import Dynamics

EXACT_SIZE = 128
"""Up to so many coordinates the whole diagonal is evaluated; beyond, random probes estimate the trace."""
PROBES = 8


@dataclass
class Volume:
    """tr J, or log |det DF|.

    Attributes:
        exact: False for estimates by Hutchinson's probes (Commun. Stat. 18, 1059 (1989)).
        rate: (t (B,), y (B, n)) -> (B,).
    """

    exact: bool
    rate: Callable[[Tensor, Tensor], Tensor]


def volume(dynamics: Dynamics, seed: int) -> Volume | None:
    """None where f has no reverse derivative, or the determinant of a map would be too large."""
    moving, exact = dynamics.moving, dynamics.size <= EXACT_SIZE
    if dynamics.discrete and not exact:
        return None
    generator = torch.Generator().manual_seed(seed)
    axes = torch.eye(moving.numel(), dtype=torch.float64)[moving]

    def rate(t: Tensor, y: Tensor) -> Tensor:
        pull = torch.func.vjp(lambda state: dynamics.rate(t, state), y)[1]
        probes = axes if exact else _signs(moving, generator)
        rows = torch.func.vmap(lambda one: pull(one.expand(y.shape))[0])(probes)  # (r, B, n)
        if dynamics.discrete:
            return torch.linalg.slogdet(rows[..., moving].transpose(0, 1))[1]
        quadratic = torch.einsum("rbn,rn->b", rows, probes)
        return quadratic if exact else quadratic / PROBES

    t = torch.zeros(dynamics.starts.shape[0], dtype=torch.float64)
    dynamics.rate(t, dynamics.starts)  # a fault of f itself ends the study here
    try:
        rate(t, dynamics.starts)
    except (RuntimeError, NotImplementedError):  # no reverse derivative; the sum rule says that it was not checked
        return None
    return Volume(exact, rate)


def _signs(moving: Tensor, generator: torch.Generator) -> Tensor:
    draws = torch.randint(0, 2, (PROBES, moving.numel()), generator=generator).double()
    return (2 * draws - 1) * moving
