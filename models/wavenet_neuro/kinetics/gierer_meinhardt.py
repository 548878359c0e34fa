"""Gierer-Meinhardt: local activation, lateral inhibition."""

from .kinetics import Kinetics

GIERER_MEINHARDT = Kinetics(
    name="gierer_meinhardt",
    about="an activator u that makes its own, far-reaching inhibitor v: isolated peaks",
    source="A. Gierer and H. Meinhardt, Kybernetik 12 (1972) 30; without dimensions as in J. D. Murray, Mathematical "
    "Biology II (2003), section 2.2",
    rates={"u": "a - b*u + u**2/v", "v": "u**2 - v"},
    parameters={"a": 0.1, "b": 1.0},
    diffusion={"u": 1.0, "v": 30.0},
    positive=True,
)
