"""Allen-Cahn: two phases and the walls between them."""

from .kinetics import Kinetics

ALLEN_CAHN = Kinetics(
    name="allen_cahn",
    about="every place chooses +1 or -1; the gradient flow of |grad u|^2 D/2 + (1 - u^2)^2/4",
    source="S. M. Allen and J. W. Cahn, Acta Metall. 27 (1979) 1085",
    rates={"u": "u - u**3"},
    parameters={},
    diffusion={"u": 1.0},
)
