"""Gradients of solutions: one mode per file."""

from .checkpointed import Checkpointed
from .direct import Direct
from .mode import GradientMode
from .none import NoGradient
from .probe import captured_by_events, captures_gradients
from .registry import GRADIENTS, get_gradient, solve_with_gradient

__all__ = [
    "GRADIENTS",
    "Checkpointed",
    "Direct",
    "GradientMode",
    "NoGradient",
    "captured_by_events",
    "captures_gradients",
    "get_gradient",
    "solve_with_gradient",
]
