"""Gradients of solutions: one mode per file."""

from .checkpointed import checkpointed
from .direct import direct
from .none import none
from .probe import captured_by_events, captures_gradients
from .registry import GRADIENTS, solve_with_gradient

__all__ = [
    "GRADIENTS",
    "captured_by_events",
    "captures_gradients",
    "checkpointed",
    "direct",
    "none",
    "solve_with_gradient",
]
