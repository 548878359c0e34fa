"""The figure of stability.md: step limits for a wave that is carried along and smeared."""

from pathlib import Path

import fieldsolver as fs
from fieldsolver import analysis


def stability_of_a_front(folder: Path) -> None:
    """All methods of the solver on advection and diffusion, with differences of order 4."""
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) - c*d_dx(u)",
        grid=fs.Grid(128, extent=1.0),
        boundary=fs.Periodic(),
        parameters={"D": 0.002, "c": 1.0},
        space_order=4,
    )
    analysis.stability(equation).plot().savefig(folder / "stability.png", dpi=80)
