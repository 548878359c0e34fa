"""A reaction that brings states together: every pair of trajectories approaches at a rate that is guaranteed.

::

    g(y, x) = N(y, x) - (margin + s) y,      N an MLP whose Lipschitz constant in y is at most s

so the symmetric part of dg/dy is at most s - (margin + s) = -margin, everywhere: g is one-sided Lipschitz with the
constant -margin. Then ``dy/dt = g(y, x)`` has exactly one steady state, reached from anywhere like exp(-margin t).

N is a chain of layers ``a(W / max(1, b(W)) y + V x + c)`` with 1-Lipschitz activations, times s; b(W) >= ||W||_2 is the
bound by Gram iteration, which holds after every number of iterations, unlike an estimate by power iteration.

Sources: Soederlind, *The logarithmic norm: history and modern theory*, BIT 46 (2006) 631-652; Delattre, Barthelemy,
Araujo, Allauzen, *Efficient bound of Lipschitz constant for convolutional layers by Gram iteration*, ICML 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError, listing

ITERATIONS = 6
"""The bound is at most ``n**(1/256)`` too large for n columns: 2 % for 128."""

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "softplus": nn.functional.softplus, "sin": torch.sin}
"""Functions with slopes in [-1, 1]; those of gelu and silu reach 1.13 and 1.10."""


def spectral_norm_bound(weight: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """A number that is at least ``||W||_2``, and close: ``||(W^T W)^(2^k)||_F ^ (1 / 2^(k+1))``, differentiable.

    Args:
        weight: ``(rows, columns)``.
        iterations: k.
    """
    gram = weight @ weight.T if weight.shape[0] < weight.shape[1] else weight.T @ weight
    logarithm = weight.new_zeros(())
    tiny = torch.finfo(weight.dtype).tiny
    for _ in range(iterations):  # scaled to norm 1 each time, because the powers would overflow
        norm = gram.norm().clamp_min(tiny)
        gram, logarithm = (gram / norm) @ (gram / norm), 2 * (logarithm + norm.log())
    logarithm = logarithm + gram.norm().clamp_min(tiny).log()
    return (logarithm / 2 ** (iterations + 1)).exp()


class Contractive(nn.Module):
    """A pointwise module ``g(y)`` or ``g(y, x)`` for the right-hand side of one field; contractive in y at any weights.

    In an equation: ``"dphi/dt = D*laplacian(phi) + net(phi, drive)"`` with ``modules={"net": fs.nn.Contractive(...)}``.
    The first argument is the field. Diffusion only adds to the contraction.

    Args:
        features: components of the field.
        inputs: components of everything behind it, x; no bound is put on how g depends on x.
        hidden: widths of the hidden layers.
        margin: the guaranteed rate of contraction, 1/time; positive.
        strength: where the trainable s starts, 1/time: how strongly states may act on each other.
        activation: ``"tanh"``, ``"relu"``, ``"softplus"`` or ``"sin"``.

    Raises:
        OptionError: sizes, rates or activations that cannot be.
    """

    def __init__(
        self, features: int, *, inputs: int = 0, hidden: Sequence[int] = (64,), margin: float = 0.1,
        strength: float = 1.0, activation: str = "tanh",
    ) -> None:  # fmt: skip
        super().__init__()
        if features < 1 or inputs < 0 or any(width < 1 for width in hidden):
            raise OptionError(f"Contractive needs positive sizes, got {features}, inputs={inputs}, hidden={hidden}")
        if not (margin > 0 and strength > 0 and math.isfinite(margin) and math.isfinite(strength)):
            raise OptionError(f"margin and strength are positive rates, got {margin!r} and {strength!r}")
        if activation not in ACTIVATIONS:
            raise OptionError(
                f"activation is one of {listing(ACTIVATIONS)}, whose slopes are at most 1; got {activation!r}"
            )
        self.features, self.margin, self.activation = features, float(margin), activation
        widths = [features, *hidden]
        self.layers = nn.ModuleList(_Bounded(a, b) for a, b in pairwise(widths))
        self.last = _Bounded(widths[-1], features, bias=False)
        self.drive = nn.Linear(inputs, widths[1] if hidden else features, bias=False) if inputs else None
        self.log_strength = nn.Parameter(torch.tensor(math.log(strength)))

    def forward(self, arguments: Tensor) -> Tensor:
        """``(..., features + inputs)`` -> ``(..., features)``."""
        y, x = arguments[..., : self.features], arguments[..., self.features :]
        driven = None if self.drive is None else self.drive(x)
        act, z = ACTIVATIONS[self.activation], y
        for number, layer in enumerate(self.layers):
            z = layer(z)
            z = act(z if driven is None or number else z + driven)
        z = self.last(z)
        z = z if driven is None or len(self.layers) else z + driven
        strength = self.log_strength.exp()
        return strength * z - (self.margin + strength) * y

    def extra_repr(self) -> str:
        """What is guaranteed."""
        return f"features={self.features}, margin={self.margin:g}, activation={self.activation!r}"


class _Bounded(nn.Linear):
    """A linear layer with its matrix scaled down if its spectral norm might exceed 1."""

    def forward(self, input: Tensor) -> Tensor:
        """``(..., n)`` -> ``(..., m)``."""
        bound = spectral_norm_bound(self.weight).clamp_min(1.0)
        return nn.functional.linear(input, self.weight / bound, self.bias)
