"""Round-off in computed spectra, which exact arithmetic would take at its word."""

from __future__ import annotations

import numpy as np

from .scheme import Complex

ROUND_OFF = 1e-13


def snapped(eigenvalues: Complex, round_off: float = ROUND_OFF) -> Complex:
    """Eigenvalues with real and imaginary parts below `round_off` times the largest modulus set to 0.

    A computed eigenvalue 1e-17 + 1i of a skew operator grows under every explicit method, the true 1i need not.
    """
    values = np.asarray(eigenvalues, dtype=complex)
    small = round_off * np.abs(values).max(initial=0.0)
    real = np.where(np.abs(values.real) <= small, 0.0, values.real)
    imaginary = np.where(np.abs(values.imag) <= small, 0.0, values.imag)
    return real + 1j * imaginary
