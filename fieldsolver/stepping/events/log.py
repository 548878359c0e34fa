"""What happened when: the events of all samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.results import provenance_attributes

from .sampling import upload

if TYPE_CHECKING:
    import xarray

Unpack = Callable[[Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True)
class EventLog:
    """K events, sorted by sample; those of a sample in the order in which they happened.

    Attributes:
        names: the events that were looked for.
        sample: (K,) host integers, places in the batch.
        event: (K,) host integers, places in `names`.
        direction: (K,) host integers, +1 where the condition rose through zero, -1 where it fell.
        t: (K,) float64; differentiable.
        y_before: (K, *state), states that the events found.
        y_after: (K, *state), states that they left; the same without a reset.
    """

    names: tuple[str, ...]
    sample: np.ndarray
    event: np.ndarray
    direction: np.ndarray
    t: Tensor
    y_before: Tensor
    y_after: Tensor

    def __len__(self) -> int:
        return int(self.sample.size)

    def times(self, name: str, sample: int = 0) -> Tensor:
        """(k,) the times of one event of one sample, in order."""
        own = (self.event == self.names.index(name)) & (self.sample == sample)
        return self.t.index_select(0, upload(np.flatnonzero(own), self.t))

    def to_xarray(
        self, unpack: Unpack | None = None, dims: Mapping[str, Sequence[str]] | None = None
    ) -> xarray.Dataset:
        """One row per event, along the dimension ``event``.

        Args:
            unpack: from states (K, *state) to the fields by name, ``equation.unpack``; None keeps one variable ``y``.
            dims: names of the axes of every field behind the first; made up where nothing is given.
        """
        import xarray

        variables: dict[str, Any] = {
            "sample": ("event", self.sample, {"units": "1", "long_name": "place of the sample in the batch"}),
            "name": ("event", np.array([self.names[e] for e in self.event], dtype=str), {"long_name": "event"}),
            "direction": ("event", self.direction, {"units": "1", "long_name": "sign of the condition afterwards"}),
            "t": ("event", _array(self.t), {"units": "1", "long_name": "time of the event"}),
        }
        for when, y in (("before", self.y_before), ("after", self.y_after)):
            for name, values in ({"y": y} if unpack is None else unpack(y)).items():
                axes = (dims or {}).get(name) or [f"{name}_{axis}" for axis in range(values.dim() - 1)]
                for suffix, part in _real_parts(values):
                    about = {"units": "1", "long_name": f"{name}{suffix} right {when} the event"}
                    variables[f"{name}{suffix}_{when}"] = (("event", *axes), part, about)
        return xarray.Dataset(variables, attrs={"schema": "events/1", **provenance_attributes()})


class EventRecorder:
    """Collects events piece by piece.

    Args:
        names: of the events.
        like: (B, *state), a state.
    """

    def __init__(self, names: Sequence[str], like: Tensor) -> None:
        self._names, self._empty = tuple(names), like.detach()[:0]
        self._indices: list[np.ndarray] = []
        self._values: list[tuple[Tensor, Tensor, Tensor]] = []

    def note(
        self, rows: np.ndarray, event: np.ndarray, direction: np.ndarray, t: Tensor, before: Tensor, after: Tensor
    ) -> None:
        """K events, in the order in which they happened; those of a sample that happened before are already noted."""
        self._indices.append(np.stack([rows, event, direction.astype(np.int64)]))
        self._values.append((t, before, after))

    def log(self) -> EventLog:
        """Everything so far."""
        if not self._indices:
            none, no_times = np.empty(0, dtype=np.int64), self._empty.new_empty(0, dtype=torch.float64)
            return EventLog(self._names, none, none, none, no_times, self._empty, self._empty)
        indices = np.concatenate(self._indices, axis=1)
        order = np.argsort(indices[0], kind="stable")
        sample, event, direction = indices[:, order]
        t, before, after = (torch.cat(parts) for parts in zip(*self._values, strict=True))
        picked = upload(order, before)
        t, before, after = (values.index_select(0, picked) for values in (t, before, after))
        return EventLog(self._names, sample, event, direction, t, before, after)


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _real_parts(values: Tensor) -> list[tuple[str, np.ndarray]]:
    if values.is_complex():
        return [("_re", _array(values.real)), ("_im", _array(values.imag))]
    return [("", _array(values))]
