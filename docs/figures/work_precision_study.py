"""Work against precision on a Kepler orbit, for work_precision.md."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fieldsolver.analysis import work_precision


def work_precision_study(folder: Path) -> None:
    """Four methods at seven tolerances."""
    result = work_precision(
        _kepler,
        torch.tensor([0.4, 0.0, 0.0, 2.0], dtype=torch.float64),
        t_span=(0, 6),
        methods=["bosh3", "dopri5", "tsit5", "dop853"],
        rtols=[10.0**-k for k in range(3, 10)],
        atol_ratio=1.0,
        repeats=7,
    )
    result.plot().savefig(folder / "work_precision_study.png", dpi=80)


def _kepler(t: Tensor, y: Tensor) -> Tensor:
    cubed = (y[0] ** 2 + y[1] ** 2) ** 1.5
    return torch.stack([y[2], y[3], -y[0] / cubed, -y[1] / cubed])
