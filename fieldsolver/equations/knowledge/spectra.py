"""Eigenvalues of the discrete operators: formulas where a transform diagonalises them, upper bounds elsewhere.

On an axis with reflection at both walls the discrete sines and cosines are eigenvectors of every even central
stencil, so its eigenvalues are its Fourier symbol at the wave numbers of that transform. On periodic axes this
holds for every stencil.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fieldsolver.space.boundary import Dirichlet, Neumann, Periodic
from fieldsolver.space.closure import ghost_rule
from fieldsolver.space.stencils import central_stencil, staggered_stencil, symbol

from ..lowering import Layout
from ..vocabulary import OPERATORS


@dataclass(frozen=True)
class Bound:
    """Where the eigenvalues of an operator lie.

    Attributes:
        kind: ``"exact"`` (the extremes are eigenvalues) or ``"upper"`` (nothing lies outside).
        lowest: smallest real part.
        highest: largest real part.
        imaginary: largest modulus of an imaginary part.
        reason: why it is not exact; empty if it is.
    """

    kind: str
    lowest: float
    highest: float
    imaginary: float
    reason: str = ""

    @property
    def radius(self) -> float:
        """Largest modulus."""
        return max(abs(self.lowest), abs(self.highest), self.imaginary)


def transform_of(layout: Layout, field: str, axis: int) -> str:
    """``"fourier"``, ``"cosine"``, ``"sine"``, ``"sine-cosine"``, ``"cosine-sine"`` or ``"none"`` (Robin)."""
    low, high = (type(layout.conditions[field][axis, end]) for end in (0, 1))
    names = {
        (Periodic, Periodic): "fourier",
        (Neumann, Neumann): "cosine",
        (Dirichlet, Dirichlet): "sine",
        (Dirichlet, Neumann): "sine-cosine",
        (Neumann, Dirichlet): "cosine-sine",
    }
    return names.get((low, high), "none")


def wave_numbers(layout: Layout, field: str, axis: int) -> np.ndarray:
    """Angles ``theta = k h`` of the modes of one axis; see `reference` formulas in the tests."""
    grid = layout.grid
    if grid is None:
        return np.zeros(1)
    points, on_node = grid.shape[axis], grid.has_end_nodes(axis)
    match transform_of(layout, field, axis):
        case "fourier":
            return 2 * np.pi * np.fft.fftfreq(points)
        case "cosine":
            return np.pi * np.arange(points) / (points - 1 if on_node else points)
        case "sine":
            return np.pi * (np.arange(1, points - 1) / (points - 1) if on_node else np.arange(1, points + 1) / points)
        case "sine-cosine" | "cosine-sine":
            intervals = points - 1 if on_node else points
            return np.pi * (np.arange(intervals) + 0.5) / intervals
    return np.linspace(0.0, np.pi, 2 * points + 1)


def axis_symbol(layout: Layout, axis: int, derivative: int, theta: np.ndarray) -> np.ndarray:
    """Eigenvalues of one derivative along one axis."""
    if layout.grid is None:
        raise ValueError("without a grid there is nothing to differentiate along")
    return symbol(derivative, layout.space_order, theta) / layout.grid.spacing[axis] ** derivative


def operator_symbol(layout: Layout, name: str, thetas: list[np.ndarray]) -> np.ndarray:
    """Eigenvalues of an operator on the tensor product of the modes; `thetas` are broadcastable, one per axis.

    ``diffusion`` has the symbol of the composed staggered stencils; its constant coefficient is left out.
    """
    word = OPERATORS[name]
    if name == "diffusion":
        return sum(_diffusion_symbol(layout, axis, theta) for axis, theta in enumerate(thetas))  # type: ignore[return-value]  # at least one axis
    if word.axis is not None:
        return axis_symbol(layout, word.axis, word.derivative_order, thetas[word.axis])
    return sum(axis_symbol(layout, axis, word.derivative_order, theta) for axis, theta in enumerate(thetas))  # type: ignore[return-value]  # as above


def is_diagonal(layout: Layout, field: str, name: str) -> bool:
    """Whether the transform of the boundary diagonalises the operator."""
    word = OPERATORS[name]
    axes = range(layout.dimension) if word.axis is None else (word.axis,)
    for axis in axes:
        transform = transform_of(layout, field, axis)
        if transform == "none" or (transform != "fourier" and word.derivative_order % 2 == 1):
            return False
    return True


def modes(layout: Layout, field: str) -> list[np.ndarray]:
    """Angles of all modes, one array per axis, shaped to broadcast against each other."""
    vectors = [wave_numbers(layout, field, axis) for axis in range(layout.dimension)]
    return [
        vector.reshape([-1 if other == axis else 1 for other in range(layout.dimension)])
        for axis, vector in enumerate(vectors)
    ]


def operator_bound(layout: Layout, field: str, name: str) -> Bound:
    """Bound on the spectrum of one operator acting on one field."""
    values = operator_symbol(layout, name, modes(layout, field))
    low, high, imaginary = float(values.real.min()), float(values.real.max()), float(np.abs(values.imag).max())
    if is_diagonal(layout, field, name):
        return Bound("exact", low, high, imaginary)
    word = OPERATORS[name]
    if word.derivative_order % 2 == 0 and _robin_is_mild(layout, field):
        # Ghosts are then between the odd and the even reflection, whose extremes bound the spectrum from both sides.
        return Bound("upper", low, max(high, 0.0), 0.0, "a Robin wall has no transform")
    radius = _row_sum(layout, field, name)
    odd = word.derivative_order % 2 == 1
    reason = "odd derivatives are not diagonal between walls" if odd else "a Robin wall has no transform"
    return Bound("upper", -radius, radius, radius, reason)


def _diffusion_symbol(layout: Layout, axis: int, theta: np.ndarray) -> np.ndarray:
    if layout.grid is None:
        raise ValueError("without a grid there is nothing to differentiate along")
    slope, _ = staggered_stencil(layout.space_order)
    offsets = [j - len(slope) / 2 + 0.5 for j in range(len(slope))]
    face = np.zeros(theta.shape, dtype=complex)
    for coefficient, offset in zip(slope, offsets, strict=True):
        face += float(coefficient) * np.exp(1j * offset * theta)
    return ((face * face).real + 0j) / layout.grid.spacing[axis] ** 2


def _robin_is_mild(layout: Layout, field: str) -> bool:
    grid = layout.grid
    if grid is None:
        return False
    for (axis, _), condition in layout.conditions[field].items():
        if isinstance(condition, Periodic):
            continue
        rule = ghost_rule(condition, 1, grid.spacing[axis], on_node=grid.has_end_nodes(axis))
        if abs(rule.mirror[0]) > 1 + 1e-12 or rule.wall[0] != 0:
            return False
    return True


def _row_sum(layout: Layout, field: str, name: str) -> float:
    """Gershgorin: the largest sum of moduli in a row, ghosts counted with their reflection factors."""
    word, grid = OPERATORS[name], layout.grid
    if grid is None:
        return 0.0
    total = 0.0
    for axis in range(layout.dimension) if word.axis is None else (word.axis,):
        stencil = central_stencil(word.derivative_order, layout.space_order)
        amplification = 1.0
        for end in (0, 1):
            condition = layout.conditions[field][axis, end]
            if not isinstance(condition, Periodic):
                width = len(stencil) // 2
                rule = ghost_rule(condition, width, grid.spacing[axis], on_node=grid.has_end_nodes(axis))
                factors = [abs(m) + abs(w) for m, w in zip(rule.mirror, rule.wall, strict=True)]
                amplification = max(amplification, *factors)
        total += float(sum(abs(c) for c in stencil)) * amplification / grid.spacing[axis] ** word.derivative_order
    return total
