"""Which part of the state a layer returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing, nearest

Selection = str | Sequence[str] | Mapping[str, int | Sequence[int]] | None


class Readout:
    """Fields, or components of fields, in the order in which they are named.

    Args:
        equation: has the fields.
        selection: a field, several, a dict of component numbers per field, or None for the whole state.

    Raises:
        OptionError: unknown fields or components, or fields that lie on different grids.
    """

    def __init__(self, equation: FieldEquation, selection: Selection) -> None:
        self.selection = selection
        self._own_grids = bool(equation.layout.domains)
        self._space = equation.space
        chosen = _chosen(equation, selection)
        if self._own_grids and selection is not None:
            if len(chosen) != 1:
                raise OptionError(f"readout names fields on grids of their own, {listing(chosen)}; name one of them")
            ((self._field, self._numbers),) = chosen.items()
        else:
            first = {name: place for name, (place, _) in equation.space.fields.items()}
            self._numbers = [first[name] + number for name, numbers in chosen.items() for number in numbers]
        self._axis = -1 - (len(equation.space.shape_of(next(iter(chosen)))) if chosen else 0)
        self._everything = selection is None or (
            not self._own_grids and self._numbers == list(range(equation.components))
        )

    def __call__(self, y: Tensor) -> Tensor:
        """``(*lead, C, *grid)`` -> ``(*lead, c, *grid)``."""
        if self._everything:
            return y
        if self._own_grids:
            y = self._space.part(y, self._field)
        start, count = self._numbers[0], len(self._numbers)
        if self._numbers == list(range(start, start + count)):
            return y.narrow(self._axis, start, count)
        return y.index_select(self._axis, torch.tensor(self._numbers, device=y.device))

    def __str__(self) -> str:
        if isinstance(self.selection, Mapping):
            return ", ".join(f"{name}{list(_several(numbers))}" for name, numbers in self.selection.items())
        return "the whole state" if self.selection is None else listing(_several(self.selection))

    def config(self) -> Any:
        """The selection as plain data."""
        if isinstance(self.selection, Mapping):
            return {name: list(_several(numbers)) for name, numbers in self.selection.items()}
        return None if self.selection is None else list(_several(self.selection))


def _several(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, (str, int)) else tuple(value)


def _chosen(equation: FieldEquation, selection: Selection) -> dict[str, list[int]]:
    """The component numbers per chosen field."""
    sizes = {name: size for name, (_, size) in equation.space.fields.items()}
    if selection is None:
        return {name: list(range(size)) for name, size in sizes.items()}
    wanted = selection if isinstance(selection, Mapping) else dict.fromkeys(_several(selection))
    if not wanted:
        raise OptionError("readout names nothing; name a field, or leave it out for the whole state")
    chosen = {}
    for name, numbers in wanted.items():
        if name not in sizes:
            raise OptionError(f"readout names no field {name!r}; fields: {listing(sizes)}{nearest(name, sizes)}")
        chosen[name] = list(range(sizes[name])) if numbers is None else list(_several(numbers))
        wrong = [number for number in chosen[name] if number not in range(sizes[name])]
        if wrong or not chosen[name]:
            raise OptionError(f"readout names component {wrong or 'none'} of {name!r}, which has {sizes[name]}")
    return chosen
