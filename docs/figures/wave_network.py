"""Waves of a short text, for models/wave_network.md."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from matplotlib.figure import Figure

from fieldsolver.models.catalogue import build
from fieldsolver.models.wave_network import WaveNetwork, plots
from fieldsolver.models.wave_network.trace import forward_trace, waves_of
from fieldsolver.themes import drawn_in

TEXT = ["oil", "prices", "rose", "and", "shares", "fell"]


def wave_network(folder: Path, theme: str = "light", name: str = "wave_network.png") -> None:
    """Angles, amplitudes, the plane, both modes, and the way through three blocks, with fresh weights."""
    words = sorted(set(TEXT))
    ids = torch.tensor([[2 + words.index(word) for word in TEXT]])
    torch.manual_seed(0)
    model = cast(
        "WaveNetwork",
        build("wave_network", "deep", vocabulary=2 + len(words), dim=32, bigrams=100, amplitude="norm").eval(),
    )
    waves, trace = waves_of(model, ids), forward_trace(model, ids)
    with drawn_in(theme):
        figure = Figure(figsize=(11.0, 6.2), layout="constrained")
        axes = figure.subplot_mosaic([["phases", "plane", "modes"], ["semantics", "way", "way"]])
        plots.draw_phases(axes["phases"], waves)
        plots.draw_plane(axes["plane"], waves, labels=TEXT)
        plots.draw_modes(axes["modes"], waves)
        plots.draw_global_semantics(axes["semantics"], waves)
        plots.draw_trace(axes["way"], trace, labels=TEXT)
        figure.savefig(folder / name, dpi=80)


if __name__ == "__main__":
    wave_network(Path(__file__).parent)
