"""The state of a run between two chunks of attempts, as tensors and a skeleton of plain data.

Whatever takes part in a run names the attributes that change on the way, in its class constant CHANGING; all else
follows from the problem. A snapshot holds these attributes, those of participants inside participants included; put
into a run of the same problem that has just been started, they make it the run that was interrupted.

The skeleton is made of JSON's values and of objects with one key that says what it is: "attributes", "array", "scalar",
"tensor", "tuple", "record", "list". Lists hold one entry per attempt, so their arrays are joined into one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .controllers import History
from .events import Watched
from .stiffness import StiffnessCounter

Node = Any
"""Of the skeleton."""

RECORDS: Mapping[str, type[Any]] = {record.__name__: record for record in (History, StiffnessCounter, Watched)}
"""What values are made of besides tuples and lists."""


def changing(participant: object) -> tuple[str, ...] | None:
    """Names of the attributes that change during a run; None if it takes no part."""
    names: tuple[str, ...] | None = getattr(type(participant), "CHANGING", None)
    return names


class _Start:
    """The entries that a list has now; it may grow, they stay."""

    __slots__ = ("length", "values")

    def __init__(self, values: list[Any]) -> None:
        self.values, self.length = values, len(values)

    def entries(self) -> list[Any]:
        return self.values[: self.length]


def hold(value: Any) -> Any:
    """What a value is now, whatever the run does next, at little cost.

    Host arrays are copied. Tensors are not: a run writes only save points in place, and writes them again when it is
    taken up before them.
    """
    names = changing(value)
    if names is not None:
        return {name: hold(getattr(value, name)) for name in names}
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list):
        return _Start(value)
    if isinstance(value, tuple):
        parts = [hold(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


class Encoder:
    """Makes skeletons of held values.

    Attributes:
        tensors: the numbers of all of them by name.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def encode(self, value: Any) -> Node:
        """The skeleton of one value.

        Raises:
            TypeError: a value of a kind that cannot be stored.
        """
        if isinstance(value, np.ndarray | np.generic):
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            return {kind: self._store(torch.from_numpy(np.array(value)))}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Tensor):
            return {"tensor": self._store(value), "strides": _strides(value)}
        if isinstance(value, dict):
            return {"attributes": {name: self.encode(held) for name, held in value.items()}}
        if isinstance(value, _Start | list):
            return {"list": self._column(value if isinstance(value, list) else value.entries())}
        if type(value) is tuple:
            return {"tuple": [self.encode(part) for part in value]}
        return {"record": type(value).__name__, "parts": [self.encode(part) for part in _parts(value)]}

    def _column(self, entries: Sequence[Any]) -> Node:
        """The skeleton of many values of one kind."""
        kinds = {type(entry) for entry in entries}
        if kinds <= {np.ndarray}:
            return self._joined("array", [torch.from_numpy(np.ascontiguousarray(entry)) for entry in entries])
        if kinds <= {Tensor, torch.nn.Parameter}:
            return self._joined("tensor", entries)
        (kind,) = kinds if len(kinds) == 1 else (None,)
        if kind is tuple or (kind is not None and kind.__name__ in RECORDS):
            rows = [entry if kind is tuple else _parts(entry) for entry in entries]
            columns = [self._column(column) for column in zip(*rows, strict=True)]
            return {"columns": columns, "record": None if kind is tuple else kind.__name__}
        return {"entries": [self.encode(entry) for entry in entries]}

    def _joined(self, kind: str, entries: Sequence[Tensor]) -> Node:
        if not entries:
            return {"entries": []}
        if len({(entry.dtype, entry.dim()) for entry in entries}) > 1:
            raise TypeError("the arrays of a list differ in dtype or dimension")
        shapes = torch.tensor([entry.shape for entry in entries], dtype=torch.int64).reshape(len(entries), -1)
        data = torch.cat([entry.detach().reshape(-1).cpu() for entry in entries])
        return {kind: self._store(data), "shapes": self._store(shapes)}

    def _store(self, tensor: Tensor) -> str:
        name = str(len(self.tensors))
        self.tensors[name] = tensor
        return name


class Decoder:
    """Makes values of skeletons.

    Args:
        tensors: what the encoder has stored.
        device: of the states.
    """

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        self._tensors, self._device = tensors, device

    def decode(self, node: Node) -> Any:
        """The value; new arrays and tensors, which nobody else writes to.

        Raises:
            KeyError, TypeError, ValueError: the skeleton is damaged.
        """
        if not isinstance(node, dict):
            return node
        if "array" in node:
            return self._tensors[node["array"]].numpy().copy()
        if "scalar" in node:
            return self._tensors[node["scalar"]].numpy()[()]
        if "tensor" in node:
            return _laid_out(self._tensors[node["tensor"]].to(self._device, copy=True), node["strides"])
        if "tuple" in node:
            return tuple(self.decode(part) for part in node["tuple"])
        if "record" in node:
            return RECORDS[node["record"]](*(self.decode(part) for part in node["parts"]))
        return self._column(node["list"])

    def restore(self, participant: object, node: Node) -> None:
        """Give a participant, and those inside it, what their attributes were."""
        for name in changing(participant) or ():
            value, child = getattr(participant, name), node["attributes"][name]
            if changing(value) is not None:
                self.restore(value, child)
            elif isinstance(value, tuple) and any(changing(part) is not None for part in value):
                for part, grandchild in zip(value, child["tuple"], strict=True):
                    self.restore(part, grandchild)
            else:
                setattr(participant, name, self.decode(child))

    def _column(self, node: Node) -> list[Any]:
        if "entries" in node:
            return [self.decode(entry) for entry in node["entries"]]
        if "columns" in node:
            make = RECORDS[node["record"]] if node["record"] is not None else lambda *parts: parts
            return [make(*parts) for parts in zip(*map(self._column, node["columns"]), strict=True)]
        kind = "array" if "array" in node else "tensor"
        shapes = self._tensors[node["shapes"]]
        pieces = torch.split(self._tensors[node[kind]].clone(), shapes.prod(dim=1).tolist())
        entries = [piece.reshape(shape) for piece, shape in zip(pieces, shapes.tolist(), strict=True)]
        return [entry.numpy() if kind == "array" else entry.to(self._device) for entry in entries]


def _parts(record: Any) -> Sequence[Any]:
    """Of a record, in order."""
    if type(record).__name__ not in RECORDS:
        raise TypeError(f"cannot store a {type(record).__name__}")
    return [getattr(record, field.name) for field in fields(record)] if is_dataclass(record) else tuple(record)


def _strides(tensor: Tensor) -> list[int] | None:
    """None: contiguous. The order in which a reduction adds up depends on the layout, and the last bit on the order."""
    if tensor.is_contiguous():
        return None
    reach = 0  # of the entries along the axes before, which must not overlap
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1 and stride > 0:
            if stride <= reach:
                return None
            reach += stride * (size - 1)
    return list(tensor.stride())


def _laid_out(tensor: Tensor, strides: list[int] | None) -> Tensor:
    """The same numbers with other strides; 0 repeats the first entry of an axis."""
    if strides is None:
        return tensor
    once = [1 if stride == 0 else size for size, stride in zip(tensor.shape, strides, strict=True)]
    own = tensor
    for axis, size in enumerate(once):
        own = own.narrow(axis, 0, size)
    return torch.empty_strided(once, strides, dtype=tensor.dtype, device=tensor.device).copy_(own).expand(tensor.shape)
