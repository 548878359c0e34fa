"""How an iterative solve ended."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class IterationReport:
    """Iterations and relative residuals ``|b - x + c L x| / |b|``, both ``(*batch)``."""

    iterations: torch.Tensor
    residual: torch.Tensor
