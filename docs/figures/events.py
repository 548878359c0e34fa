"""Spikes and Poincare sections, for events.md."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure

import fieldsolver as fs
from fieldsolver.themes import colour

NEURONS = 40


def spikes(folder: Path) -> None:
    """A raster of leaky integrate-and-fire neurons, without and with adaptation."""
    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    currents = torch.linspace(0.8, 3.0, NEURONS, dtype=torch.float64)
    for axes, b in zip(figure.subplots(1, 2, sharey=True), (0.0, 0.25), strict=True):
        equation = fs.FieldEquation(
            "dv/dt = (I - v - w)/10;  dw/dt = -w/50",
            parameters={"I": fs.PerSample(currents), "b": b},
            events=[fs.Event("v - 1", direction="up", reset={"v": "0", "w": "w + b"}, name="spike")],
        )
        rest = torch.zeros(NEURONS, dtype=torch.float64)
        run = fs.solve(equation, {"v": rest, "w": rest}, t_span=(0, 150), rtol=1e-5)
        table = run.events.to_xarray()
        axes.plot(table["t"], currents[table["sample"].values], "|", color=colour(0), ms=4, mew=1.0)
        axes.set(title="without adaptation" if b == 0 else f"with adaptation, b = {b:g}", xlabel="t", xlim=(0, 150))
    figure.axes[0].set_ylabel("input I")
    figure.savefig(folder / "spikes.png", dpi=100)


def poincare(folder: Path) -> None:
    """Sections q = 0, p > 0 of Henon and Heiles' galaxy at energy 1/8; one colour per orbit, in turns."""
    equation = fs.FieldEquation(
        "dq/dt = p;  dp/dt = -q - 2*q*r;  dr/dt = s;  ds/dt = -r - q**2 + r**2",
        events=[fs.Event("q", direction="up", name="section")],
    )
    r = torch.linspace(-0.38, 0.62, 18, dtype=torch.float64)
    start = {"q": 0 * r, "r": r, "s": 0 * r, "p": torch.sqrt(0.25 - r**2 + 2 * r**3 / 3)}
    run = fs.solve(equation, start, t_span=(0, 1000), method="dop853", rtol=1e-8, atol=1e-10)
    table = run.events.to_xarray()
    figure = Figure(figsize=(5.2, 4.4), layout="constrained")
    axes = figure.subplots()
    colours = [colour(sample % 6) for sample in table["sample"].values]
    axes.scatter(table["r_before"], table["s_before"], s=1.2, c=colours, linewidths=0)
    axes.set(xlabel="r", ylabel="s")
    figure.savefig(folder / "poincare.png", dpi=100)


if __name__ == "__main__":
    spikes(Path(__file__).parent)
    poincare(Path(__file__).parent)
