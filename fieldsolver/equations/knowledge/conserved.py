"""Linear quantities that the right-hand side never changes, whatever the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from ..field_equation import FieldEquation

GAP = 1e-9


def conserved_linear(equation: FieldEquation, *, samples: int | None = None, seed: int = 0) -> np.ndarray:
    """Weights ``w`` of shape ``(n, C)`` with ``d/dt sum_c w_c integral(y_c) = 0``.

    Found from the rates of random states: the null space of ``integral(f_c(y_i))``, accepted when its singular values
    lie a factor 1e-9 below the largest. Rows are in reduced echelon form, so that ``u + v`` reads as ``[1, 1]``.

    Args:
        equation: any declared equation without complex fields.
        samples: number of random states; default eight per component, at least 32.
        seed: of the generator.
    """
    components = equation.components
    count = samples or max(32, 8 * components)
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(count, *equation.state_shape, dtype=torch.float64, generator=generator) * 0.5 + 0.2
    times = torch.rand(count, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        rates = equation(times, states).reshape(count, components, -1)
    weights = equation.grid.weights().reshape(-1) if equation.grid is not None else torch.ones(1, dtype=torch.float64)
    sizes = (rates.abs() * weights).sum(-1).amax(0)  # how large the integral could be without cancellation
    integrals = (rates * weights).sum(-1) / sizes.clamp_min(1e-300)
    finite = integrals[torch.isfinite(integrals).all(-1)].numpy()
    if finite.shape[0] < components:
        return np.zeros((0, components))
    _, values, vectors = np.linalg.svd(finite, full_matrices=True)
    padded = np.concatenate([values, np.zeros(components - values.size)])
    null = vectors[padded <= GAP * np.sqrt(count)]
    return _reduced(null / sizes.clamp_min(1e-300).numpy()) if len(null) else np.zeros((0, components))


def _reduced(rows: np.ndarray) -> np.ndarray:
    """Reduced row echelon form with partial pivoting; entries at round-off become zero."""
    rows = rows / np.abs(rows).max(axis=1, keepdims=True)
    pivot = 0
    for column in range(rows.shape[1]):
        if pivot == len(rows):
            break
        best = pivot + int(np.argmax(np.abs(rows[pivot:, column])))
        if abs(rows[best, column]) < 1e-7:
            continue
        rows[[pivot, best]] = rows[[best, pivot]]
        rows[pivot] /= rows[pivot, column]
        for other in range(len(rows)):
            if other != pivot:
                rows[other] -= rows[other, column] * rows[pivot]
        pivot += 1
    return np.where(np.abs(rows) < 1e-8, 0.0, rows)
