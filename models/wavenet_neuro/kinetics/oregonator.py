"""Oregonator: the Belousov-Zhabotinsky reaction in two variables."""

from .kinetics import Kinetics

OREGONATOR = Kinetics(
    name="oregonator",
    about="the chemical waves of Belousov and Zhabotinsky: u is HBrO2, v the oxidised catalyst; spirals in the plane",
    source="J. J. Tyson and P. C. Fife, J. Chem. Phys. 73 (1980) 2224; diffusing v, and f = 1.4, eps = 0.01, q = 0.002 "
    "for spirals: W. Jahnke, W. E. Skaggs and A. T. Winfree, J. Phys. Chem. 93 (1989) 740",
    rates={"u": "(u*(1 - u) - f*v*(u - q)/(u + q))/eps", "v": "u - v"},
    parameters={"eps": 0.04, "f": 1.0, "q": 8e-4},
    diffusion={"u": 1.0, "v": 0.6},
    positive=True,
)
