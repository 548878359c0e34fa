"""Problems whose end is printed somewhere with many digits: orbits of celestial mechanics, Lorenz, the Brusselator."""

from __future__ import annotations

import torch
from torch import Tensor

from .reference_problem import ReferenceProblem


def _numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def pleiades(t: Tensor, y: Tensor) -> Tensor:
    """Seven bodies of masses 1 to 7 in a plane; y = (x, y, x', y'), each of 7."""
    positions, velocities = y[..., :14].unflatten(-1, (2, 7)), y[..., 14:]
    masses = torch.arange(1, 8, dtype=y.real.dtype, device=y.device)
    apart = positions.unsqueeze(-2) - positions.unsqueeze(-1)  # (..., 2, i, j): from i to j
    cubed = apart.square().sum(-3, keepdim=True) ** 1.5
    cubed = cubed + torch.eye(7, dtype=y.dtype, device=y.device)  # nobody attracts itself, and 0/0 must not appear
    return torch.cat((velocities, (masses * apart / cubed).sum(-1).flatten(-2)), -1)


PLEIADES = ReferenceProblem(
    name="Pleiades",
    f=pleiades,
    y0=_numbers(
        *(3, 3, -1, -3, 2, -2, 2), *(3, -3, 2, 0, 0, -4, 4), *(0, 0, 0, 0, 0, 1.75, -1.5), *(0, 0, 0, -1.25, 1, 0, 0)
    ),
    t_span=(0.0, 3.0),
    end=_numbers(
        *(0.3706139143970502, 3.237284092057233, -3.222559032418324, 0.6597091455775310),
        *(0.3425581707156584, 1.562172101400631, -0.7003092922212495, -3.943437585517392),
        *(-3.271380973972550, 5.225081843456543, -2.590612434977470, 1.198213693392275),
        *(-0.2429682344935824, 1.091449240428980, 3.417003806314313, 1.354584501625501),
        *(-2.590065597810775, 2.025053734714242, -1.155815100160448, -0.8072988170223021),
        *(0.5952396354208710, -3.741244961234010, 0.3773459685750630, 0.9386858869551073),
        *(0.3667922227200571, -0.3474046353808490, 2.344915448180937, -1.947020434263292),
    ),
    error=1e-12,
    source=(
        "Mazzia and Magherini, Test Set for IVP Solvers (Bari), Pleiades: PSIDE with tolerance 1e-16; "
        "the problem: Hairer, Norsett, Wanner I (1993), eq. (II.10.3)"
    ),
)

MOON = 0.012277471
"""Mass of the Moon over that of Moon and Earth, as Arenstorf's orbit has it."""


def arenstorf(t: Tensor, y: Tensor) -> Tensor:
    """A satellite between Earth and Moon in the frame that turns with them; y = (y1, y2, y1', y2')."""
    y1, y2, v1, v2 = y.split(1, -1)
    earth = MOON_FREE * ((y1 + MOON) ** 2 + y2**2) ** -1.5
    moon = MOON * ((y1 - MOON_FREE) ** 2 + y2**2) ** -1.5
    a1 = y1 + 2 * v2 - earth * (y1 + MOON) - moon * (y1 - MOON_FREE)
    a2 = y2 - 2 * v1 - (earth + moon) * y2
    return torch.cat((v1, v2, a1, a2), -1)


MOON_FREE = 1 - MOON
_ORBIT_START = _numbers(0.994, 0.0, 0.0, -2.00158510637908252240537862224)

ARENSTORF = ReferenceProblem(
    name="Arenstorf orbit",
    f=arenstorf,
    y0=_ORBIT_START,
    t_span=(0.0, 17.0652165601579625588917206249),
    end=_ORBIT_START,
    error=1e-10,  # rounding the start to float64, by the largest stretching of the flow
    source="Hairer, Norsett, Wanner I (1993), eq. (II.0.1) and p. 129: periodic, so it ends where it starts",
)


def lorenz(t: Tensor, y: Tensor) -> Tensor:
    """Lorenz's system with sigma = 10, r = 28, b = 8/3."""
    a, b, c = y.unbind(-1)
    return torch.stack((10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c), -1)


def _periodic(symbols: str, x: float, y: float, period: float, error: float) -> ReferenceProblem:
    """The unstable periodic orbit that winds around the wings A and B in this order, from the plane z = r - 1 = 27."""
    start = _numbers(x, y, 27.0)
    source = "Viswanath, Nonlinearity 16 (2003) 1035-1056: unstable and periodic, so it ends where it starts"
    return ReferenceProblem(f"Lorenz orbit {symbols}", lorenz, start, (0.0, period), start, error, source)


# AB is printed with 100 digits, the others with twelve behind the point; Lorenz's flow moves by up to 200 a time unit.
LORENZ_AB = _periodic(
    "AB",
    -13.7636106821342005250144010543616538641,
    -19.5787519424517955388380414460095588661,
    1.5586522107161747276,
    1e-12,
)
LORENZ_AAB = _periodic("AAB", -12.595115397689, -16.970525307084, 2.3059072639399, 3e-11)
LORENZ_AAAB = _periodic("AAAB", -11.998523280062, -15.684254096883, 3.0235837034339, 6e-11)
LORENZ_AABB = _periodic("AABB", -12.915137970311, -17.673100172646, 3.0842767758221, 6e-11)


def brusselator(t: Tensor, y: Tensor) -> Tensor:
    """Two concentrations on a limit cycle, A = 1 and B = 3."""
    y1, y2 = y.unbind(-1)
    production = y1 * y1 * y2
    return torch.stack((1 + production - 4 * y1, 3 * y1 - production), -1)


BRUSSELATOR = ReferenceProblem(
    name="Brusselator",
    f=brusselator,
    y0=_numbers(1.5, 3.0),
    t_span=(0.0, 20.0),
    end=_numbers(0.4986370712683478291402659846476, 4.596780349452011024598321237263),
    error=1e-14,
    source=(
        "Hairer, Norsett, Wanner I (1993), p. 116; the end: Mathematica with 32 digits, in the samples of the "
        "library russell_ode"
    ),
)

PRINTED = (PLEIADES, ARENSTORF, LORENZ_AB, LORENZ_AAB, LORENZ_AAAB, LORENZ_AABB, BRUSSELATOR)
