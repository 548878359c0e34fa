"""One step of training: a batch in pieces, over the processes; loss, gradient, clipping, update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import SolveFailed, StabilityError

from .checkpoint import global_generators
from .failures import TrainingFailed
from .gradient_norm import clip_gradient, not_finite
from .guard import OffendingBatch, describe, save_offending_batch
from .optimisers import set_rate
from .settings import TrainSettings
from .state import TrainingState, add_up
from .task import Measured, Task
from .world import World


@dataclass(frozen=True)
class Stepper:
    """What a step needs and does not change.

    Attributes:
        trained: calls the model: itself, compiled, or wrapped for several processes.
        offending: file for a batch whose loss is not finite.
    """

    trained: Callable[..., Any]
    state: TrainingState
    task: Task
    settings: TrainSettings
    world: World
    offending: Path

    def step(self, indices: Tensor, rate: float) -> tuple[dict[str, float], float]:
        """Update the model; sums over the samples of all processes, and the norm of the gradient.

        Raises:
            TrainingFailed: loss or gradient is not finite, or a field overflowed; the model is as it was.
        """
        state, before = self.state, self._generators()
        set_rate(state.optimisers, rate)
        for optimiser in state.optimisers:
            optimiser.zero_grad()
        try:
            sums = self._backward(indices)
        except (SolveFailed, StabilityError) as error:  # a field that cannot be followed is no finite loss either
            raise self._failure(indices, math.nan, math.nan, before, f"no loss was found ({error})") from error
        if state.scaler is not None:
            for optimiser in state.optimisers:
                state.scaler.unscale_(optimiser)
        norm = clip_gradient(state.model.parameters(), self.settings.clip)
        self._guard(indices, sums["loss"] / len(indices), norm, before)
        self._update()
        return sums, norm

    def _generators(self) -> dict[str, Tensor]:
        return {**global_generators(), "noise": self.state.noise.get_state()}

    def _backward(self, indices: Tensor) -> dict[str, float]:
        """Add up gradients, piece by piece; each sample counts alike, wherever it is computed."""
        own: dict[str, float] = {}
        for piece in _pieces(indices, self.settings.accumulate, self.world.size):
            mine, share = self.world.share(piece)
            loss, counts = self.world.followed(self._loss, mine)  # all before any waits for gradients
            weight = share * len(piece) / len(indices)
            weighted = loss if weight == 1 else loss * weight
            (weighted if self.state.scaler is None else self.state.scaler.scale(weighted)).backward()
            number = len(mine) if share else 0
            counted = {name: float(value) * bool(number) for name, value in counts.items()}
            add_up(own, {"loss": float(loss.detach()) * number, **counted})
        names = list(own)
        return dict(zip(names, self.world.sums([own[name] for name in names]), strict=True))

    def _loss(self, samples: Tensor) -> Measured:
        with self._autocast():
            return self.task.loss(self.trained, samples, self.state.noise)

    def _autocast(self) -> Any:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(_device(self.state.model).type, getattr(torch, self.settings.precision))

    def _guard(self, indices: Tensor, loss: float, norm: float, before: dict[str, Tensor]) -> None:
        scaler = self.state.scaler
        # A gradient beyond float16 is expected: the scaler leaves the step out, and tries a smaller scale.
        if math.isfinite(loss) and (math.isfinite(norm) or (scaler is not None and scaler.get_scale() >= 1)):
            return
        said = f"the loss is {loss:g} and the norm of its gradient {norm:g}"
        raise self._failure(indices, loss, norm, before, said)

    def _failure(
        self, indices: Tensor, loss: float, norm: float, before: dict[str, Tensor], said: str
    ) -> TrainingFailed:
        """Keep the batch, and say what happened."""
        where = not_finite(self.state.model)
        found = OffendingBatch(
            {"indices": indices, **(self.task.tensors(indices) if self.task.tensors is not None else {})},
            describe(self.state.model),
            before,
            self.state.epoch + 1,
            self.state.steps + 1,
            f"{loss:g}",
            f"{norm:g}",
            where,
        )
        return TrainingFailed(
            f"in epoch {found.epoch} {said} at step {found.step}"
            f"{f', first in {where[0]!r}' if where else ''}; lower the learning rate ({self.settings.learning_rate:g})"
            f"{self._kept(found)}; the last checkpoint is kept"
        )

    def _kept(self, found: OffendingBatch) -> str:
        """Write the batch, and say where it is; a full disk must not hide that the loss is not finite."""
        from safetensors import SafetensorError

        try:
            if self.world.rank == 0:
                save_offending_batch(self.offending, found)
        except (OSError, SafetensorError) as error:
            return f"; the batch cannot be kept in {str(self.offending)!r}: {error}"
        return (
            f", or look at the batch: read_offending_batch({str(self.offending)!r}) of fieldsolver.experiments.training"
            " gives it with the weights and generators of that step"
        )

    def _update(self) -> None:
        scaler = self.state.scaler
        for optimiser in self.state.optimisers:
            if scaler is None:
                optimiser.step()
            else:
                scaler.step(optimiser)
        if scaler is not None:
            scaler.update()


def _pieces(indices: Tensor, number: int, processes: int) -> Iterator[Tensor]:
    """As many pieces in every process, each with a sample for every process where the batch has enough."""
    yield from indices.tensor_split(max(1, min(number, len(indices) // processes)))


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
