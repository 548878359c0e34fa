"""Variants of the field: other spaces, scales, noise, spikes; and two recurrent models for comparison."""

from .catalogue import VARIANTS, make_dynamics
from .dynamics import Dynamics
from .evolved import Evolved

__all__ = ["VARIANTS", "Dynamics", "Evolved", "make_dynamics"]
