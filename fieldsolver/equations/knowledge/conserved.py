"""Linear quantities that the right-hand side never changes, whatever the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from fieldsolver.errors import EquationError

from ..graph import Function, walk
from .domains import weights as domain_weights

if TYPE_CHECKING:
    from ..field_equation import FieldEquation

GAP = 1e-13
SIZES = (0.05, 0.5, 5.0, 50.0)
SWITCHES = frozenset({"where", "heaviside", "relu", "sign", "abs", "min", "max"})


def conserved_linear(equation: FieldEquation, *, samples: int | None = None, seed: int = 0) -> np.ndarray:
    """Weights ``w`` of shape ``(n, C)`` with ``d/dt sum_c w_c integral(y_c) = 0`` for every state that was tried.

    Found from the rates of random states of four sizes at random times: the null space of ``integral(f_c(y_i))``,
    accepted where its singular values lie at round-off. That is evidence, not a proof. A law that switches (``where``,
    ``relu`` and the like) can hide from samples, so nothing is claimed for it. Rows are in reduced echelon form:
    ``u + v`` reads as ``[1, 1]``.

    Args:
        equation: any declared equation without complex fields and per-sample parameters.
        samples: number of random states per size; default eight per component, at least 32.
        seed: of the generator.

    Raises:
        EquationError: the equation has complex fields or per-sample parameters.
    """
    _refuse(equation)
    components = equation.components
    if any(isinstance(node, Function) and node.name in SWITCHES for node in walk(*equation.right_sides.values())):
        return np.zeros((0, components))
    count = samples or max(32, 8 * components)
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.tensor(SIZES, dtype=torch.float64).repeat_interleave(count)
    shape = (len(sizes), *equation.state_shape)
    spread = sizes.reshape(-1, *[1] * len(equation.state_shape))
    states = (0.2 + torch.randn(shape, dtype=torch.float64, generator=generator)) * spread
    times = 10 ** (6 * torch.rand(len(sizes), dtype=torch.float64, generator=generator) - 3)
    with torch.no_grad():
        rates = equation(times, states)
    integrals = _integrals(equation, rates)
    # How large the integrals of one state could be without cancellation: every state counts alike.
    scale = _integrals(equation, rates.abs()).amax(-1, keepdim=True)
    relative = integrals / scale.clamp_min(1e-300)
    finite = relative[torch.isfinite(relative).all(-1)].numpy()
    if finite.shape[0] < components:
        return np.zeros((0, components))
    _, values, vectors = np.linalg.svd(finite, full_matrices=True)
    padded = np.concatenate([values, np.zeros(components - values.size)])
    null = vectors[padded <= GAP * np.sqrt(len(finite))]
    return _reduced(null) if len(null) else np.zeros((0, components))


def _integrals(equation: FieldEquation, states: torch.Tensor) -> torch.Tensor:
    """Integrals of all components, ``(B, C)``."""
    integrals = []
    for name, values in equation.space.unpack(states).items():
        weights = domain_weights(equation, equation.layout.of(name)).reshape(-1)
        size = equation.layout.fields[name][1]
        integrals.append((values.reshape(len(states), size, -1) * weights).sum(-1))
    return torch.cat(integrals, dim=-1)


def _refuse(equation: FieldEquation) -> None:
    if equation.is_complex:
        raise EquationError("conserved quantities are searched for real systems; write real and imaginary part apart")
    refuse_per_sample(equation, "conserved quantities are")


def refuse_per_sample(equation: FieldEquation, what: str) -> None:
    """Refuse an equation whose parameters differ from sample to sample."""
    for name, item in equation.declared.items():
        if item.place == "per sample":
            raise EquationError(f"{what} those of one system, but {name!r} differs between samples; give it one value")
    if equation.layout.mask is not None and equation.layout.mask.samples is not None:
        raise EquationError(f"{what} those of one system, but the mask differs between samples; give mask= of one")


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
