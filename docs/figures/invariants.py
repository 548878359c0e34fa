"""The figure of invariants.md: Lotka and Volterra's invariant, and where it was found."""

from pathlib import Path

import fieldsolver as fs
from fieldsolver.analysis import invariants


def lotka_volterra_invariant(folder: Path) -> None:
    """Singular values with their gap, and the contours under the flow."""
    equation = fs.FieldEquation(
        "dx/dt = alpha*x - beta*x*y; dy/dt = delta*x*y - gamma*y",
        parameters={"alpha": 1.1, "beta": 0.4, "gamma": 0.4, "delta": 0.1},
    )
    invariants(equation).plot().savefig(folder / "invariants.png", dpi=80)
