"""One call of a layer as B independent samples, and the way back to the user's batch axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError, listing
from fieldsolver.stepping.march import cannot_be_read

from .inputs import Inputs


@dataclass(frozen=True)
class Samples:
    """What is to be solved.

    Attributes:
        y: ``(B, C, *grid)``, states.
        values: ``(B, C)`` or ``(B, C, *grid)`` per input.
        batch: the user's batch axes, whose product is B.
        rows: the numbers of these samples where some of the B were left out; None for all.
        wanted: bool ``(B,)`` where none could be left out and some do not count; None where all do.
    """

    y: Tensor
    values: Mapping[str, Tensor]
    batch: tuple[int, ...]
    rows: Tensor | None = None
    wanted: Tensor | None = None

    def active(self, mask: Tensor | None) -> Samples:
        """The samples where `mask` ``(*batch)`` is true: what the others hold, NaN included, is never looked at.

        Where the mask cannot be read (compilers, `torch.func`) the others are solved from zero, with inputs of zero,
        and their result is thrown away.
        """
        if mask is None:
            return self
        if mask.dtype != torch.bool or tuple(mask.shape) != self.batch:
            raise StateError(f"mask is {mask.dtype} {tuple(mask.shape)}, expected torch.bool {self.batch}")
        mask = mask.reshape(-1).to(self.y.device)
        if cannot_be_read(self.y):
            values = {name: _chosen(mask, value, 0.0) for name, value in self.values.items()}
            return replace(self, y=_chosen(mask, self.y, 0.0), values=values, wanted=mask)
        rows = torch.nonzero(mask).flatten()
        if rows.numel() == self.y.shape[0]:
            return self
        values = {name: value.index_select(0, rows) for name, value in self.values.items()}
        return replace(self, y=self.y.index_select(0, rows), values=values, rows=rows)

    def everyone(self, result: Tensor, others: Tensor | None = None) -> Tensor:
        """Results ``(rows, ...)`` of these samples among `others` ``(B, ...)`` (zeros) for those that do not count."""
        if self.wanted is not None:
            return _chosen(self.wanted, result, 0.0 if others is None else others)
        if self.rows is None:
            return result
        if others is None:
            others = result.new_zeros((math.prod(self.batch), *result.shape[1:]))
        return others.index_copy(0, self.rows, result)

    def to_user(self, result: Tensor) -> Tensor:
        """``(B, ...)`` -> ``(*batch, ...)``."""
        return result.reshape(*self.batch, *result.shape[1:])


def gather(equation: FieldEquation, inputs: Inputs, y: Tensor, values: Mapping[str, Tensor]) -> Samples:
    """States and inputs of one batch; what has no batch axes is the same for all.

    Args:
        equation: knows the shape of a state.
        inputs: know the shapes of the values.
        y: ``(*batch, C, *grid)``.
        values: ``(*batch, C)`` or ``(*batch, C, *grid)`` per input.

    Raises:
        StateError: the batch axes differ.
    """
    own = equation.state_shape
    leads = {"the state": tuple(y.shape[: y.dim() - len(own)])}
    leads |= {f"input {name!r}": inputs.lead(name, value) for name, value in values.items()}
    batch = next((lead for lead in leads.values() if lead), ())
    different = [f"{what} {lead}" for what, lead in leads.items() if lead not in ((), batch)]
    if different:
        first = next(f"{what} {lead}" for what, lead in leads.items() if lead == batch)
        raise StateError(f"the batch axes differ: {first}, but {listing(different)}; give all of them the same")

    def flat(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        return tensor.expand(*batch, *shape).reshape(-1, *shape) if batch else tensor.reshape(1, *shape)

    return Samples(flat(y, own), {name: flat(value, inputs.shapes[name]) for name, value in values.items()}, batch)


def refuse_own_samples(equation: FieldEquation, inputs: Inputs) -> None:
    """A mask leaves samples out, so nothing in the equation may hold a value per sample.

    Raises:
        OptionError: a `PerSample` parameter that is not fed, or a domain per sample.
    """
    own = [name for name, item in equation.declared.items() if item.place == "per sample" and name not in inputs.shapes]
    if own:
        raise OptionError(
            f"mask leaves samples out, but fs.PerSample {own[0]!r} has one value for each; feed it: inputs="
        )
    if equation.layout.mask is not None and equation.layout.mask.samples is not None:
        raise OptionError("mask leaves samples out, but the equation has a domain per sample; solve without mask")


def _chosen(mask: Tensor, value: Tensor, other: Tensor | float) -> Tensor:
    """Of each sample the value where the mask is true."""
    return torch.where(mask.reshape(-1, *(1,) * (value.dim() - 1)), value, other)
