"""What the lowering needs to know besides the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldsolver.errors import GridError
from fieldsolver.space.boundary import AntiPeriodic, Condition, Dirichlet, Periodic, Side, is_closed
from fieldsolver.space.convolution import Kernel
from fieldsolver.space.coordinate_systems import CARTESIAN
from fieldsolver.space.graphs import Graph
from fieldsolver.space.grid import Grid
from fieldsolver.space.line import line_of
from fieldsolver.space.mask import Mask
from fieldsolver.space.schemes import FiniteDifference, Scheme, Spectral

from ..coordinates import coordinates_of
from ..graph import Node

if TYPE_CHECKING:
    from fieldsolver.space.metric import Metric


@dataclass(frozen=True)
class Layout:
    """What the lowering needs to know besides the graph.

    Attributes:
        fields: the fields in state order, with their first component and number of components.
        parameters: names, in the order in which their values are passed.
        modules: names of the declared modules.
        grid: the grid, or None.
        conditions: per field and side.
        wall_values: expression of the boundary value per field and side; absent on periodic sides.
        schemes: how derivatives are taken, per axis.
        nonlocal_modules: names of the modules that see the whole grid.
        kernels: declared convolution kernels.
        signals: knots of the sampled inputs, float64 ``(K,)``.
        domains: the layout of its own grid per state, where the grids of the states differ; `grid` is then None.
        kernel_grids: the grid of every kernel in that case.
        graph: the graph, where the domain is one; there are no grid, no conditions and no schemes then.
        mask: the cells that belong to the domain; None for all.
        mask_conditions: per field, at the border of the mask.
        mask_values: expression of the value there, per field.
        metric: the Riemannian metric in which operators and integrals are meant, or None.
    """

    fields: Mapping[str, tuple[int, int]]
    parameters: tuple[str, ...]
    modules: tuple[str, ...]
    grid: Grid | None
    conditions: Mapping[str, Mapping[Side, Condition]]
    wall_values: Mapping[str, Mapping[Side, Node]]
    schemes: tuple[Scheme, ...] = ()
    nonlocal_modules: frozenset[str] = frozenset()
    kernels: Mapping[str, Kernel] = field(default_factory=dict)
    signals: Mapping[str, Tensor] = field(default_factory=dict)
    domains: Mapping[str, Layout] = field(default_factory=dict)
    kernel_grids: Mapping[str, Grid] = field(default_factory=dict)
    graph: Graph | None = None
    mask: Mask | None = None
    mask_conditions: Mapping[str, Condition] = field(default_factory=dict)
    mask_values: Mapping[str, Node] = field(default_factory=dict)
    metric: Metric | None = None

    @property
    def coordinates(self) -> str:
        """The coordinates in which operators are meant."""
        return coordinates_of([] if self.grid is None else [self.grid], self.metric)

    @property
    def is_curved(self) -> bool:
        """Whether operators are those of curved coordinates or a metric."""
        return self.coordinates != CARTESIAN

    @property
    def dimension(self) -> int:
        """Number of grid axes."""
        if self.domains:
            return next(iter(self.domains.values())).dimension
        if self.graph is not None:
            return self.graph.dimension
        return self.grid.dimension if self.grid else 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Points per axis of a field on the only grid or graph; empty without any."""
        if self.graph is not None:
            return self.graph.shape
        return self.required_grid().shape if self.grid is not None or self.domains else ()

    def required_grid(self) -> Grid:
        """The grid; raises `GridError` if there is none, or several."""
        if self.domains:
            raise GridError("this needs one grid, but the fields lie on grids of different resolution")
        if self.graph is not None:
            raise GridError("this needs a grid, with coordinates and distances, and the domain is a graph")
        if self.grid is None:
            raise GridError("this expression needs a grid; pass grid=fs.Grid(...)")
        return self.grid

    def weights(self, device: torch.device | str = "cpu") -> Tensor:
        """Quadrature weights of the norm in which the operators are stated, float64 ``(*grid)``.

        Zero outside a mask; with a mask per sample ``(B, *grid)``.
        The cell volumes of the grid, along an axis with penalties the norm of the summation by parts, and on Chebyshev
        points those of Clenshaw and Curtis. With a metric they carry its volume density, at its current weights.
        """
        if self.grid is not None and self.grid.system != CARTESIAN:
            return self.grid.weights(device=device)
        total = torch.ones((), dtype=torch.float64, device=device)
        for axis in range(self.dimension):
            total = total.unsqueeze(-1) * self._axis_weights(axis, device)
        if self.metric is not None:
            total = total * self.metric.volume_density().detach().to(total)
        return total if self.mask is None else total * self.mask.inside.to(device)

    def _axis_weights(self, axis: int, device: torch.device | str) -> Tensor:
        grid = self.required_grid()
        points, bounds = grid.shape[axis], grid.bounds[axis]
        if self.penalises(axis):
            from fieldsolver.space.summation_by_parts import SummationByParts

            return SummationByParts(int(self.schemes[axis].order), points, grid.spacing[axis]).norm(device)
        if self.collocates(axis):
            from fieldsolver.space.spectral import ChebyshevLine

            return ChebyshevLine(points, *bounds).weights(device)
        return line_of(grid, axis).weights(device=device)

    def on_grids(self, grids: Mapping[str, Grid], kernel_grids: Mapping[str, Grid]) -> Layout:
        """The same for states on grids of their own: states on equal grids share a domain."""
        domains = {
            grid: replace(
                self,
                grid=grid,
                conditions={name: self.conditions[name] for name in grids if grids[name] == grid},
                wall_values={name: self.wall_values[name] for name in grids if grids[name] == grid},
            )
            for grid in dict.fromkeys(grids.values())
        }
        return replace(self, domains={name: domains[grid] for name, grid in grids.items()}, kernel_grids=kernel_grids)

    def of(self, state: str) -> Layout:
        """The layout on the grid of one state: this one, unless the grids differ."""
        return self.domains.get(state, self)

    def kernel_grid(self, kernel: str) -> Grid:
        """The grid on which a kernel is convolved."""
        return self.kernel_grids[kernel] if self.kernel_grids else self.required_grid()

    @property
    def space_order(self) -> float:
        """Order of accuracy inside the domain; infinite where every axis is spectral."""
        return min((scheme.order for scheme in self.schemes), default=math.inf)

    def is_periodic(self, axis: int) -> bool:
        """Whether every field repeats along `axis`."""
        return all(isinstance(sides[axis, 0], Periodic) for sides in self.conditions.values())

    def is_closed(self, axis: int) -> bool:
        """Whether `axis` closes on itself, with or without a change of sign."""
        return all(is_closed(sides[axis, 0]) for sides in self.conditions.values())

    def reflects(self, axis: int) -> bool:
        """Whether `axis` has points of equal distance and walls, if any, that mirror what is inside."""
        return self.required_grid().is_uniform(axis) and not self.penalises(axis) and not self.is_curved

    def collocates(self, axis: int) -> bool:
        """Whether `axis` carries the points of Chebyshev and the scheme that belongs to them."""
        return isinstance(self.schemes[axis], Spectral) and not self.required_grid().is_uniform(axis)

    def schemes_text(self) -> str:
        """The schemes in words, axis by axis where they differ."""
        if len(set(self.schemes)) == 1:
            return str(self.schemes[0])
        pairs = zip(self.required_grid().axes, self.schemes, strict=True)
        return "; ".join(f"{name}: {scheme}" for name, scheme in pairs)

    @property
    def isotropic(self) -> bool:
        """Whether the Laplacian is one stencil instead of a sum over axes."""
        return any(isinstance(scheme, FiniteDifference) and scheme.laplacian != "axes" for scheme in self.schemes)

    @property
    def upwinds(self) -> bool:
        """Whether ``advection`` is more than a velocity times a central derivative, on any axis."""
        return any(self.penalises(axis) or _upwinds(scheme) for axis, scheme in enumerate(self.schemes))

    def penalises(self, axis: int) -> bool:
        """Whether the walls of `axis` act through penalties on one-sided differences."""
        scheme = self.schemes[axis]
        by_parts = isinstance(scheme, FiniteDifference) and scheme.closure == "summation_by_parts"
        return by_parts and not self.is_closed(axis)


def _upwinds(scheme: Scheme) -> bool:
    return isinstance(scheme, FiniteDifference) and scheme.advection != "central"


MASK = ("flags of the mask", "anchor of the mask")
"""Names of the two inputs that hold the mask, which are no names of the language."""


def knots(signal: str) -> str:
    """Name of the input that holds the times of a signal."""
    return f"times of {signal}"


def held_sides(layout: Layout, field: str) -> list[Side]:
    """Sides on which the unknowns of `field` follow from its boundary condition instead of its equation."""
    layout = layout.of(field)
    return [side for side, condition in layout.conditions[field].items() if _is_held(layout, side, condition)]


def _is_held(layout: Layout, side: Side, condition: Condition) -> bool:
    axis = side[0]
    if not layout.required_grid().has_end_nodes(axis) or layout.penalises(axis):
        return False
    return layout.collocates(axis) or isinstance(condition, Dirichlet)


def wraps(condition: Condition) -> float:
    """The factor by which a closed axis continues a field."""
    return -1.0 if isinstance(condition, AntiPeriodic) else 1.0
