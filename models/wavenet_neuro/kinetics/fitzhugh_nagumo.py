"""FitzHugh-Nagumo: an excitable medium."""

from .kinetics import Kinetics

FITZHUGH_NAGUMO = Kinetics(
    name="fitzhugh_nagumo",
    about="an excitable membrane; pulses travel and annihilate each other, between I = 0.3313 and 1.4187 it oscillates",
    source="R. FitzHugh, Biophys. J. 1 (1961) 445, with a = 0.7, b = 0.8, c = 3 scaled to one fast time; "
    "J. Nagumo, S. Arimoto and S. Yoshizawa, Proc. IRE 50 (1962) 2061",
    rates={"u": "u - u**3/3 - v + J", "v": "eps*(u + beta - gamma*v)"},
    parameters={"J": 0.0, "eps": 0.08, "beta": 0.7, "gamma": 0.8},
    diffusion={"u": 1.0},
)
