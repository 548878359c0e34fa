"""No gradient: the solve leaves no graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.methods import Method
from fieldsolver.stepping import Ends, Trajectory, VectorField, integrate


@dataclass(frozen=True)
class NoGradient:
    """`integrate` with gradients switched off, in the fastest form there is."""

    name = "none"

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Every method will do."""

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """The options are those of `integrate`."""
        return without_gradient(field, method, y0, t0, t1, **options)


def without_gradient(
    field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, **options: Any
) -> Trajectory:
    """What every mode does when nothing asks for a gradient."""
    with torch.no_grad():
        return integrate(field, method, y0.detach(), t0, t1, fused=True, **options)
