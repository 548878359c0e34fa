"""The state of the random number generators that an evaluation of f may draw from (dropout, for one)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class RandomState:
    """Generators of the CPU and, if the state lives on CUDA, of its device."""

    cpu: Tensor
    cuda: Tensor | None
    device: torch.device

    @classmethod
    def now(cls, device: torch.device) -> RandomState:
        """Copy the generators' states."""
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls(torch.get_rng_state(), cuda, device)

    def restore(self) -> None:
        """Put the generators back into this state."""
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, self.device)

    def has_moved(self) -> bool:
        """Whether random numbers were drawn since."""
        return not self.equals(RandomState.now(self.device))

    def equals(self, later: RandomState) -> bool:
        """Whether no random numbers were drawn between the two."""
        pairs = ((self.cpu, later.cpu), (self.cuda, later.cuda))
        return all(a is None or b is None or torch.equal(a, b) for a, b in pairs)


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside leaves no trace outside."""
    before = RandomState.now(device)
    try:
        yield
    finally:
        before.restore()
