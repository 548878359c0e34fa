"""`Dynamics`: the frame of a variant, features in and evolved features out."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from fieldsolver.errors import OptionError

from .evolved import Evolved
from .line import on_real


class Dynamics(nn.Module, ABC):
    """A variant of the field: `steps` fixed steps over `duration`, on a line of tokens with closed ends.

    Padding, neighbours in the batch and its size change nothing, and no step is adaptive.

    Args:
        channels: C, at least 1.
        duration: time that passes, positive.
        steps: number of steps, at least 1.
    """

    def __init__(self, channels: int, *, duration: float, steps: int) -> None:
        super().__init__()
        if channels < 1 or steps < 1 or not 0 < duration < float("inf"):
            raise OptionError(
                f"dynamics take at least 1 channel, at least 1 step and a positive duration, got {channels}, {steps} "
                f"and {duration:g}"
            )
        self.channels, self.duration, self.steps = channels, duration, steps

    @property
    def dt(self) -> float:
        """The step."""
        return self.duration / self.steps

    @abstractmethod
    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, N, C), zero on padding; whatever comes out there is cut off."""

    def penalty(self, features: Tensor) -> Tensor:
        """Zero, unless a variant charges for something."""
        return features.new_zeros(())

    def forward(self, features: Tensor, mask: Tensor) -> Evolved:
        """Evolve features (B, N, C) on the real tokens of mask (B, N)."""
        evolved = on_real(self.evolve(on_real(features, mask), mask), mask)
        counts = features.new_full((len(features),), float(self.steps))
        return Evolved(evolved, self.penalty(evolved), counts)
