"""The right-hand side of the adjoint equation: vector-Jacobian products of f."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fieldsolver.stepping import VectorField


def pulled_back(field: VectorField, t: Tensor, y: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """f(t, y) and a . df/dy, both (n, *state).

    Args:
        field: the right-hand side, without a graph to its parameters.
        t: (n,) float64.
        y: (n, *state).
        a: (n, *state), the adjoint.
    """
    with torch.enable_grad():
        leaf = y.detach().requires_grad_()
        rate = field(t, leaf)
        product = _gradients(rate, [leaf], a)[0]
    return rate.detach(), torch.zeros_like(y) if product is None else product


def parameter_gradients(
    field: VectorField, t: Tensor, y: Tensor, a: Tensor, wanted: Sequence[int]
) -> list[Tensor | None]:
    """a . df/dp for the parameters at the places `wanted`, summed over the n samples; None is zero."""
    with torch.enable_grad():
        leaves = [p.detach().requires_grad_(i in wanted) for i, p in enumerate(field.parameters)]
        rate = field.with_parameters(tuple(leaves))(t, y)
        return _gradients(rate, [leaves[i] for i in wanted], a)


def _gradients(rate: Tensor, leaves: Sequence[Tensor], a: Tensor) -> list[Tensor | None]:
    if not rate.requires_grad:
        return [None] * len(leaves)
    return list(torch.autograd.grad(rate, leaves, a, allow_unused=True))
