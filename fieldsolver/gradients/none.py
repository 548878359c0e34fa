"""No gradient: the solve leaves no graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fieldsolver.methods import Method
from fieldsolver.stepping import Trajectory, VectorField, integrate


def none(field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, **options: Any) -> Trajectory:
    """`integrate` with gradients switched off; the options are those of `integrate`."""
    with torch.no_grad():
        return integrate(field, method, y0.detach(), t0, t1, fused=True, **options)
