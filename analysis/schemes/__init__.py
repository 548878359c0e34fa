"""What one step of a time integrator does to ``y' = sum_k lambda_k y``, and how far its steps may reach."""

from .catalogue import SCHEMES, get_scheme
from .courant import CourantLimit, largest_courant
from .energy_growth import energy_growth
from .scheme import Scheme, StepBound
from .snapping import snapped
from .stabilised import stabilised, stages_needed

__all__ = [
    "SCHEMES",
    "CourantLimit",
    "Scheme",
    "StepBound",
    "energy_growth",
    "get_scheme",
    "largest_courant",
    "snapped",
    "stabilised",
    "stages_needed",
]
