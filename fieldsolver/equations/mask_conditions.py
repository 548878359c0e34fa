"""What holds at the border of a mask: the entry ``"mask"`` of ``boundary=``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fieldsolver.errors import BoundaryError, GridError
from fieldsolver.space.boundary import Condition, Declaration, Dirichlet, Neumann, Side, is_closed
from fieldsolver.space.coordinate_systems import CARTESIAN
from fieldsolver.space.grid import Grid
from fieldsolver.space.mask import Mask
from fieldsolver.space.schemes import FiniteDifference, Scheme

from . import build
from .calculus.differentiate import differentiate
from .grammar import Scope
from .graph import CoordinateSymbol, Node, walk
from .wall_values import parse_value

KEY = "mask"


def split_boundary(
    boundary: Declaration, mask: Any, fields: Sequence[str], axes: Sequence[str]
) -> tuple[Declaration, dict[str, Condition]]:
    """The boundary without its entries for the mask, and those entries per field.

    Raises:
        BoundaryError: an entry without a mask, a mask without an entry, or a condition that a mask cannot have.
    """
    declared: dict[str, Any] = {}
    rest: Any = boundary
    if isinstance(boundary, Condition):
        declared = dict.fromkeys(fields, boundary) if mask is not None else {}
    elif isinstance(boundary, Mapping):
        if any(name in boundary for name in fields):
            rest, declared = _split_fields(boundary, mask, fields)
        elif KEY in boundary:
            rest, declared = _without(boundary), dict.fromkeys(fields, boundary[KEY])
    if mask is None:
        if declared:
            raise BoundaryError('boundary has the key "mask", but there is no mask; pass mask=inside, or drop the key')
        return rest, {}
    if not axes:  # a mask without grid is refused where it is declared
        return rest, {}
    for name in fields:
        _check(name, declared.get(name), axes)
    return rest, {name: declared[name] for name in fields}


def _split_fields(
    boundary: Mapping[str, Any], mask: Any, fields: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    if KEY in boundary and KEY not in fields:
        raise BoundaryError(
            'boundary has the key "mask" beside fields; write it among the sides of every field, '
            f'{{"{fields[0]}": {{..., "mask": fs.Neumann(0)}}}}'
        )
    declared: dict[str, Any] = {}
    for name, entry in boundary.items():
        if isinstance(entry, Mapping) and KEY in entry:
            declared[name] = entry[KEY]
        elif isinstance(entry, Condition) and mask is not None:
            declared[name] = entry
    return {
        name: _without(entry) if isinstance(entry, Mapping) else entry for name, entry in boundary.items()
    }, declared


def _without(sides: Mapping[str, Any]) -> dict[str, Any]:
    return {key: condition for key, condition in sides.items() if key != KEY}


def _check(field: str, condition: Any, axes: Sequence[str]) -> None:
    if condition is None:
        raise BoundaryError(
            f'mask= was given, but the boundary of {field!r} says nothing at the mask; add "mask": fs.Neumann(0), or '
            "fs.Dirichlet(value)"
        )
    if not isinstance(condition, Condition):
        raise BoundaryError(f"the mask needs a condition such as fs.Neumann(0) for {field!r}, got {condition!r}")
    if is_closed(condition):
        kind = type(condition).__name__
        sides = ", ".join(f'"{axis}": fs.{kind}()' for axis in axes)
        raise BoundaryError(
            f"fs.{kind}() says nothing at the border of the mask; write boundary={{{sides}, "
            '"mask": fs.Neumann(0)} or another condition at the mask'
        )
    if isinstance(condition, Neumann) and condition.value != 0:
        raise BoundaryError(
            f"at the mask {field!r} has fs.Neumann({condition.value!r}), but a slope there is not supported, because "
            "the faces of cells are not the border's own; use fs.Neumann(0) with a source term, or fs.Dirichlet(value)"
        )
    if not isinstance(condition, (Neumann, Dirichlet)):
        raise BoundaryError(
            f"at the mask {field!r} has {condition!r}; only fs.Neumann(0) and fs.Dirichlet(value) are known there, "
            'write boundary={..., "mask": fs.Neumann(0)}'
        )


def declare_mask_values(
    conditions: Mapping[str, Condition],
    scope: Scope,
    parameters: Sequence[str],
    orders: Mapping[str, int],
    complex_fields: frozenset[str],
) -> tuple[dict[str, Condition], dict[str, Node]]:
    """Conditions and values at the mask of all states; a velocity has those of its field, differentiated in time."""
    known = Scope({name: scope.symbols[name] for name in parameters}, {}, axes=scope.axes)
    resolved: dict[str, Condition] = {}
    values: dict[str, Node] = {}
    for name, condition in conditions.items():
        node = _value(name, condition, known, is_complex=name in complex_fields)
        resolved[name], values[name] = condition, node
        if orders[name] == 2:
            velocity = scope.velocities[name].content[0]
            resolved[velocity], values[velocity] = condition, differentiate(node, build.time())
    return resolved, values


def _value(field: str, condition: Condition, scope: Scope, *, is_complex: bool) -> Node:
    where = f"the boundary value of {field!r} at the mask"
    if not isinstance(condition, Dirichlet):
        return build.number(0)
    node = parse_value(where, field, condition.value, scope, is_complex=is_complex)
    coordinates = [part.name for part in walk(node) if isinstance(part, CoordinateSymbol)]
    if coordinates:
        raise BoundaryError(
            f"{where} contains the coordinate {coordinates[0]!r}, which a cell has at its centre and not on its faces; "
            "use a function of t and parameters, among them fs.Spatial with the value at the border of every cell"
        )
    return node


def declare_mask(inside: Any, grids: Sequence[Grid], closed: Sequence[str], schemes: Sequence[Scheme]) -> Mask | None:
    """The domain, or None for the whole grid.

    Args:
        inside: as the user gave it.
        grids: the grids of the fields.
        closed: names of the axes that close on themselves.
        schemes: how derivatives are taken, per axis.

    Raises:
        GridError: no mask for this grid, or a scheme that knows none.
    """
    if inside is None:
        return None
    if len(grids) != 1:
        many = "the fields lie on several; give them one" if grids else "there is none; pass grid=fs.Grid(...)"
        raise GridError(f"mask= belongs to one grid, and {many}")
    (grid,) = grids
    if not isinstance(grid, Grid) or grid.system != CARTESIAN:
        raise GridError(f"mask= needs a grid in Cartesian coordinates, fs.Grid(shape, extent=...), got {grid!r}")
    if not isinstance(inside, torch.Tensor):
        raise GridError(f"mask= is a bool tensor of the shape of the grid, got {type(inside).__name__}")
    for axis, scheme in enumerate(schemes):
        if scheme != FiniteDifference(2) or not grid.is_uniform(axis):
            nodes = "" if grid.is_uniform(axis) else " with nodes of its own"
            raise GridError(
                "with mask= every axis is uniform and has scheme=fs.FiniteDifference(order=2), the default; got "
                f"{scheme!r} along {grid.axes[axis]!r}{nodes}"
            )
    return Mask(inside.detach().clone(), grid, periodic=closed)


def closed_axes(conditions: Mapping[str, Mapping[Side, Condition]], axes: Sequence[str]) -> list[str]:
    """Names of the axes that close on themselves."""
    first: Mapping[Side, Condition] = next(iter(conditions.values()), {})
    return [name for axis, name in enumerate(axes) if is_closed(first[axis, 0])]
