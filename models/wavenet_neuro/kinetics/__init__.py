"""Kinetics from the literature as declared equations, and what theory says of them."""

from .amari import bump_widths, hat, hat_integral
from .catalogue import KINETICS, find_kinetics
from .demos import DEMOS, demo
from .fronts import fisher_speed, front_positions, front_speed, nagumo_front, nagumo_speed
from .kinetics import Kinetics
from .turing import critical_ratio, critical_wavenumber, growth_rates, reaction_jacobian, uniform_states

__all__ = [
    "DEMOS",
    "KINETICS",
    "Kinetics",
    "bump_widths",
    "critical_ratio",
    "critical_wavenumber",
    "demo",
    "find_kinetics",
    "fisher_speed",
    "front_positions",
    "front_speed",
    "growth_rates",
    "hat",
    "hat_integral",
    "nagumo_front",
    "nagumo_speed",
    "reaction_jacobian",
    "uniform_states",
]
