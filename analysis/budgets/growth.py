"""What a method does to the energy of every mode of a linear equation, predicted and measured.

A mode ``exp(lambda t)`` is multiplied by ``R(lambda dt)`` in a step, where ``exp(lambda dt)`` would be right. Its
energy, a square, gains ``|R(z)/exp(z)|^2 - 1`` per step by the method alone; for an oscillation, ``z = i w dt``, that
is ``|R(iy)|^2 - 1``. Its phase runs ahead by ``arg R(z) - Im z``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation

from ..orders.models import Floats
from ..schemes import get_scheme
from ..schemes.scheme import Complex

LARGEST = 400
"""Entries of a state up to which the modes are computed."""

MOST_MODES = 128
LINEAR = 1e-9
STRONG = 1e-6
"""Modes weaker than this share of the strongest are left out: round-off of the others hides them."""

SLOW = 1e-7
"""Below this |lambda dt| nothing happens in a step."""


@dataclass(frozen=True)
class Growth:
    """Per mode, sorted by frequency; growth of the energy and phase error are per step.

    Attributes:
        rates: eigenvalues lambda, ``(M,)``; of a conjugate pair the one with positive imaginary part.
        predicted, predicted_phase: ``(M,)``.
        measured, measured_phase: ``(M, B)``; NaN for modes that a sample hardly contains.
    """

    rates: Complex
    predicted: Floats
    predicted_phase: Floats
    measured: Floats
    measured_phase: Floats


def excess(factor: Complex, z: Complex) -> Floats:
    """``|R/exp(z)|^2 - 1`` without cancellation."""
    ratio = factor * np.exp(-z)
    difference = ratio - 1.0
    return np.asarray(2 * difference.real + np.abs(difference) ** 2)


def mode_growth(equation: FieldEquation, times: Tensor, states: Tensor, method: str, dt: float) -> Growth | None:
    """Growth per step of the modes in a solution with steps of one size.

    Args:
        equation: a declared equation.
        times: ``(T,)``.
        states: ``(T, B, C, *grid)``.
        method: that made the steps.
        dt: their size.

    Returns:
        None when the equation is not linear with constant coefficients, has sources, or is too large.
    """
    matrix = linear_matrix(equation, float(times[0]), states[0, 0])
    if matrix is None:
        return None
    pairs = np.linalg.eig(matrix.T)  # left eigenvectors w: of each mode w^T y changes by exp(lambda t) alone
    rates, left = (np.asarray(part, dtype=np.complex128) for part in pairs)
    kept = (rates.imag >= 0 if not equation.is_complex else np.ones(len(rates), bool)) & (np.abs(rates * dt) > SLOW)
    rates, left = rates[kept], left[:, kept]
    start, end = (left.T @ _flat(states[row]).T for row in (0, -1))  # (M, B)
    size = np.abs(start)
    strong = size > STRONG * size.max(axis=0, initial=0.0)
    chosen = np.flatnonzero(strong.any(axis=1))
    chosen = chosen[np.argsort(-size[chosen].max(axis=1))][:MOST_MODES]
    if not chosen.size:
        return None
    chosen = chosen[np.lexsort((rates[chosen].real, np.abs(rates[chosen].imag)))]
    rates, start, end, strong = rates[chosen], start[chosen], end[chosen], strong[chosen]
    span = float(times[-1] - times[0])
    steps = abs(span / dt)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(strong, end / start * np.exp(-rates * span)[:, None], np.nan)
        measured, phase = np.expm1(2 * np.log(np.abs(ratio)) / steps), np.angle(ratio) / steps
    z = rates * dt
    factor = get_scheme(method).factor(z)
    return Growth(rates, excess(factor, z), np.angle(factor * np.exp(-z)), measured, phase)


def linear_matrix(equation: FieldEquation, t: float, y: Tensor) -> Complex | None:
    """The matrix of ``dy/dt = A y``; None when the equation is not of this form, or its state is too large."""
    size = y.numel()
    if size > LARGEST or equation.layout.domains or any(p.place == "per sample" for p in equation.declared.values()):
        return None
    unit = torch.eye(size, dtype=y.dtype, device=y.device).reshape(size, *y.shape)
    probe = torch.linspace(0.3, 1.7, size, dtype=torch.float64, device=y.device).cos().to(y.dtype).reshape(y.shape)
    with torch.no_grad():
        matrix = equation(t, unit).reshape(size, size).T
        wanted = (matrix @ probe.flatten()).reshape(y.shape)
        seen = [equation(at, factor * probe) / factor for at, factor in ((t, 1.0), (t, 3.0), (t + 0.7, 1.0))]
        rest = equation(t, torch.zeros_like(y)).abs().max()
    scale = float(wanted.abs().max()) or 1.0
    if float(rest) > LINEAR * scale or any(float((value - wanted).abs().max()) > LINEAR * scale for value in seen):
        return None
    return np.asarray(matrix.cpu().numpy(), dtype=np.complex128)


def _flat(states: Tensor) -> Complex:
    return np.asarray(states.reshape(len(states), -1).cpu().numpy(), dtype=np.complex128)
