"""The waves that fit the domain, and how the scheme on its grid makes them grow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.graph import SpatialOperator, walk
from fieldsolver.equations.knowledge import vertices
from fieldsolver.equations.knowledge.spectra import operator_symbol, transform_of, wave_numbers, waves
from fieldsolver.equations.lowering.pointwise import fold_constant
from fieldsolver.equations.vocabulary import AXES
from fieldsolver.space.boundary import AntiPeriodic, Dirichlet, Neumann, Periodic

from .factors import Factor
from .growth import sorted_rates
from .linearise import Linearised
from .numbers import Complex, Floats
from .symbol import Symbol

MOST = 40_000
"""Modes are taken from long to short; more than these are not looked at."""
CLOSED = ("fourier", "anti-fourier")


@dataclass(frozen=True)
class Modes:
    """The modes of the discrete equation, long waves first.

    Attributes:
        k: wave vectors ``(M, d)``.
        rate: fastest growth rate of the scheme at each ``(M,)``.
        continuous: that of the differential operators.
        multiplicity: how many modes share it (both signs of k), ``(M,)``.
        complete: whether these are all modes of the grid.
        nyquist: the largest wave number of the coarsest axis.
    """

    k: Floats
    rate: Complex
    continuous: Complex
    multiplicity: np.ndarray
    complete: bool
    nyquist: float

    @property
    def length(self) -> Floats:
        """``|k|``, ``(M,)``."""
        return np.sqrt((self.k**2).sum(-1))


def admissible(linearised: Linearised, symbol: Symbol, state: torch.Tensor) -> Modes | str:
    """The modes of the domain, or one sentence that says why they are not known.

    Args:
        linearised: the equation.
        symbol: its symbol at `state`.
        state: the uniform steady state ``(C,)``.
    """
    equation = linearised.equation
    if equation.layout.graph is not None:
        return _of_graph(equation, symbol)
    reason = _refusal(equation, symbol, state)
    if reason:
        return reason
    layout = equation.layout
    field = equation.fields[0]
    spacing = np.array(layout.required_grid().spacing)
    most = max(64, min(MOST, 8 * MOST // symbol.waves**3))
    angles = [wave_numbers(layout, field, axis) for axis in range(equation.layout.dimension)]
    theta = _long_ones(angles, most)
    closed = [transform_of(layout, field, axis) in CLOSED for axis in range(equation.layout.dimension)]
    theta, multiplicity = _one_of_each_pair(theta, np.array(closed))
    order = np.argsort(((theta / spacing) ** 2).sum(-1), kind="stable")[:most]
    theta, multiplicity = theta[order], multiplicity[order]
    matrices = symbol.at((len(theta),), lambda factor: _eigenvalue(equation, symbol, factor, theta))
    k = theta / spacing
    return Modes(
        k,
        _fastest(matrices),
        _fastest(symbol.continuous(k)),
        multiplicity,
        int(multiplicity.sum()) == math.prod(map(len, angles)),
        float(np.pi / spacing.max()),
    )


def _fastest(matrices: Complex) -> Complex:
    return sorted_rates(np.linalg.eigvals(matrices))[..., 0]


def _long_ones(angles: Sequence[Floats], most: int) -> Floats:
    """Angles of the tensor product ``(M, d)``, without the short waves of axes that have too many."""
    per_axis = math.ceil(4 * most ** (1 / len(angles)))
    kept = [axis[np.argsort(np.abs(axis), kind="stable")[:per_axis]] for axis in angles]
    return np.stack(np.meshgrid(*kept, indexing="ij"), -1).reshape(-1, len(angles))


def _one_of_each_pair(theta: Floats, closed: np.ndarray) -> tuple[Floats, np.ndarray]:
    """Of two waves that run against each other along the closed axes, one; -pi and pi are the same wave.

    A real equation makes both grow alike.
    """
    sign = np.zeros(len(theta))
    for axis in np.flatnonzero(closed):
        entry = np.where(np.isclose(np.abs(theta[:, axis]), np.pi), 0.0, theta[:, axis])
        sign = np.where(sign == 0, np.sign(entry), sign)
    keep = sign >= 0
    return theta[keep], np.where(sign[keep] > 0, 2, 1)


def _eigenvalue(equation: FieldEquation, symbol: Symbol, factor: Factor, theta: Floats) -> Complex:
    """Of a factor of the scheme at angles ``theta = k h``, ``(M, d)``."""
    layout = equation.layout
    spacing = np.array(layout.required_grid().spacing)
    modes = waves(layout, [theta[:, axis] for axis in range(theta.shape[1])])
    match factor.kind:
        case "derivative":
            return np.asarray(operator_symbol(layout, _word(factor), modes))
        case "diffusion" if factor.axis >= 0:
            return -((2 * np.sin(theta[:, factor.axis] / 2) / spacing[factor.axis]) ** 2) + 0j
        case "mixed":
            i, j = factor.axis, int(factor.power)
            return -np.sin(theta[:, i]) * np.sin(theta[:, j]) / (spacing[i] * spacing[j]) + 0j
        case "fractional":
            return -(((theta / spacing) ** 2).sum(-1) ** factor.power) + 0j
        case "kernel":
            return symbol.kernels[factor.name].transform(*(theta / spacing).T)
        case "mean":
            return (theta == 0).all(-1) + 0j
    return np.asarray(operator_symbol(layout, factor.kind, modes)) + 0j


def _word(factor: Factor) -> str:
    axis, order = AXES[factor.axis], int(factor.power)
    return f"d_d{axis}" if order == 1 else f"d{order}_d{axis}{order}"


def _of_graph(equation: FieldEquation, symbol: Symbol) -> Modes | str:
    """On a graph the eigenvalues of its Laplacian take the place of ``-k^2`` (Nakao and Mikhailov 2010)."""
    graph = vertices.current_graph(equation)
    found = vertices.modes(equation, graph) if graph is not None else None
    if graph is None or found is None or graph.directed or not vertices.keeps_uniform(graph):
        return "the modes of a directed graph, or of one with more than 1024 vertices, are not computed"
    values = np.sort(-found[0].eigenvalues(2))

    def eigenvalue(factor: Factor) -> Complex:
        return (values == 0) + 0j if factor.kind == "mean" else -values + 0j

    k = np.sqrt(np.maximum(values, 0.0))[:, None]
    rate = _fastest(symbol.at(values.shape, eigenvalue))
    return Modes(k, rate, rate, np.ones(len(k), dtype=int), True, float(k.max()))


def _refusal(equation: FieldEquation, symbol: Symbol, state: torch.Tensor) -> str:
    """Why the transforms of the walls are not the modes; empty if they are."""
    layout = equation.layout
    if layout.domains:
        return "the fields lie on grids of different resolution, which share no modes"
    if layout.mask is not None:
        return "the modes of a masked domain are not waves"
    if not all(layout.reflects(axis) for axis in range(layout.dimension)):
        return "the modes of this grid (unequal spacing, or walls by penalties) are not waves"
    nodes = list(walk(*equation.right_sides.values()))
    if layout.upwinds and any(isinstance(node, SpatialOperator) and node.name == "advection" for node in nodes):
        return "an upwind scheme has no single symbol"
    for axis in range(layout.dimension):
        kinds = {transform_of(layout, name, axis) for name in equation.fields}
        if len(kinds) > 1 or "none" in kinds:
            return f"the fields share no sines or cosines along {AXES[axis]!r}"
        if not kinds & set(CLOSED) and not _even(symbol, axis):
            return f"odd derivatives turn sines into cosines, and the walls of {AXES[axis]!r} let only one of them be"
    return _held(equation, state) or _edges(equation, symbol)


def _even(symbol: Symbol, axis: int) -> bool:
    """Whether every term reflects a wave along an axis into itself."""
    for monomial in symbol.terms:
        odd = sum(factor.power for factor in monomial if factor.kind == "derivative" and factor.axis == axis)
        odd += sum(axis in (factor.axis, int(factor.power)) for factor in monomial if factor.kind == "mixed")
        if odd % 2:
            return False
    return True


def _held(equation: FieldEquation, state: torch.Tensor) -> str:
    """Whether the walls leave the uniform state alone."""
    for name, sides in equation.layout.conditions.items():
        first, size = equation.layout.fields[name]
        own = state[first : first + size]
        for side, condition in sides.items():
            if isinstance(condition, Periodic):
                continue
            wall = equation.layout.wall_values.get(name, {}).get(side)
            value = fold_constant(wall) if wall is not None and not wall.depends else None
            fits = (
                (isinstance(condition, Neumann) and value == 0)
                or (isinstance(condition, AntiPeriodic) and bool((own == 0).all()))
                or (isinstance(condition, Dirichlet) and value is not None and bool((own - value).abs().max() <= 1e-12))
            )
            if not fits:
                return f"the walls hold {name!r} away from the uniform state"
    return ""


def _edges(equation: FieldEquation, symbol: Symbol) -> str:
    """Whether averages and convolutions act on the modes as on waves."""
    transforms = {
        transform_of(equation.layout, name, axis)
        for name in equation.fields
        for axis in range(equation.layout.dimension)
    }
    if symbol.has_mean and not transforms <= {"fourier", "cosine"}:
        return "averages over the domain couple the sines of these walls"
    used = {factor.name for monomial in symbol.terms for factor in monomial if factor.kind == "kernel"}
    for name in sorted(used):
        edge = equation.layout.kernels[name].edge
        if edge == "zero":
            return f"the kernel {name!r} sees nothing beyond the walls, so uniform states do not stay uniform there"
        if edge == "periodic" and transforms != {"fourier"}:
            return f"the kernel {name!r} repeats the domain, and the walls do not"
        even = all(symbol.kernels[name].is_even(axis) for axis in range(equation.layout.dimension))
        if edge == "reflect" and (transforms != {"cosine"} or not even):
            return f"the kernel {name!r} is reflected, which fits cosines and even kernels alone"
    return ""
