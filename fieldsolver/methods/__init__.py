"""Integration schemes: one per file, as tableaux that validate themselves."""

from .explicit_runge_kutta import ExplicitRungeKutta
from .order_conditions import coarse_residuals, embedded_residuals, interpolant_residuals, method_residuals
from .protocol import Memory, Method, Step
from .rate_at_end import with_rate_at_end
from .registry import METHODS, adaptive_methods, get_method
from .reversible import ReversibleMethod
from .summary import MethodSummary
from .tableau import ButcherTableau

__all__ = [
    "METHODS",
    "ButcherTableau",
    "ExplicitRungeKutta",
    "Memory",
    "Method",
    "MethodSummary",
    "ReversibleMethod",
    "Step",
    "adaptive_methods",
    "coarse_residuals",
    "embedded_residuals",
    "get_method",
    "interpolant_residuals",
    "method_residuals",
    "with_rate_at_end",
]
