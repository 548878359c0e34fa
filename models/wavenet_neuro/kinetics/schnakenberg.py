"""Schnakenberg: the smallest chemistry with a Turing instability."""

from .kinetics import Kinetics

SCHNAKENBERG = Kinetics(
    name="schnakenberg",
    about="activator u, substrate v; patterns from D_v/D_u = 8.57 on, at the wavenumber 0.585",
    source="J. Schnakenberg, J. Theor. Biol. 81 (1979) 389; numbers of J. D. Murray, Mathematical Biology II (2003), "
    "chapter 2",
    rates={"u": "a - u + u**2*v", "v": "b - u**2*v"},
    parameters={"a": 0.1, "b": 0.9},
    diffusion={"u": 1.0, "v": 20.0},
    positive=True,
)
