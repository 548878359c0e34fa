"""Derivatives along one axis, as each kind of scheme takes them.

Ghost layers, masks, transforms, penalties and collocation differ in what they must know of an operand at and beyond the
walls, and in nothing else.
"""

from .axis_scheme import AxisScheme
from .choose import axis_scheme
from .collocation import Collocation, chebyshev_line
from .ghost_layers import GhostLayers
from .masked import Masked
from .penalties import Penalties
from .transforms import Transforms

__all__ = [
    "AxisScheme",
    "Collocation",
    "GhostLayers",
    "Masked",
    "Penalties",
    "Transforms",
    "axis_scheme",
    "chebyshev_line",
]
