"""A solution as an xarray Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from fieldsolver.results import provenance_attributes

if TYPE_CHECKING:
    import xarray

    from fieldsolver.equations import FieldEquation

    from .solution import Solution


def to_dataset(solution: Solution) -> xarray.Dataset:
    """One variable per field (per state for plain functions), with coordinates, statistics and provenance."""
    import xarray

    batch = [f"batch_{i}" if solution.status.dim() > 1 else "batch" for i in range(solution.status.dim())]
    variables: dict[str, Any] = {}
    for name, values in _named(solution).items():
        dims = ["time", *batch, *_own_dims(solution, name, values, len(batch))]
        for suffix, part in _real_parts(values):
            variables[name + suffix] = (dims, part, {"units": "1", "long_name": f"field {name}{suffix}"})
    variables["status"] = (batch, _array(solution.status), {"units": "1", "long_name": "outcome of each sample"})
    for key in ("accepted", "rejected", "nfev"):
        variables[key] = (batch, _array(getattr(solution.stats, key)), {"units": "1", "long_name": key})
    return xarray.Dataset(variables, _coordinates(solution), _attributes(solution))


def _named(solution: Solution) -> dict[str, Tensor]:
    return {"y": solution.y} if solution.equation is None else solution.fields_inside()


def _own_dims(solution: Solution, name: str, values: Tensor, batch: int) -> list[str]:
    equation = solution.equation
    if equation is None:
        return [f"y_{i}" for i in range(values.dim() - 1 - batch)]
    axes = list(equation.axes_of(name))
    return [f"component_{name}", *axes] if equation.layout.fields[name][1] > 1 else axes


def _real_parts(values: Tensor) -> list[tuple[str, np.ndarray]]:
    if values.is_complex():
        return [("_re", _array(values.real)), ("_im", _array(values.imag))]
    return [("", _array(values))]


def _coordinates(solution: Solution) -> dict[str, Any]:
    coordinates: dict[str, Any] = {"time": ("time", _array(solution.t), {"units": "1", "long_name": "time"})}
    for field in solution.equation.statements if solution.equation is not None else ():
        coordinates |= grid_coordinates(solution.equation, field)  # type: ignore[arg-type]  # not None where it has fields
    return coordinates


def grid_coordinates(equation: FieldEquation, field: str) -> dict[str, Any]:
    """Positions along the axes of one field, as xarray takes them."""
    grid = equation.grid_of(field)
    if grid is None:
        return {}
    return {
        name: (name, grid.coordinate(axis).numpy(), {"units": "1", "long_name": f"coordinate {name}"})
        for axis, name in enumerate(equation.axes_of(field))
    }


def _attributes(solution: Solution) -> dict[str, Any]:
    attributes: dict[str, Any] = {"schema": "solution/1", **provenance_attributes(), **solution.attributes}
    stats = solution.stats
    attributes.update(method=stats.method, reason=stats.reason, backend=stats.backend, seconds=stats.seconds)
    if solution.equation is not None:
        attributes["equation"] = str(solution.equation)
        for name, value in solution.equation.describe_parameters().items():
            attributes[f"parameter_{name}"] = value
    return {key: str(value) if isinstance(value, (bool, type(None))) else value for key, value in attributes.items()}


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
