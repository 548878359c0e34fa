"""The loop of controller and error, e = C h^k, as a linear recursion for log h: its roots and where it settles.

With log e_n = log C + k log h_n the controller becomes a linear recursion with the characteristic polynomial::

    q^2 (q - 1) + r (k beta_1 q^2 + k beta_2 q + k beta_3) + alpha_2 q (q - 1) + alpha_3 (q - 1)

where r is the ratio of the order that the error has to the order that the controller assumes. The loop is stable if
all its roots lie within the unit circle; a root at 0 forgets at once.

Source: Soderlind, ACM Transactions on Mathematical Software 29 (2003) 1-26, section 2.
"""

from __future__ import annotations

import numpy as np

from .controller import Controller


def characteristic_polynomial(controller: Controller, order_ratio: float = 1.0) -> np.ndarray:
    """(4,) coefficients of q^3, q^2, q, 1.

    Args:
        controller: its exponents; limiters and the cautious choice are left aside.
        order_ratio: (k of the error) / (k that the controller assumes).
    """
    first, second, third = (order_ratio * exponent for exponent in controller.error_exponents)
    alpha_2, alpha_3 = controller.ratio_exponents
    return np.array([1.0, first + alpha_2 - 1.0, second - alpha_2 + alpha_3, third - alpha_3])


def closed_loop_roots(controller: Controller, order_ratio: float = 1.0) -> np.ndarray:
    """(3,) complex roots of the characteristic polynomial; unused memories add roots at 0."""
    return np.pad(roots := np.roots(characteristic_polynomial(controller, order_ratio)), (0, 3 - roots.size))


def stationary_error(controller: Controller, k: float) -> float:
    """The scaled error at which the step size no longer changes: safety^(k / sum of k beta)."""
    return float(controller.safety ** (k / sum(controller.error_exponents)))
