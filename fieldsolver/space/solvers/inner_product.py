"""The weighted inner product of one sample, and the test that an operator is symmetric in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from fieldsolver.errors import OptionError


class InnerProduct:
    """``<u, v> = Σ w ū v`` over the trailing axes `shape`, kept as axes of length 1.

    Args:
        shape: axes of one sample.
        weights: positive, broadcast to `shape`; None: all one.

    Raises:
        OptionError: a weight is not positive.
    """

    def __init__(self, shape: Sequence[int], weights: torch.Tensor | None = None) -> None:
        if weights is not None and not bool((weights > 0).all()):
            raise OptionError("weights of an inner product must be positive; check norm=")
        self.dims = tuple(range(-len(shape), 0))
        self.weights = weights

    def __call__(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        product = u.conj() * v
        weights = self.weights_like(product)
        return (product if weights is None else product * weights).sum(self.dims, keepdim=True)

    def norm(self, u: torch.Tensor) -> torch.Tensor:
        """``sqrt(<u, u>)``, real."""
        return self(u, u).real.sqrt()

    def weights_like(self, u: torch.Tensor) -> torch.Tensor | None:
        """The weights on the device and in the precision of u."""
        return None if self.weights is None else self.weights.to(u.device, u.dtype.to_real())


def check_symmetric(
    apply: Callable[[torch.Tensor], torch.Tensor], product: InnerProduct, like: torch.Tensor, what: str
) -> float:
    """Probe ``<u, L v> = <L u, v>`` with two random samples, and return ``|L u| / |u|``, an estimate of the size of L.

    Args:
        apply: the operator.
        product: the inner product it should be symmetric in.
        like: ``(*batch, *shape)``; the probes have its shape, device and dtype.
        what: name of the operator in the message.

    Raises:
        OptionError: the two sides differ by more than round-off.
    """
    random = torch.Generator().manual_seed(0)
    u, v = (torch.randn(like.shape, generator=random, dtype=like.dtype).to(like.device) for _ in range(2))
    Lu, Lv = apply(u), apply(v)
    left, right = product(u, Lv), product(Lu, v)
    size = product.norm(Lu) * product.norm(v) + product.norm(Lv) * product.norm(u)
    defect = float(((left - right).abs() / size.clamp_min(torch.finfo(size.dtype).tiny)).max())
    if not defect <= math.sqrt(torch.finfo(like.dtype).eps):
        raise OptionError(
            f"{what} is not symmetric in the given inner product (relative defect {defect:.1e}), and conjugate "
            "gradients need that; give the weights in norm=, or use SparseSolve"
        )
    return float((product.norm(Lu) / product.norm(u)).max())
