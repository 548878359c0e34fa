"""Gray-Scott: spots that divide, and labyrinths."""

from .kinetics import Kinetics

GRAY_SCOTT = Kinetics(
    name="gray_scott",
    about="autocatalysis in a fed reactor: stripes at F = 0.04, k = 0.06; spots at F = 0.03, k = 0.062",
    source="P. Gray and S. K. Scott, Chem. Eng. Sci. 39 (1984) 1087; numbers of J. E. Pearson, Science 261 (1993) 189",
    rates={"u": "F*(1 - u) - u*v**2", "v": "u*v**2 - (F + k)*v"},
    parameters={"F": 0.04, "k": 0.06},
    diffusion={"u": 2e-5, "v": 1e-5},
    positive=True,
)
