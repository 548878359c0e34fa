"""Step-size controllers as data, and the arithmetic that they share."""

from .closed_loop import characteristic_polynomial, closed_loop_roots, stationary_error
from .controller import Controller
from .factors import factor_after_acceptance, factor_after_rejection
from .history import History, remember_acceptance, remember_rejection, restart_history, start_history
from .table import CONTROLLERS, get_controller

__all__ = [
    "CONTROLLERS",
    "Controller",
    "History",
    "characteristic_polynomial",
    "closed_loop_roots",
    "factor_after_acceptance",
    "factor_after_rejection",
    "get_controller",
    "remember_acceptance",
    "remember_rejection",
    "restart_history",
    "start_history",
    "stationary_error",
]
