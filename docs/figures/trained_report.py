"""The report of a layer that was trained on the spot, for trained_report.md."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.analysis import trained_report


def trained_layer(folder: Path) -> None:
    """The layer of the page: two arms of one spiral, pulled apart by a learned field."""
    layer, x, labels = spiral_layer(100)
    report = trained_report(layer, x, loss=lambda out: margin(out, labels))
    report.plot().savefig(folder / "trained_report.png", dpi=80)


def spiral_layer(steps: int) -> tuple[fs.nn.FieldLayer, torch.Tensor, torch.Tensor]:
    """A field in the plane, trained to carry one class to the left and the other to the right."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    radius = 0.4 + 0.8 * torch.rand(64, generator=generator)
    angle = 3 * radius + torch.pi * labels
    x = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], 1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    equation = fs.FieldEquation("dz/dt = net(z) - z", components={"z": 2}, modules={"net": net})
    layer = fs.nn.FieldLayer(equation, duration=2.0, dt=0.25, gradient="direct")
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.03)
    for _ in range(steps):
        optimiser.zero_grad()
        margin(layer(x), labels).mean().backward()
        optimiser.step()
    return layer, x, labels


def margin(output: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logistic loss of the first component, one number per sample."""
    return nn.functional.softplus(-(2 * labels - 1) * 4 * output[:, 0])


if __name__ == "__main__":
    trained_layer(Path(__file__).parent)
