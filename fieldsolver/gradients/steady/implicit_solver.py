"""The linear solver of implicit gradients: its options, and what it says of systems that it could not solve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from .anderson import anderson
from .gmres import Apply, LinearSolution, gmres

SOLVERS: Mapping[str, Callable[..., LinearSolution]] = MappingProxyType({"gmres": gmres, "anderson": anderson})

FEWEST, MOST, ENTRIES = 20, 200, 2**20
"""Vectors that GMRES keeps: at most MOST, fewer where they have more than ENTRIES entries in all, but FEWEST."""


@dataclass(frozen=True)
class LinearSolver:
    """Solves one system per sample.

    Args:
        name: one of `SOLVERS`.
        rtol: of the relative residual; None: eps^(2/3).
        max_iterations: applications of the matrix, per sample.
        vectors: states that are kept; None chooses by the size of one of them, never by the number of samples.
    """

    name: str
    rtol: float | None
    max_iterations: int
    vectors: int | None

    def solve(self, apply: Apply, b: Tensor, rtol: float | None = None) -> LinearSolution:
        """x with A x = b, from (B, N) real; `rtol` in place of the solver's own."""
        return SOLVERS[self.name](
            apply, b, self.tolerance(b.dtype) if rtol is None else rtol, self.max_iterations, self.kept(b)
        )

    def tolerance(self, dtype: torch.dtype) -> float:
        """Of the relative residual."""
        eps: float = torch.finfo(dtype).eps
        return eps ** (2 / 3) if self.rtol is None else self.rtol

    def kept(self, b: Tensor) -> int:
        """How many vectors."""
        if self.vectors is not None:
            return self.vectors
        return FEWEST if self.name == "anderson" else max(FEWEST, min(MOST, ENTRIES // max(1, b.shape[1])))

    def unsolved(self, found: LinearSolution, b: Tensor) -> Tensor:
        """(B,) booleans: the samples whose system has no solution that could be trusted.

        Round-off alone leaves a residual of about eps |A| |x|; where even that outgrows b, A is singular in this
        precision.
        """
        eps = torch.finfo(b.dtype).eps
        length = torch.linalg.vector_norm(b, dim=1, dtype=torch.float64)
        reach = found.size * torch.linalg.vector_norm(found.x, dim=1, dtype=torch.float64)
        growth = torch.where(length > 0, reach / length, 0.0)
        close = found.residual <= (64 * eps * growth).clamp(min=self.tolerance(b.dtype))
        return ~close | (64 * eps * growth > 1.0)


def flat(y: Tensor) -> Tensor:
    """(B, N) real, of states (B, *state); the parts of complex numbers side by side."""
    y = torch.view_as_real(y) if y.is_complex() else y
    return y.reshape(y.shape[0], -1)


def like_state(v: Tensor, y: Tensor) -> Tensor:
    """(B, *state) like y, of (B, N)."""
    return torch.view_as_complex(v.reshape(*y.shape, 2).contiguous()) if y.is_complex() else v.reshape(y.shape)
