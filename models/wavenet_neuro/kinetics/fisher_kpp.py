"""Fisher-KPP: what grows where there is room, and spreads."""

from .kinetics import Kinetics

FISHER_KPP = Kinetics(
    name="fisher_kpp",
    about="a pulled front that invades the empty state at 2 sqrt(D r)",
    source="R. A. Fisher, Ann. Eugenics 7 (1937) 355; A. N. Kolmogorov, I. G. Petrovsky and N. S. Piskunov (1937)",
    rates={"u": "r*u*(1 - u)"},
    parameters={"r": 1.0},
    diffusion={"u": 1.0},
    positive=True,
)
