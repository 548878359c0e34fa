"""The samples that the device works on: state, first stage, and where resting samples wait.

A sample that has ended, or that skips a step, must not disturb the others and must not poison a gradient: `0 * inf` is
NaN in a backward pass even where the forward pass discarded the value. Its row is therefore evaluated at the initial
state, where f is known to be finite, with dt = 0, and its result is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method, Step

from .vector_field import VectorField


@dataclass(frozen=True, slots=True)
class Rest:
    """A place where f is finite, for the samples that do not move.

    Attributes:
        t: time.
        y: (n, *state), states without gradient.
        k1: (n, *state), f(t, y).
    """

    t: float
    y: Tensor
    k1: Tensor

    @classmethod
    def at(cls, t0: float, y0: Tensor, k1: Tensor, usable: np.ndarray) -> Rest:
        """The initial state; rows that are not usable (n,) are replaced by the first one that is."""
        source = np.where(usable, np.arange(usable.size), usable.argmax() if usable.size else 0)
        rest = cls(t0, y0.detach(), k1.detach())
        return rest if usable.all() else rest.select(torch.from_numpy(source).to(y0.device))

    def select(self, places: Tensor) -> Rest:
        """Some of the samples."""
        return Rest(self.t, self.y.index_select(0, places), self.k1.index_select(0, places))


class Batch:
    """n of the B samples, in their own order.

    Args:
        field: the right-hand side of these samples.
        rows: (n,) host integers, their places in the full batch.
        y: (n, *state), current states.
        k1: (n, *state), f at the current states if known.
        rest: where samples wait.
        random: whether f draws random numbers.
    """

    def __init__(
        self, field: VectorField, rows: np.ndarray, y: Tensor, k1: Tensor | None, rest: Rest, *, random: bool
    ) -> None:
        self.field = field
        self.rows = rows
        self.y = y
        self.k1 = k1
        self.rest = rest
        self.random = random

    def attempt(self, method: Method, t: np.ndarray, dt: np.ndarray, *, estimate: bool) -> Step:
        """Try one step of every sample with dt != 0; the state is left as it is."""
        y, k1 = self.y, self.k1
        moving = dt != 0.0
        if not moving.all():
            mask = per_sample_mask(moving, self.y)
            t = np.where(moving, t, self.rest.t)
            y = torch.where(mask, y, self.rest.y)
            k1 = None if k1 is None else torch.where(mask, k1, self.rest.k1)
        return method.step(self.field, self._upload(t), self._upload(dt), y, k1, estimate=estimate)

    def advance(self, step: Step, accepted: np.ndarray, *, fsal: bool) -> None:
        """Move the accepted samples to the end of the step."""
        if accepted.all():
            self.y, self.k1 = step.y_new, step.k[-1] if fsal else None
            return
        mask = per_sample_mask(accepted, self.y)
        self.y = torch.where(mask, step.y_new, self.y)
        # A sample that rested has its first stage in self.k1; step.k[0] is that of its resting place.
        kept = step.k[0] if self.k1 is None else self.k1
        self.k1 = torch.where(mask, step.k[-1], kept) if fsal else None

    def compact(self, keep: np.ndarray) -> None:
        """Drop the samples where `keep` (n,) is false; the field must be selectable."""
        places = self._upload(np.flatnonzero(keep))
        self.rows = self.rows[keep]
        self.field = self.field.select(places)
        self.y = self.y.index_select(0, places)
        self.k1 = None if self.k1 is None else self.k1.index_select(0, places)
        self.rest = self.rest.select(places)

    def places(self) -> Tensor:
        """(n,) `rows` on the device."""
        return self._upload(self.rows)

    def _upload(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.y.device)


def per_sample_mask(flags: np.ndarray, like: Tensor) -> Tensor:
    """(n,) host booleans as (n, 1, ..., 1) on the device of a state (n, *state)."""
    return torch.from_numpy(flags).to(like.device).view(-1, *[1] * (like.dim() - 1))


def finite_samples(*tensors: Tensor) -> np.ndarray:
    """(B,) host booleans: samples without NaN or infinity in any of the tensors; one host read when all is well."""
    samples = tensors[0].shape[0]
    total = torch.stack([tensor.detach().sum() for tensor in tensors]).sum()
    if tensors[0].numel() == 0 or bool(torch.isfinite(total)):
        return np.ones(samples, dtype=bool)
    finite = [torch.isfinite(tensor.detach()).reshape(samples, -1).all(dim=1) for tensor in tensors]
    return torch.stack(finite).all(dim=0).cpu().numpy()
