"""Nagumo: a bistable medium with a front of known speed."""

from .kinetics import Kinetics

NAGUMO = Kinetics(
    name="nagumo",
    about="a pushed front between 0 and 1 at sqrt(D/2) (1 - 2a)",
    source="J. Nagumo, S. Arimoto and S. Yoshizawa, Proc. IRE 50 (1962) 2061; the front: J. D. Murray, Mathematical "
    "Biology I (2002), section 13.5",
    rates={"u": "u*(1 - u)*(u - a)"},
    parameters={"a": 0.25},
    diffusion={"u": 1.0},
)
