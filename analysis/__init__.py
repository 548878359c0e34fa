"""Studies of declared equations: each returns an `AnalysisResult` with a verdict and an error bar."""

from .convergence import convergence
from .cross_check import cross_check
from .energy import energy
from .grid_convergence import grid_convergence
from .grid_convergence_index import grid_convergence_index
from .orders.fit_order import OrderFit, fit_order
from .time_convergence import time_convergence

__all__ = [
    "OrderFit",
    "convergence",
    "cross_check",
    "energy",
    "fit_order",
    "grid_convergence",
    "grid_convergence_index",
    "time_convergence",
]
