"""The study of a driven pendulum, for energy.md."""

from __future__ import annotations

from pathlib import Path

import torch

import fieldsolver as fs
from fieldsolver import analysis


def energy(folder: Path) -> None:
    """Drift, budget, work, and what the steps add over their size."""
    pendulum = fs.FieldEquation("dq/dt = p; dp/dt = -sin(q) - 0.05*p + 0.2*cos(0.7*t)")
    start = torch.tensor([2.0, 0.0], dtype=torch.float64)
    swing = fs.solve(pendulum, start, t_span=(0, 10), dt=0.1, method="bosh3", save_at=torch.linspace(0, 10, 101))
    ladder = [0.2, 0.1, 0.05, 0.025]
    result = analysis.energy(pendulum, swing, density="0.5*p**2 + 1 - cos(q)", ladder=ladder)
    result.plot().savefig(folder / "energy.png", dpi=80)


if __name__ == "__main__":
    energy(Path(__file__).parent)
