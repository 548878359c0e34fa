"""The spectrum of the Lorenz system, for lyapunov.md."""

from __future__ import annotations

from pathlib import Path

import fieldsolver as fs
from fieldsolver.analysis import lyapunov


def lorenz_exponents(folder: Path) -> None:
    """Drawn by the result itself, from a longer run than that of the page."""
    equation = fs.FieldEquation(
        "dx/dt = s*(y - x); dy/dt = x*(r - z) - y; dz/dt = x*y - b*z", parameters={"s": 10.0, "r": 28.0, "b": 8 / 3}
    )
    result = lyapunov(equation, {"x": 1.0, "y": 1.0, "z": 1.0}, duration=60.0, transient=40.0)
    result.plot().savefig(folder / "lyapunov.png", dpi=80)


if __name__ == "__main__":
    lorenz_exponents(Path(__file__).parent)
