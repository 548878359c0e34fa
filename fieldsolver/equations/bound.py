"""An equation at other values of its parameters, one per sample: what a layer, or a sweep, feeds at every call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, ParameterError, listing, nearest

from .field_equation import FieldEquation
from .lowering import Tape
from .parameters import Declared

BINDABLE = ("global", "per sample", "spatial")


@dataclass(frozen=True)
class Ramp:
    """A value that goes from `before` at `t0` to `after` at `t1` on a straight line.

    Attributes:
        before, after: ``(B, C)`` or ``(B, C, *grid)``, as for a value that stays.
        t0, t1: two different times.
    """

    before: Tensor
    after: Tensor
    t0: float
    t1: float


def value_shape(equation: FieldEquation, name: str) -> tuple[int, ...]:
    """The shape of one sample's value of a parameter: ``(C,)``, or ``(C, *grid)`` if it is `Spatial`.

    Raises:
        OptionError: no parameter has this name, or it has no value per sample (a matrix, a `Signal`, an expression).
    """
    item = equation.declared.get(name)
    if item is None:
        known = [key for key, one in equation.declared.items() if one.place in BINDABLE]
        raise OptionError(f"the equation has no parameter {name!r}; it has {listing(known)}{nearest(name, known)}")
    if item.place not in BINDABLE:
        raise OptionError(
            f"parameter {name!r} is a {item.place}, which has no value per sample; declare a number, a vector or "
            "fs.Spatial(...) in its place"
        )
    return (
        (item.components, *item.value.shape[-equation.dimension :]) if item.place == "spatial" else (item.components,)
    )


def bound(equation: FieldEquation, values: Mapping[str, Tensor | Ramp]) -> FieldEquation:
    """The same equation, sharing its weights, with these values in place of the declared ones.

    The values are as meant (not as stored: a positive one is not its logarithm) and may carry a graph. With values per
    sample, states have B samples.

    Args:
        equation: the declared equation, which stays as it is.
        values: ``(B, C)`` by name, ``(B, C, *grid)`` for `Spatial` parameters, or a `Ramp` of two of these. Without the
            axis of the samples a value is the same for all.

    Raises:
        OptionError: a name that is not known, or has no value per sample.
        ParameterError: a value of another shape.
    """
    view = object.__new__(_Bound)
    view.__dict__.update(equation.__dict__)
    packed = {name: _packed(equation, name, given) for name, given in values.items()}
    view.__dict__["declared"] = {
        name: _declared(equation, item, packed[name]) if name in packed else item
        for name, item in equation.declared.items()
    }
    view.__dict__["_buffers"] = {**equation._buffers, **{f"constant_{name}": packed[name] for name in packed}}
    view.__dict__["ramps"] = {name: (one.t0, one.t1) for name, one in values.items() if isinstance(one, Ramp)}
    return view


def _packed(equation: FieldEquation, name: str, given: Tensor | Ramp) -> Tensor:
    """(B, C, ...), or (B, 2 C, ...) with both ends of a ramp: one tensor, whose rows the loop can select."""
    shape = value_shape(equation, name)
    # Axes are counted first: comparing B with a size would tell an exporter that the batch must not be of that size.
    if isinstance(given, Tensor) and given.dim() == len(shape) and tuple(given.shape) == shape:
        return given.reshape(()) if shape == (1,) else given
    for value in (given.before, given.after) if isinstance(given, Ramp) else (given,):
        if tuple(value.shape[1:]) != shape:
            expected = ", ".join(map(str, shape))
            raise ParameterError(f"{name!r} has shape {tuple(value.shape)}, expected (B, {expected})")
    return torch.cat((given.before, given.after), dim=1) if isinstance(given, Ramp) else given


def _declared(equation: FieldEquation, item: Declared, value: Tensor) -> Declared:
    """A number per sample, or the same for all."""
    everywhere = "spatial" if item.place == "spatial" else "global"
    single = value.dim() < 1 + len(value_shape(equation, item.name))
    return replace(item, value=value, transform=None, place=everywhere if single else "per sample")


class _Bound(FieldEquation):
    """Made by `bound` only; a class of its own because ramps have to be followed in time."""

    ramps: dict[str, tuple[float, float]]

    def _run(
        self, tape: Tape, values: Mapping[str, Tensor], weights: Mapping[str, Tensor] | None, t: Tensor, y: Tensor
    ) -> list[Any]:
        now = {name: _at(values[name], t, *ends) for name, ends in self.ramps.items()}
        return super()._run(tape, {**values, **now}, weights, t, y)


def _at(ends: Tensor, t: Tensor, t0: float, t1: float) -> Tensor:
    before, after = ends.chunk(2, dim=1)
    weight = ((t - t0) / (t1 - t0)).to(ends.device)
    weight = weight.reshape(-1, *((1,) * (ends.dim() - 1))) if weight.dim() else weight
    # A weight in float64 would promote a float32 input; a product of both ends is exact at either of them.
    weight = weight.to(ends.real.dtype if ends.is_complex() else ends.dtype)
    return (1 - weight) * before + weight * after
