"""Observations for `fit`: read from a dict or an xarray Dataset, checked, brought to the layout of predictions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing, nearest


@dataclass(frozen=True)
class Observations:
    """What was seen, and when.

    Attributes:
        t: (T,) float64, increasing.
        values: per observed field (T, *own), float64; `own` is ``(*grid)`` or ``(c, *grid)``. NaN: not observed.
        units: units of the fields and of ``"time"``, where the data named them.
    """

    t: Tensor
    values: dict[str, Tensor]
    units: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of observed numbers."""
        return sum(int((~values.isnan()).sum()) for values in self.values.values())


def read_observations(data: Any, equation: FieldEquation, noise: str) -> Observations:
    """Read `data`; see `fit`.

    Raises:
        OptionError: one sentence about the first thing that cannot be.
    """
    times, given, units = _parts(data, equation)
    t = _times(times)
    if not given:
        raise OptionError(f"the data hold no field of the equation; fields: {listing(equation.fields)}")
    values = {name: _values(name, value, t, equation) for name, value in given.items()}
    for name, value in values.items():
        _check_values(name, value, t, noise)
    return Observations(t, values, units)


def own_shape(equation: FieldEquation, name: str) -> tuple[int, ...]:
    """Shape of one field without batch: ``(*grid)``, or ``(c, *grid)`` for several components."""
    size, grid = equation.layout.fields[name][1], equation.space.shape_of(name)
    return (size, *grid) if size > 1 else grid


def _parts(data: Any, equation: FieldEquation) -> tuple[Any, dict[str, Any], dict[str, str]]:
    xarray = sys.modules.get("xarray")  # a Dataset can only come from somebody who has imported it
    if xarray is not None and isinstance(data, xarray.Dataset):
        return _dataset_parts(data, equation)
    if not isinstance(data, Mapping):
        raise OptionError(
            f"data is a dict {{'t': times, field: values}} or an xarray Dataset, got {type(data).__name__}"
        )
    if "t" not in data:
        raise OptionError(f"the data lack the times; add 't' to {listing(map(str, data))}")
    given = {name: value for name, value in data.items() if name != "t"}
    for name in given:
        _known_field(name, equation)
    return data["t"], given, {}


def _dataset_parts(data: Any, equation: FieldEquation) -> tuple[Any, dict[str, Any], dict[str, str]]:
    if "time" not in data.coords:
        raise OptionError(f"the Dataset has no coordinate 'time'; coordinates: {listing(map(str, data.coords))}")
    # A variable without time (a status, a count of steps) is no observation.
    timed = {str(name): variable for name, variable in data.data_vars.items() if "time" in variable.dims}
    for name in timed:
        _known_field(name, equation)
    given = {
        name: variable.transpose("time", ..., *equation.axes_of(name), missing_dims="ignore")
        for name, variable in timed.items()
    }
    units = {name: str(v.attrs["units"]) for name, v in {**timed, "time": data["time"]}.items() if "units" in v.attrs}
    return data["time"].values, {name: variable.values for name, variable in given.items()}, units


def _known_field(name: Any, equation: FieldEquation) -> None:
    fields = equation.fields
    if name not in fields:
        raise OptionError(
            f"the data have {name!r}, which is no field; fields: {listing(fields)}{nearest(str(name), fields)}"
        )


def _times(given: Any) -> Tensor:
    t = _numbers(given, "the times of the data")
    if t.dim() != 1 or t.numel() == 0:
        raise OptionError(f"the times of the data must have shape (T,), got {tuple(t.shape)}")
    if not torch.isfinite(t).all():
        raise OptionError("the times of the data contain NaN or infinity")
    steps = t.diff()
    if (steps <= 0).any():
        place = int((steps <= 0).nonzero()[0])
        raise OptionError(
            f"the times of the data must increase, but {t[place + 1].item():g} follows {t[place].item():g}; "
            "sort them, and give repeated measurements their mean"
        )
    return t


def _values(name: str, given: Any, t: Tensor, equation: FieldEquation) -> Tensor:
    values = _numbers(given, f"the data of {name!r}")
    expected = (t.numel(), *own_shape(equation, name))
    if tuple(values.shape) != expected:
        raise OptionError(f"the data of {name!r} have shape {tuple(values.shape)}, expected {expected}")
    return values


def _numbers(given: Any, what: str) -> Tensor:
    try:
        numbers = given if isinstance(given, Tensor) else torch.from_numpy(np.array(given))  # arrays may be read-only
        if numbers.is_complex() or numbers.dtype == torch.bool:
            raise TypeError
    except (TypeError, ValueError, RuntimeError):
        raise OptionError(f"{what} must be real numbers, got {_kind(given)}; convert dates to numbers first") from None
    return numbers.detach().to("cpu", torch.float64)


def _kind(given: Any) -> str:
    return str(getattr(given, "dtype", type(given).__name__))


def _check_values(name: str, values: Tensor, t: Tensor, noise: str) -> None:
    seen = ~values.isnan()
    if not seen.any():
        raise OptionError(f"{name!r} is NaN at all times; leave a field that was not observed out of the data")
    if values.isinf().any():
        raise OptionError(f"the data of {name!r} contain infinity; write NaN for what was not observed")
    wrong = seen & (values <= 0)
    if noise == "lognormal" and wrong.any():
        place = wrong.nonzero()[0]
        raise OptionError(
            f"noise='lognormal' needs positive data, but {name!r} is {values[tuple(place)].item():g} at "
            f"t = {t[place[0]].item():g}; use noise='normal', or NaN where nothing was observed"
        )
