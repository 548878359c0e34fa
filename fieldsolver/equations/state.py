"""States: the fields of a system as one tensor ``(*batch, C, *grid)``, and back.

Fields on grids of their own, of different resolution, lie one after the other in ``(*batch, N)``, flattened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import StateError, listing, nearest


def field_name(state: str) -> str:
    """``"du/dt"`` -> ``"u"``; the name of a field is itself."""
    return state[1:-3] if state.endswith("/dt") else state


@dataclass(frozen=True)
class StateSpace:
    """Where every field lies in the state.

    Attributes:
        fields: first component and number of components per field, in state order.
        grid_shape: points per axis, empty without a grid and where fields have grids of their own.
        complex_fields: names of the complex fields.
        own_shapes: points per axis of every field, where they have grids of their own; else empty.
        places: first entry and number of entries per field, along the axis of components or of the flat state.
    """

    fields: Mapping[str, tuple[int, int]]
    grid_shape: tuple[int, ...]
    complex_fields: tuple[str, ...]
    own_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    places: Mapping[str, tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", _places(self.fields, self.own_shapes))

    @property
    def components(self) -> int:
        """Total number of components, ``C``."""
        return sum(size for _, size in self.fields.values())

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C, *grid)``, or ``(N,)`` where fields have grids of their own."""
        if self.own_shapes:
            return (sum(length for _, length in self.places.values()),)
        return (self.components, *self.grid_shape)

    @property
    def dimension(self) -> int:
        """Number of grid axes of the state as one tensor."""
        return len(self.grid_shape)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Points per axis of one field."""
        return self.own_shapes[name] if self.own_shapes else self.grid_shape

    def part(self, y: Tensor, name: str) -> Tensor:
        """One field of ``(*lead, C, *grid)``, as ``(*lead, c, *grid)``."""
        part = y.narrow(-1 - self.dimension, *self.places[name])
        return part.unflatten(-1, (self.fields[name][1], *self.own_shapes[name])) if self.own_shapes else part

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """One tensor of all fields, each ``(*lead, c, *grid)``."""
        if self.own_shapes:
            axes = [1 + len(shape) for shape in self.own_shapes.values()]
            return torch.cat([part.flatten(-own) for part, own in zip(parts, axes, strict=True)], dim=-1)
        return torch.cat(list(parts), dim=-1 - self.dimension) if len(parts) > 1 else parts[0]

    def pack(self, state: Mapping[str, Any] | Tensor, inside: Tensor | None = None, *, finite: bool = True) -> Tensor:
        """One tensor out of a dict of fields, zero outside a mask if there is one; see `FieldEquation.pack`."""
        if isinstance(state, Tensor):
            refuse_without_numbers("the state", state)
        packed = state if isinstance(state, Tensor) else self._pack_fields(state)
        trailing = tuple(packed.shape[packed.dim() - len(self.shape) :])
        if packed.dim() < len(self.shape) or trailing != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise StateError(
                f"the state has shape {tuple(packed.shape)}, expected (*batch, {expected}): "
                f"{self.components} component(s) for {listing(self.fields)}"
            )
        packed = self._checked(packed if inside is None else self._masked(packed, inside.to(packed.device)))
        if finite:
            self.refuse_not_finite(packed)
        return packed

    def refuse_not_finite(self, packed: Tensor) -> None:
        """Raises `StateError` with the name of the field for NaN or infinity in ``(*batch, C, *grid)``."""
        finite = torch.isfinite(packed)
        if not finite.all():
            fields = self.unpack(finite)
            bad = next(name for name in self.fields if not fields[name].all())
            raise StateError(f"the initial state of {bad!r} contains NaN or infinity")

    def _masked(self, packed: Tensor, inside: Tensor) -> Tensor:
        """Zeros outside, which hide whatever was there; a single state is repeated for every domain."""
        if inside.dim() > self.dimension:
            batch = packed.shape[: packed.dim() - len(self.shape)] or inside.shape[:1]
            if batch.numel() != inside.shape[0]:
                raise StateError(f"mask= has {inside.shape[0]} samples, but the state has {batch.numel()}")
            inside = inside.reshape(*batch, 1, *self.grid_shape)
        return torch.where(inside, packed, 0)

    def check(self, y: Any) -> None:
        """Refuse what is no state; the values are not looked at."""
        if not isinstance(y, Tensor):
            raise StateError(f"the state must be a tensor, got {type(y).__name__}; equation.pack({{...}}) makes one")
        if y.dim() < len(self.shape) or tuple(y.shape[y.dim() - len(self.shape) :]) != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise StateError(f"the state has shape {tuple(y.shape)}, expected (*batch, {expected})")
        if not (y.is_floating_point() or y.is_complex()):
            raise StateError(f"the state has dtype {y.dtype}; use float32, float64, complex64 or complex128")

    def unpack(self, y: Tensor) -> dict[str, Tensor]:
        """The fields of ``(*lead, C, *grid)``, each ``(*lead, *grid)`` or ``(*lead, c, *grid)``."""
        fields = {}
        for name, (_, size) in self.fields.items():
            part = self.part(y, name)
            fields[name] = part.squeeze(-1 - len(self.shape_of(name))) if size == 1 else part
        return fields

    def columns(self, y: Tensor) -> list[Tensor]:
        """The fields of ``(*lead, C, *grid)``, each ``(*lead, c, *grid)``; real fields are real."""
        columns = [self.part(y, name) for name in self.fields]
        if not y.is_complex():
            return columns
        # Real fields beside complex ones ride in the same tensor.
        return [z if name in self.complex_fields else z.real for name, z in zip(self.fields, columns, strict=True)]

    def _pack_fields(self, state: Mapping[str, Any]) -> Tensor:
        if not isinstance(state, Mapping):
            raise StateError(f"the state must be a dict of fields or one tensor, got {type(state).__name__}")
        for name in state:
            if name not in self.fields:
                hint = nearest(name, self.fields)
                raise StateError(f"the state has no field {name!r}; fields: {listing(self.fields)}{hint}")
        missing = [name for name in self.fields if name not in state]
        if missing:
            raise StateError(f"the state lacks the field {missing[0]!r}; give all of {listing(self.fields)}")
        tensors = {name: self._field_tensor(name, state[name]) for name in self.fields}
        own = {name: 1 + len(self.shape_of(name)) for name in tensors}
        batches = {name: t.shape[: t.dim() - own[name]] for name, t in tensors.items()}
        try:
            batch = torch.broadcast_shapes(*batches.values())
        except RuntimeError:
            shapes = {name: tuple(shape) for name, shape in batches.items()}
            raise StateError(f"the fields have different batch shapes: {shapes}") from None
        # Numbers follow the precision of the arrays beside them.
        arrays = [tensors[name] for name in self.fields if isinstance(state[name], (Tensor, np.ndarray))]
        dtype = _common_dtype(arrays) or torch.get_default_dtype()
        if any(t.is_complex() for t in tensors.values()):
            dtype = torch.promote_types(dtype, torch.complex32)
        return self.join([t.to(dtype).expand(*batch, *t.shape[t.dim() - own[name] :]) for name, t in tensors.items()])

    def _field_tensor(self, name: str, value: Any) -> Tensor:
        size = self.fields[name][1]
        # Python numbers keep all their digits until the precision of the state is known.
        try:
            tensor = _as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            raise StateError(f"field {name!r} must be a tensor, an array or a number, got {value!r}") from None
        refuse_without_numbers(f"field {name!r}", tensor)
        if not (tensor.is_floating_point() or tensor.is_complex()):
            tensor = tensor.to(torch.get_default_dtype())
        grid = self.shape_of(name)
        own = (size, *grid) if size > 1 else grid
        if tensor.dim() == 0 and own:
            tensor = tensor.expand(own)
        if tuple(tensor.shape[tensor.dim() - len(own) :]) != own or tensor.dim() < len(own):
            expected = ", ".join(map(str, own))
            raise StateError(f"field {name!r} has shape {tuple(tensor.shape)}, expected (*batch, {expected})")
        return tensor if size > 1 else tensor.unsqueeze(-1 - len(grid))

    def _checked(self, packed: Tensor) -> Tensor:
        if not (packed.is_floating_point() or packed.is_complex()) or packed.dtype in (torch.float16, torch.bfloat16):
            raise StateError(f"the state has dtype {packed.dtype}; use float32, float64, complex64 or complex128")
        if self.complex_fields and not packed.is_complex():
            packed = packed.to(torch.complex64 if packed.dtype == torch.float32 else torch.complex128)
        if packed.is_complex() and not self.complex_fields:
            raise StateError(
                f"the state is complex but no field is; declare complex_fields={tuple(self.fields)!r} or pass it real"
            )
        if packed.is_complex():
            fields = self.unpack(packed)
            wrong = [name for name in self.fields if name not in self.complex_fields and fields[name].imag.any()]
            if wrong:
                raise StateError(
                    f"field {wrong[0]!r} is real but its initial state is not; declare it in complex_fields="
                )
        return packed


def refuse_without_numbers(what: str, value: Tensor) -> None:
    """Raises `StateError` for sparse tensors, and those of the device 'meta', which hold no numbers."""
    if value.layout is not torch.strided:
        raise StateError(f"{what} has the layout {value.layout}, expected a dense tensor; pass its to_dense()")
    if value.is_meta:
        raise StateError(f"{what} is on the device 'meta', which holds no numbers; make it on 'cpu' or 'cuda'")


def _places(
    fields: Mapping[str, tuple[int, int]], own_shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, int]]:
    if not own_shapes:
        return dict(fields)
    lengths = {name: size * math.prod(own_shapes[name]) for name, (_, size) in fields.items()}
    ends = dict(zip(lengths, accumulate(lengths.values()), strict=True))
    return {name: (ends[name] - length, length) for name, length in lengths.items()}


def _as_tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (np.ndarray, list, tuple)):
        # torch refuses negative strides, and would round the numbers of a list.
        value = np.ascontiguousarray(value)
    return torch.as_tensor(value, dtype=_number_dtype(value))


def _number_dtype(value: Any) -> torch.dtype | None:
    if isinstance(value, complex):
        return torch.complex128
    return torch.float64 if isinstance(value, (int, float)) else None


def _common_dtype(tensors: Sequence[Tensor]) -> torch.dtype | None:
    """The dtype that holds them all; integers count as the default float. None for an empty list."""
    dtypes = [t.dtype if t.is_floating_point() or t.is_complex() else torch.get_default_dtype() for t in tensors]
    return reduce(torch.promote_types, dtypes) if dtypes else None
