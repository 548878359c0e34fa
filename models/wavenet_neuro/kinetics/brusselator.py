"""Brusselator: oscillations beyond B = 1 + A^2, patterns beyond B = (1 + A sqrt(D_u/D_v))^2."""

from .kinetics import Kinetics

BRUSSELATOR = Kinetics(
    name="brusselator",
    about="a chemistry that can oscillate (B > 10 here) and form patterns (B > 8.62)",
    source="I. Prigogine and R. Lefever, J. Chem. Phys. 48 (1968) 1695; thresholds: G. Nicolis and I. Prigogine, "
    "Self-Organization in Nonequilibrium Systems (1977), chapter 7; A, B and the diffusivities lie between the two",
    rates={"u": "A - (B + 1)*u + u**2*v", "v": "B*u - u**2*v"},
    parameters={"A": 3.0, "B": 9.0},
    diffusion={"u": 5.0, "v": 12.0},
    positive=True,
)
