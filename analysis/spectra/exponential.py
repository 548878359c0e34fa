"""``exp(tA) v`` by products with A."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arnoldi import arnoldi
from .unknowns import Floats

KRYLOV = 40
SAFETY = 0.9


def exponential_action(
    product: Callable[[Floats], Floats], v: Floats, t: float, *, tol: float, max_products: int
) -> tuple[Floats | None, int]:
    """Steps of Arnoldi approximations with an error estimate (Saad 1992; Sidje 1998, Expokit).

    Args:
        product: A times a vector.
        tol: of the result, relative to the norm of v.
        max_products: that may be spent.

    Returns:
        The vector, or None where the products did not suffice; and the products spent.
    """
    from scipy.linalg import expm

    now, tau, spent, w = 0.0, t, 0, v
    scale = float(np.linalg.norm(v))
    while now < t:
        if spent + KRYLOV > max_products:
            return None, spent
        size = float(np.linalg.norm(w))
        if size == 0:
            break
        basis, hessenberg = arnoldi(product, w, KRYLOV)
        m = hessenberg.shape[1]
        spent += m
        tau = min(tau, t - now)
        while True:
            # One more row and column give phi_1 beside the exponential, and with it the first term left out.
            augmented = np.zeros((m + 2, m + 2))
            augmented[: m + 1, :m] = hessenberg
            augmented[m, m + 1] = 1.0
            whole = expm(tau * augmented)
            error = size * abs(whole[m, 0])
            allowed = tol * max(scale, size) * tau / t
            if error <= allowed or hessenberg[m, m - 1] == 0:
                break
            tau *= min(SAFETY * (allowed / error) ** (1 / m), 0.5)
        w = size * (basis[:, : m + 1] @ whole[: m + 1, 0])
        now += tau
        tau *= 2
    return w, spent
