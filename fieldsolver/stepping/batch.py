"""The samples that the device works on: time, state, the memory of the method, and where resting samples wait.

A sample that has ended, or that skips a step, must not disturb the others and must not poison a gradient: `0 * inf` is
NaN in a backward pass even where the forward pass discarded the value. Its row is therefore evaluated at the initial
state, where f is known to be finite, with dt = 0, and its result is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Memory, Method, Step
from fieldsolver.methods.host_runge_kutta import as_array
from fieldsolver.methods.transformed import is_batched

from .arithmetic import Arithmetic, Array, masked, pick
from .vector_field import VectorField


@dataclass(frozen=True, slots=True)
class Rest:
    """A place where f is finite, for the samples that do not move.

    Attributes:
        t: time.
        y: (n, *state), states without gradient.
        k1: (n, *state), f(t, y).
    """

    t: float | Tensor
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
        t: (n,) where they are, as arrays of `xp`.
        y: (n, *state), current states.
        memory: what the method carries, tensors (n, ...).
        rest: where samples wait.
        xp: the arithmetic of the arrays (n,): numpy on the host, tensors on a device.
        random: whether f draws random numbers.

    Attributes:
        running: (n,) booleans, the samples that are still being integrated.
        all_running: whether all of them are; False where that is not known without asking the device.
        plain: whether states are mere numbers on the host, whose graph nobody wants.
        offset: (n,) float64, zero but for its graph: how t depends on what somebody differentiates with respect to,
            after an event or where t is the start. The ends of steps stay where they are. None: t is a number.
    """

    CHANGING = ("rows", "t", "y", "memory", "running", "all_running")

    def __init__(
        self, field: VectorField, rows: np.ndarray, t: Array, y: Tensor, memory: Memory, rest: Rest, xp: Arithmetic, *,
        random: bool = False,
    ) -> None:  # fmt: skip
        self.field = field
        self.rows = rows
        self.t = t
        self.y = y
        self.memory = memory
        self.rest = rest
        self.xp = xp
        self.random = random
        self.running: Array = xp.full_like(t, True, dtype=bool)
        self.all_running = xp is np
        self.on_host = y.device.type == "cpu"
        self.plain = False
        self.offset: Tensor | None = None

    def attempt(
        self, method: Method, dt: Array, *, estimate: bool, some_rest: bool = False, stretch: Tensor | None = None
    ) -> Step:
        """Try one step of every sample with dt != 0; the state is left as it is.

        Args:
            method: the scheme.
            dt: (n,) signed sizes.
            estimate: whether the error is asked for.
            some_rest: dt may be 0 even though all samples are running.
            stretch: (n,) float64, zero but for its graph: how the ends of these steps move; None: they do not.
        """
        t, y, memory = self.t, self.y, self.memory
        if some_rest or not self.all_running:
            moving = dt != 0.0
            choose = self._chooser(moving)
            t = self.xp.where(moving, t, self.rest.t)
            y = choose(y, self.rest.y)
            if memory:
                resting = method.start(self.field, self.upload(t), self.rest.y, self.rest.k1)
                memory = tuple(choose(a, b) for a, b in zip(memory, resting, strict=True))
        start, size = self.upload(t), self.upload(dt)
        if self.offset is not None:
            late = torch.where(size != 0.0, self.offset, 0.0)
            start, size = start + late, size - late
        if stretch is not None:
            size = size + torch.where(size != 0.0, stretch, 0.0)
        return method.step(self.field, start, size, y, memory, estimate=estimate)

    def advance(self, step: Step, accepted: Array, t_new: Array, everyone: bool | None = None) -> None:
        """Move the accepted samples to the end of the step; `everyone`: whether all are accepted, if that is known."""
        if everyone or (everyone is None and self.xp is np and accepted.all()):
            self.t, self.y, self.memory, self.offset = t_new, step.y_new, step.memory, None
            return
        if self.xp is np and not accepted.any():
            return
        choose = self._chooser(accepted)
        self.t = self.xp.where(accepted, t_new, self.t)
        self.y = choose(step.y_new, self.y)
        if self.offset is not None:
            self.offset = torch.where(self.upload(accepted), 0.0, self.offset)
        if step.memory and self.memory:
            self.memory = tuple(choose(a, b) for a, b in zip(step.memory, self.memory, strict=True))
        else:
            self.memory = ()

    def _chooser(self, mask: Array) -> Callable[[Tensor, Tensor], Tensor]:
        """`masked` with this mask; of plain states NumPy copies the few exceptions, in a fifth of the time."""
        if not self.plain:
            return lambda where_true, where_false: masked(mask, where_true, where_false)
        others = np.flatnonzero(~mask)

        def choose(where_true: Tensor, where_false: Tensor) -> Tensor:
            chosen = as_array(where_true).copy()
            chosen[others] = as_array(where_false)[others]
            return torch.from_numpy(chosen)

        return choose

    def restart(self, method: Method, which: np.ndarray) -> None:
        """Make the memory of some samples anew, from where they are now."""
        chosen = self.array(which)
        t, y = self.upload(self.xp.where(chosen, self.t, self.rest.t)), masked(chosen, self.y, self.rest.y)
        if self.offset is not None:
            t = t + torch.where(self.upload(chosen), self.offset, 0.0)
        memory = method.start(self.field, t, y, self.field(t, y))
        self.memory = tuple(masked(chosen, a, b) for a, b in zip(memory, self.memory, strict=True))

    def stop(self, ended: Array) -> None:
        """Take samples (n,) out of the race; they rest from now on."""
        self.running = self.running & ~ended
        self.all_running = self.xp is np and bool(self.running.all())

    def compact(self, keep: np.ndarray) -> None:
        """Drop the samples where `keep` (n,) is false; the field must be selectable."""
        places = torch.from_numpy(np.flatnonzero(keep)).to(self.y.device)
        self.rows = self.rows[keep]
        chosen = np.flatnonzero(keep)
        self.t, self.running = pick(self.t, chosen), pick(self.running, chosen)
        self.all_running = self.xp is np and bool(self.running.all())
        self.field = self.field.select(places)
        self.y = self.y.index_select(0, places)
        self.memory = tuple(tensor.index_select(0, places) for tensor in self.memory)
        self.rest = self.rest.select(places)
        if self.offset is not None:
            self.offset = self.offset.index_select(0, places)

    def array(self, values: np.ndarray) -> Array:
        """A host array (n,) in the arithmetic of the batch."""
        return values if self.xp is np else torch.from_numpy(values).to(self.y.device, non_blocking=True)

    def upload(self, values: Array) -> Tensor:
        """An array (n,) of `xp` as a tensor on the device of the states."""
        if isinstance(values, Tensor):
            return values
        tensor = torch.from_numpy(values)
        # So small an array is taken over at once: nobody waits for the copy.
        return tensor if self.on_host else tensor.to(self.y.device, non_blocking=True)


def finite_samples(*tensors: Tensor) -> np.ndarray:
    """(B,) host booleans: samples without NaN or infinity in any of the tensors; one host read when all is well."""
    samples = tensors[0].shape[0]
    if any(is_batched(tensor) for tensor in tensors):  # under vmap nobody can say; what is not finite stays so
        return np.ones(samples, dtype=bool)
    total = torch.stack([tensor.detach().sum() for tensor in tensors]).sum()
    if tensors[0].numel() == 0 or bool(torch.isfinite(total)):
        return np.ones(samples, dtype=bool)
    return as_array(all_finite(*tensors).cpu())


def all_finite(*tensors: Tensor) -> Tensor:
    """(B,) booleans on the device of the tensors (B, ...), without a host read."""
    samples = tensors[0].shape[0]
    finite = [torch.isfinite(tensor.detach()).reshape(samples, -1).all(dim=1) for tensor in tensors]
    return torch.stack(finite).all(dim=0)
