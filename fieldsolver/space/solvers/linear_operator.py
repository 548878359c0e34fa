"""What is known about a linear operator: the more, the faster the solver that can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .grid_transform import GridTransform
from .protocol import Preconditioner, Transform
from .sparse_matrix import SparseMatrix


@dataclass(frozen=True, eq=False)
class LinearOperator:
    """L on samples of one shape; give what is known.

    Attributes:
        shape: axes of one sample: ``(*grid)``, or ``(C, *grid)`` if components are coupled.
        transforms: one for each axis of the grid, or one for all, in which L is diagonal.
        eigenvalues: λ in them: ``(*modes)``, or one 1-D tensor for each axis, whose sum λ is.
        symbols: ``(*modes, C, C)`` in the place of `eigenvalues` where components are coupled.
        axis_matrices: 1-D matrices, one for each axis, whose (Kronecker) sum L is.
        axis_norms: for each of them the weights in which it is symmetric, or None.
        matrix: the flattened operator as a sparse matrix, or a function that makes it.
        apply: ``L v`` as ``apply(v, *parameters)`` for v ``(*batch, *shape)``.
        parameters: tensors that `apply` needs and whose gradients are wanted.
        symmetric: whether L is self-adjoint in the weights `norm`.
        norm: weights, broadcast to `shape`; None: all one.
        preconditioner: for conjugate gradients.
    """

    shape: tuple[int, ...]
    transforms: Sequence[Transform] | GridTransform | None = None
    eigenvalues: torch.Tensor | Sequence[torch.Tensor] | None = None
    symbols: torch.Tensor | None = None
    axis_matrices: Sequence[torch.Tensor] | None = None
    axis_norms: Sequence[torch.Tensor | None] | None = None
    matrix: SparseMatrix | Any | Callable[[], SparseMatrix | Any] | None = None
    apply: Callable[..., torch.Tensor] | None = None
    parameters: Sequence[torch.Tensor] = ()
    symmetric: bool = False
    norm: torch.Tensor | None = None
    preconditioner: Preconditioner | None = None

    @property
    def unknowns(self) -> int:
        """Numbers in one sample."""
        return torch.Size(self.shape).numel()
