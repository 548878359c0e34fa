"""Eigenvalues of the discrete operators.

On an axis with reflection at both walls the discrete sines and cosines are eigenvectors of every even central
stencil, so its eigenvalues are its Fourier symbol at the wave numbers of that transform. On closed axes this holds for
every stencil. On any other axis (Robin walls, penalties, collocation, points of unequal distance) they are those of the
matrix of one operator along that axis.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fieldsolver.space.boundary import Absorbing, AntiPeriodic, Dirichlet, Neumann, Periodic
from fieldsolver.space.isotropic import isotropic_symbol, isotropic_weights
from fieldsolver.space.schemes import ISOTROPIC_POINTS, Scheme

from ..lowering import Layout
from ..vocabulary import OPERATORS
from .curved_range import curved_range
from .line_matrix import line_eigenvalues, line_norm, line_range, line_size
from .masked_range import masked_range

DIFFUSION = "diffusion"
# Above this many points the matrix of an axis is bounded by its norm instead of being diagonalised.
MAX_LINE = 1024


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
    """``"fourier"``, ``"anti-fourier"``, ``"cosine"``, ``"sine"``, ``"sine-cosine"``, ``"cosine-sine"``, ``"none"``."""
    if not layout.reflects(axis) or layout.mask is not None:
        return "none"
    low, high = (type(layout.conditions[field][axis, end]) for end in (0, 1))
    names = {
        (Periodic, Periodic): "fourier",
        (AntiPeriodic, AntiPeriodic): "anti-fourier",
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
        case "anti-fourier":
            return 2 * np.pi * (np.fft.fftfreq(points) + 0.5 / points)
        case "cosine":
            return np.pi * np.arange(points) / (points - 1 if on_node else points)
        case "sine":
            return np.pi * (np.arange(1, points - 1) / (points - 1) if on_node else np.arange(1, points + 1) / points)
        case "sine-cosine" | "cosine-sine":
            intervals = points - 1 if on_node else points
            return np.pi * (np.arange(intervals) + 0.5) / intervals
    return np.linspace(0.0, np.pi, 2 * points + 1)


@dataclass(frozen=True)
class AxisModes(ABC):
    """The modes of one axis, as arrays shaped to broadcast against those of the others."""

    @abstractmethod
    def eigenvalues(self, kind: int | str) -> np.ndarray:
        """Of a derivative, by its order, or of ``"diffusion"``."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of the arrays of eigenvalues."""

    @abstractmethod
    def thinned(self, keep: int) -> AxisModes:
        """At most `keep` modes, the extremes among them."""


@dataclass(frozen=True, eq=False)
class Waves(AxisModes):
    """Modes of a transform, by their angles ``theta = k h``."""

    scheme: Scheme
    spacing: float
    theta: np.ndarray

    def eigenvalues(self, kind: int | str) -> np.ndarray:
        if isinstance(kind, str):
            return self.scheme.diffusion_symbol(self.theta, self.spacing)
        return self.scheme.symbol(kind, self.theta, self.spacing)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.theta.shape

    def thinned(self, keep: int) -> AxisModes:
        return replace(self, theta=_thinned(np.abs(self.theta), keep))


@dataclass(frozen=True, eq=False)
class MatrixModes(AxisModes):
    """Eigenvectors of the matrix of one operator."""

    kind: int | str
    values: np.ndarray

    def eigenvalues(self, kind: int | str) -> np.ndarray:
        if kind != self.kind:
            raise ValueError(f"these are the modes of {self.kind}, not of {kind}")
        return self.values

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def thinned(self, keep: int) -> AxisModes:
        return replace(self, values=_thinned(self.values, keep))


def _thinned(values: np.ndarray, keep: int) -> np.ndarray:
    if values.size <= keep:
        return values
    flat = np.sort(values.ravel())
    chosen = np.unique(flat[np.linspace(0, flat.size - 1, keep).astype(int)])
    return chosen.reshape([-1 if length > 1 else 1 for length in values.shape])


def kind_of(name: str) -> int | str:
    """What an operator does along each of its axes: the order of the derivative, or ``"diffusion"``."""
    return name if name in (DIFFUSION, "divergence") else OPERATORS[name].derivative_order


def axes_of(layout: Layout, name: str) -> Iterable[int]:
    """The axes along which an operator acts."""
    axis = OPERATORS[name].axis
    return range(layout.dimension) if axis is None else (axis,)


def operator_symbol(layout: Layout, name: str, modes: Sequence[AxisModes]) -> np.ndarray:
    """Eigenvalues of an operator on the tensor product of the modes; that of diffusion with coefficient 1."""
    if name == "laplacian" and layout.isotropic:
        return _isotropic_symbol(layout, modes)
    kind = kind_of(name)
    return sum(modes[axis].eigenvalues(kind) for axis in axes_of(layout, name))  # type: ignore[return-value]  # at least one axis


def _isotropic_symbol(layout: Layout, modes: Sequence[AxisModes]) -> np.ndarray:
    grid, scheme = layout.required_grid(), layout.schemes[0]
    points = ISOTROPIC_POINTS[getattr(scheme, "laplacian", "")][grid.dimension]
    thetas = [axis.theta for axis in modes if isinstance(axis, Waves)]
    return isotropic_symbol(points, thetas) / grid.spacing[0] ** 2 + 0j


def is_diagonal(layout: Layout, field: str, axis: int, kind: int | str) -> bool:
    """Whether the transform of the boundary diagonalises an operator along an axis."""
    transform = transform_of(layout, field, axis)
    odd = isinstance(kind, int) and kind % 2 == 1
    return transform != "none" and (not odd or transform in ("fourier", "anti-fourier"))


def waves(layout: Layout, thetas: Sequence[np.ndarray]) -> list[AxisModes]:
    """Plane waves ``exp(i theta j)`` along every axis."""
    spacing = layout.required_grid().spacing if layout.grid is not None else ()
    return [Waves(*entry) for entry in zip(layout.schemes, spacing, thetas, strict=True)]


def modes(layout: Layout, field: str, operators: Iterable[str]) -> list[AxisModes] | None:
    """Modes that all of `operators` share on the domain of a field; None if there are none that are known."""
    used: list[set[int | str]] = [set() for _ in range(layout.dimension)]
    for name in operators:
        for axis in axes_of(layout, name):
            used[axis].add(kind_of(name))
    found = [_axis_modes(layout, field, axis, kinds) for axis, kinds in enumerate(used)]
    return None if any(entry is None for entry in found) else found  # type: ignore[return-value]  # none is None


def _axis_modes(layout: Layout, field: str, axis: int, kinds: set[int | str]) -> AxisModes | None:
    grid = layout.required_grid()
    if (layout.mask is not None or (layout.is_curved and not is_curved_line(layout))) and kinds:
        return None
    shape = [-1 if other == axis else 1 for other in range(layout.dimension)]
    if all(is_diagonal(layout, field, axis, kind) for kind in kinds):
        theta = wave_numbers(layout, field, axis)
        return Waves(layout.schemes[axis], grid.spacing[axis], theta.reshape(shape))
    if len(kinds) > 1 or grid.shape[axis] > MAX_LINE or layout.isotropic:
        return None
    (kind,) = kinds
    return MatrixModes(kind, line_eigenvalues(layout, field, axis, kind).reshape(shape))


def is_curved_line(layout: Layout) -> bool:
    """Whether curved coordinates have one axis, with a matrix small enough to be diagonalised."""
    return layout.dimension == 1 and layout.metric is None and layout.shape[0] <= MAX_LINE


def absorbs(layout: Layout, field: str) -> bool:
    """Whether waves of a field leave through a wall, so that its spectrum is not that of its operators alone."""
    return any(isinstance(condition, Absorbing) for condition in layout.conditions[field].values())


def operator_bound(layout: Layout, field: str, name: str) -> Bound:
    """Bound on the spectrum of one operator acting on one field."""
    if layout.is_curved and not is_curved_line(layout):
        return Bound("upper", *curved_range(layout, field, name), "the coefficients of the faces of cells")
    if name == "laplacian" and layout.isotropic:
        return _isotropic_bound(layout, field)
    total = Bound("exact", 0.0, 0.0, 0.0)
    for axis in axes_of(layout, name):
        part = _axis_bound(layout, field, axis, kind_of(name))
        total = replace(
            total,
            kind="exact" if total.kind == part.kind == "exact" else "upper",
            lowest=total.lowest + part.lowest,
            highest=total.highest + part.highest,
            imaginary=total.imaginary + part.imaginary,
            reason=total.reason or part.reason,
        )
    if absorbs(layout, field):
        return replace(total, kind="upper", reason="an absorbing wall couples the field to its velocity")
    return total


def _isotropic_bound(layout: Layout, field: str) -> Bound:
    found = modes(layout, field, ["laplacian"])
    if found is None:
        # All weights but the centre's are positive and sum to minus it; ghosts enlarge no value but by a Robin wall.
        radius = 2 * abs(isotropic_weights_of(layout)[0])
        return Bound("upper", -radius, radius, radius, "no transform fits the walls of the isotropic Laplacian")
    values = _isotropic_symbol(layout, found)
    return Bound("exact", float(values.real.min()), float(values.real.max()), 0.0)


def isotropic_weights_of(layout: Layout) -> tuple[float, ...]:
    """Weights of the isotropic Laplacian of a layout."""
    grid, scheme = layout.required_grid(), layout.schemes[0]
    return isotropic_weights(ISOTROPIC_POINTS[getattr(scheme, "laplacian", "")][grid.dimension], grid)


def _axis_bound(layout: Layout, field: str, axis: int, kind: int | str) -> Bound:
    if layout.mask is not None:
        return Bound("upper", *masked_range(layout, field, axis, kind), "the numerical range on any mask")
    found = _axis_modes(layout, field, axis, {kind})
    if found is None:
        radius = max(line_norm(layout, field, axis, kind), line_size(layout, field, axis, kind))
        lowest, highest = -radius, radius
        return Bound("upper", lowest, highest, radius, f"the norm of {grid_axis(layout, axis)}, which has no transform")
    values = found.eigenvalues(kind)
    exact = Bound("exact", float(values.real.min()), float(values.real.max()), float(np.abs(values.imag).max()))
    if isinstance(found, Waves):
        return exact
    box = line_range(layout, field, axis, kind)
    if np.allclose(box, (exact.lowest, exact.highest, exact.imaginary), rtol=1e-9, atol=1e-9 * exact.radius):
        return exact
    return Bound("upper", *box, "the numerical range of an operator that is not normal")


def grid_axis(layout: Layout, axis: int) -> str:
    """``"axis 'x'"``."""
    return f"axis {layout.required_grid().axes[axis]!r}"
