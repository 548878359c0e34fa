"""Eight of the kinetics at what they are known for, for models/wavenet_neuro.md."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fieldsolver as fs
from fieldsolver.models.wavenet_neuro.kinetics import DEMOS, demo
from fieldsolver.themes import drawn_in

SHOWN = (
    "allen_cahn", "amari", "brusselator", "fitzhugh_nagumo", "gierer_meinhardt", "gray_scott", "nagumo", "schnakenberg",
)  # fmt: skip


def kinetics(folder: Path) -> None:
    """Lines over time, planes at the end."""
    with drawn_in("light"):
        figure = Figure(figsize=(10.4, 5.4), layout="constrained")
        for axes, name in zip(figure.subplots(2, 4).ravel(), SHOWN, strict=True):
            _draw(axes, demo(name))
            axes.set_title(f"{name}: {DEMOS[name].shows}", fontsize="small", wrap=True)
        figure.savefig(folder / "kinetics.png", dpi=80)


def _draw(axes: Axes, solution: fs.Solution) -> None:
    values = solution.y[:, 0]
    on_line = values.dim() == 2
    axes.imshow(values if on_line else values[-1].T, origin="lower", aspect="auto" if on_line else "equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("x")
    axes.set_ylabel("t" if on_line else "y")


if __name__ == "__main__":
    kinetics(Path(__file__).parent)
