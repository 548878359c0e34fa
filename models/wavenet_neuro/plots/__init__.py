"""Pictures of a field of tokens, in light and dark."""

from .animation import animate_field
from .computation import computation_comparison
from .curves import change_rate, energy_curve, residual_curve
from .snapshots import field_snapshots
from .steps_histogram import steps_histogram

__all__ = [
    "animate_field",
    "change_rate",
    "computation_comparison",
    "energy_curve",
    "field_snapshots",
    "residual_curve",
    "steps_histogram",
]
