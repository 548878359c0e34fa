"""The words of the language as Python objects: the same graph as from text, built with operators on symbols."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fieldsolver.errors import EquationTypeError, listing, nearest
from fieldsolver.space.coordinate_systems import GRAPH

from . import build
from .coordinates import coordinates_of
from .domains import GridDeclaration, distinct_grids
from .graph import FieldSymbol, Node, VelocitySymbol
from .graph_domain import refuse_coordinate
from .modules import module_builder
from .vocabulary import AXES, CONSTANTS, FUNCTIONS, NOISES, OPERATORS, REDUCTIONS, TRANSFERS, TREATMENTS, WORDS


class Symbols:
    """Makes symbols, and carries every function and operator of the language as a method.

    ::

        s = fs.Symbols(grid)
        u, D = s.field("u"), s.parameter("D")
        fs.FieldEquation({u: D*s.laplacian(u) - s.sin(u)}, grid=grid, boundary=..., parameters={"D": 0.1})

    Args:
        grid: the grid of the equation, or a grid per field, or None; operators must know the number of axes.
        metric: that of the equation, if it has one.
    """

    def __init__(self, grid: GridDeclaration = None, *, metric: Any = None) -> None:
        self._grids = distinct_grids(grid)
        self._axes = self._grids[0].axes if self._grids else ()
        self._coordinates = coordinates_of(self._grids, metric)
        self._dimension = 1 if self._coordinates == GRAPH else len(self._axes)

    def field(self, name: str, components: int = 1, *, is_complex: bool = False) -> FieldSymbol:
        """A field."""
        return build.field(name, components, is_complex=is_complex)

    def d_dt(self, field: FieldSymbol) -> FieldSymbol:
        """The velocity of a field; as a key of the equations it makes them of second order in time."""
        if not isinstance(field, FieldSymbol) or isinstance(field, VelocitySymbol):
            raise EquationTypeError(f"d_dt takes a field symbol, got {field}")
        return build.velocity(field.name, field.components, is_complex=field.is_complex)

    def parameter(self, name: str, components: int = 1, *, is_complex: bool = False, spatial: bool = False) -> Node:
        """A parameter with one value, or one per component."""
        return build.parameter(name, components, is_complex=is_complex, spatial=spatial)

    def matrix(self, name: str, rows: int, columns: int, *, is_complex: bool = False) -> Node:
        """A matrix parameter, for ``K @ phi``."""
        return build.matrix(name, rows, columns, is_complex=is_complex)

    def signal(self, name: str, components: int = 1) -> Node:
        """A sampled input."""
        return build.signal(name, components)

    def module(self, name: str, module: Any) -> Callable[..., Node]:
        """A function that builds calls of a module."""
        return module_builder(name, module, *([grid.shape for grid in self._grids] or [()]))

    def convolve(self, kernel: str, operand: Any) -> Node:
        """Convolution with a declared kernel, given by its name."""
        return build.convolution(kernel, operand, dimension=self._dimension, coordinates=self._coordinates)

    def dot(self, left: Any, right: Any) -> Node:
        """``sum_i a_i b_i``."""
        return build.dot(left, right)

    @property
    def t(self) -> Node:
        """The time."""
        return build.time()

    def coordinate(self, name: str) -> Node:
        """``x``, ``y`` or ``z``, ``r`` or ``theta``: a coordinate of the grid."""
        if self._coordinates == GRAPH:
            refuse_coordinate(name)
        if name not in self._axes:
            raise EquationTypeError(f"the grid has no coordinate {name!r}; it has {listing(self._axes)}")
        return build.coordinate(name, self._axes.index(name))

    def __getattr__(self, name: str) -> Any:
        """Every other word: ``s.laplacian``, ``s.sin``, ``s.pi``, ``s.x``, ``s.white_noise`` ..."""
        if name in FUNCTIONS:
            return partial(build.function, name)
        if name in OPERATORS:
            return partial(build.operator, name, dimension=self._dimension, coordinates=self._coordinates)
        if name in REDUCTIONS:
            return partial(build.reduction, name, dimension=self._dimension)
        if name in TRANSFERS:
            return partial(build.transfer, name)
        if name in TREATMENTS:
            return partial(build.treatment, name)
        if name in NOISES:
            return partial(build.noise, name)
        if name in CONSTANTS:
            return build.constant(name)
        if name in self._axes or name in AXES:
            return self.coordinate(name)
        raise AttributeError(f"the equation language has no word {name!r}{nearest(name, WORDS)}")
