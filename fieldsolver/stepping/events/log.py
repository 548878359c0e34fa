"""What happened when: the events of all samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import OptionError, listing, nearest
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
        samples: B, the number of samples that were watched.
        noted: (K,) host integers, where each comes in the order in which all samples together met them.
        unpack: from states (K, *state) to fields by name; None: the state has no named parts.
        dims: names of the axes of every field.
    """

    names: tuple[str, ...]
    sample: np.ndarray
    event: np.ndarray
    direction: np.ndarray
    t: Tensor
    y_before: Tensor
    y_after: Tensor
    noted: np.ndarray
    samples: int
    unpack: Unpack | None = None
    dims: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def named(self, unpack: Unpack, dims: Mapping[str, Sequence[str]]) -> EventLog:
        """The same events of states that are made of fields."""
        return replace(self, unpack=unpack, dims=dims)

    def with_values(self, t: Tensor, y_before: Tensor, y_after: Tensor) -> EventLog:
        """The same events, with other graphs."""
        return replace(self, t=t, y_before=y_before, y_after=y_after)

    def __len__(self) -> int:
        return int(self.sample.size)

    def times(self, name: str, sample: int = 0) -> Tensor:
        """(k,) the times of one event of one sample, in order.

        Raises:
            OptionError: no such event, or no such sample.
        """
        return self.t.index_select(0, self._own(name, sample))

    def states(self, name: str, sample: int = 0) -> tuple[Tensor, Tensor]:
        """(k, *state) each: the states before and after one event of one sample, in order."""
        picked = self._own(name, sample)
        return self.y_before.index_select(0, picked), self.y_after.index_select(0, picked)

    def to_xarray(self) -> xarray.Dataset:
        """One row per event along the dimension ``event``; the fields, or ``y``, before and after it."""
        import xarray

        variables: dict[str, Any] = {
            "sample": ("event", self.sample, {"units": "1", "long_name": "place of the sample in the batch"}),
            "name": ("event", np.array([self.names[e] for e in self.event], dtype=str), {"long_name": "event"}),
            "direction": ("event", self.direction, {"units": "1", "long_name": "sign of the condition afterwards"}),
            "t": ("event", _array(self.t), {"units": "1", "long_name": "time of the event"}),
        }
        for when, y in (("before", self.y_before), ("after", self.y_after)):
            for name, values in ({"y": y} if self.unpack is None else self.unpack(y)).items():
                axes = self.dims.get(name) or [f"{name}_{axis}" for axis in range(values.dim() - 1)]
                for suffix, part in _real_parts(values):
                    about = {"units": "1", "long_name": f"{name}{suffix} right {when} the event"}
                    variables[f"{name}{suffix}_{when}"] = (("event", *axes), part, about)
        return xarray.Dataset(variables, attrs={"schema": "events/1", **provenance_attributes()})

    def _own(self, name: str, sample: int) -> Tensor:
        if name not in self.names:
            raise OptionError(f"no event is called {name!r}; events: {listing(self.names)}{nearest(name, self.names)}")
        whole = isinstance(sample, int | np.integer) and not isinstance(sample, bool)
        if not whole or not 0 <= sample < self.samples:
            raise OptionError(
                f"sample is the place of a sample in the batch, an integer from 0 to {self.samples - 1}, got {sample!r}"
            )
        own = (self.event == self.names.index(name)) & (self.sample == sample)
        return upload(np.flatnonzero(own), self.t)


class EventRecorder:
    """Collects events piece by piece.

    Args:
        names: of the events.
        like: (B, *state), a state.
    """

    CHANGING = ("_indices", "_values")

    def __init__(self, names: Sequence[str], like: Tensor) -> None:
        self._names, self._empty, self._samples = tuple(names), like.detach()[:0], like.shape[0]
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
            return EventLog(self._names, none, none, none, no_times, self._empty, self._empty, none, self._samples)
        indices = np.concatenate(self._indices, axis=1)
        order = np.argsort(indices[0], kind="stable")
        sample, event, direction = indices[:, order]
        t, before, after = (torch.cat(parts) for parts in zip(*self._values, strict=True))
        picked = upload(order, before)
        t, before, after = (values.index_select(0, picked) for values in (t, before, after))
        return EventLog(self._names, sample, event, direction, t, before, after, order, self._samples)

    def noted(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Times, states before and states after, in the order of the notes; None without any."""
        if not self._values:
            return None, None, None
        t, before, after = (torch.cat(parts) for parts in zip(*self._values, strict=True))
        return t, before, after


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _real_parts(values: Tensor) -> list[tuple[str, np.ndarray]]:
    if values.is_complex():
        return [("_re", _array(values.real)), ("_im", _array(values.imag))]
    return [("", _array(values))]
