"""Lowering of expression graphs to torch."""

from .layout import MASK, Layout, held_sides, knots
from .lower import Lowering
from .tape import Tape

__all__ = ["MASK", "Layout", "Lowering", "Tape", "held_sides", "knots"]
