"""The numbers of a state that move, as a real vector whose Euclidean norm is the norm of the grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.knowledge.domains import weights as domain_weights
from fieldsolver.equations.lowering import held_sides
from fieldsolver.errors import OptionError, StateError

Floats = NDArray[np.float64]


class Unknowns:
    """Packs states into vectors and back.

    With quadrature weights w the vector is ``sqrt(w) y``: a change of variables, which eigenvalues do not notice, and
    in which an operator that is symmetric in the norm of the grid has a symmetric matrix. Complex numbers enter as
    their real and imaginary parts, because the derivative of a complex right-hand side is in general only real-linear.

    Args:
        y: the state that is looked at.
        weights: real, not negative, of the shape of `real(y)`; zero marks what is no unknown.

    Attributes:
        size: number of unknowns.
        kept: their places in the flattened real form.
        roots: square roots of their weights.
    """

    def __init__(self, y: Tensor, weights: Tensor) -> None:
        flat = weights.detach().to("cpu", torch.float64).reshape(-1)
        self._like = real(y).detach()
        self._is_complex = y.is_complex()
        self._index = torch.nonzero(flat > 0).reshape(-1)
        self._root = torch.sqrt(flat[self._index])
        self.kept, self.roots = self._index.numpy(), self._root.numpy()
        self.size = len(self.kept)

    def vectors(self, states: Tensor) -> Floats:
        """Columns ``(n, k)`` out of real forms of states ``(k, *shape)``."""
        flat = states.detach().to("cpu", torch.float64).reshape(states.shape[0], -1)
        return (flat[:, self._index] * self._root).T.numpy()

    def covectors(self, states: Tensor) -> Floats:
        """Columns out of gradients, which scale the other way."""
        flat = states.detach().to("cpu", torch.float64).reshape(states.shape[0], -1)
        return (flat[:, self._index] / self._root).T.numpy()

    def states(self, vectors: Floats) -> Tensor:
        """Real forms of states ``(k, *shape)`` out of columns; zero where there is no unknown."""
        return self._spread(torch.as_tensor(np.ascontiguousarray(vectors.T)) / self._root)

    def costates(self, vectors: Floats) -> Tensor:
        """What a gradient is multiplied by, out of columns."""
        return self._spread(torch.as_tensor(np.ascontiguousarray(vectors.T)) * self._root)

    def _spread(self, entries: Tensor) -> Tensor:
        flat = torch.zeros(entries.shape[0], self._like.numel(), dtype=torch.float64)
        flat[:, self._index] = entries
        return flat.reshape(-1, *self._like.shape).to(self._like)

    def declared(self, states: Tensor) -> Tensor:
        """States of the equation's own dtype out of their real forms."""
        return from_real(states) if self._is_complex else states


def real(y: Tensor) -> Tensor:
    """The state itself, or ``(*shape, 2)`` of a complex one."""
    return torch.view_as_real(y.resolve_conj()) if y.is_complex() else y


def from_real(parts: Tensor) -> Tensor:
    """The inverse of `real` for complex states; differentiable in either direction."""
    return torch.complex(parts[..., 0], parts[..., 1])


def unknowns_of(f: Callable[..., Tensor], y: Tensor, weights: Tensor | None, free: Tensor | None) -> Unknowns:
    """The unknowns of a state: those of the grid where `f` is declared, else all."""
    if isinstance(f, FieldEquation):
        total = _declared_weights(f, y, weights)
    else:
        total = _spread_over(real(torch.ones_like(y)) * 0 + 1, "weights", weights, y)
    if free is not None:
        total = total * _spread_over(torch.ones_like(total), "free", free.to(torch.float64), y)
    if not bool((total > 0).any()):
        raise StateError("the state has no unknown that moves: every node is held or masked")
    return Unknowns(y, total)


def _spread_over(total: Tensor, name: str, values: Tensor | None, y: Tensor) -> Tensor:
    if values is None:
        return total.to(torch.float64)
    values = values.detach().to(torch.float64).to(total.device)
    if not (bool(torch.isfinite(values).all()) and bool((values >= 0).all())):
        raise OptionError(f"{name} must be finite and not negative, got values from {values.min():g}")
    try:
        values = values.expand(y.shape)
    except RuntimeError:
        raise OptionError(f"{name} of shape {tuple(values.shape)} do not fit a state of {tuple(y.shape)}") from None
    return total.to(torch.float64) * (values.unsqueeze(-1) if y.is_complex() else values)


def _declared_weights(equation: FieldEquation, y: Tensor, weights: Tensor | None) -> Tensor:
    """Quadrature weights, zero at held nodes, outside masks, and for imaginary parts of real fields."""
    parts = []
    for name, (_, size) in equation.layout.fields.items():
        layout = equation.layout.of(name)
        own = domain_weights(equation, layout).detach().cpu()
        if own.dim() > layout.dimension:
            raise OptionError("the equation has a mask per sample; analyse the samples one by one, with one mask each")
        part = own.expand(size, *own.shape).clone()
        for axis, end in held_sides(equation.layout, name) if layout.grid is not None else ():
            part.select(axis + 1, -1 if end else 0).zero_()
        if y.is_complex():
            part = torch.complex(part, part if name in equation.complex_fields else torch.zeros_like(part))
        parts.append(part)
    total = real(equation.space.join(parts))
    if weights is None:
        return total
    # A norm of one's own replaces the weights, not what is known of held nodes.
    return _spread_over((total > 0).to(torch.float64), "weights", weights, y)
