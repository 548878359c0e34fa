"""The two ends of the time span, where somebody asks for their gradients."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Ends(NamedTuple):
    """Start and end as tensors with a graph; the numbers themselves are passed beside them.

    Attributes:
        t0: () float64.
        t1: () float64.
    """

    t0: Tensor
    t1: Tensor
