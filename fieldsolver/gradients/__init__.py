"""Gradients of solutions: one mode per file."""

from .backsolve import Backsolve
from .checkpointed import Checkpointed
from .direct import Direct
from .implicit import Implicit
from .mode import GradientMode
from .none import NoGradient
from .probe import captured_by_events, captures_gradients, is_transformed
from .quadrature import Quadrature
from .registry import GRADIENTS, get_gradient, solve_with_gradient
from .reversible import Reversible

__all__ = [
    "GRADIENTS",
    "Backsolve",
    "Checkpointed",
    "Direct",
    "GradientMode",
    "Implicit",
    "NoGradient",
    "Quadrature",
    "Reversible",
    "captured_by_events",
    "captures_gradients",
    "get_gradient",
    "is_transformed",
    "solve_with_gradient",
]
