"""The batch whose loss or gradient is not finite, kept in a file with all that is needed to compute it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import FileFormatError
from fieldsolver.tensor_files import read_tensors, write_tensors

from .checkpoint import set_global_generators, whole_weights

OFFENDING = "offending_batch.safetensors"
_KEY, _SCHEMA = "fieldsolver_offending_batch", 1


@dataclass(frozen=True)
class OffendingBatch:
    """What `read_offending_batch` found.

    Attributes:
        batch: indices of the samples, and what the task says of them: ids, mask, labels.
        weights: state dict of the model before the step.
        generators: states of the generators before the step: ``noise``, ``torch`` (dropout).
        epoch, step: where it happened, both counted from 1.
        loss, norm: of the batch and of its gradient.
        parameters: names of those whose gradient is not finite.
    """

    batch: dict[str, Tensor]
    weights: dict[str, Tensor]
    generators: dict[str, Tensor]
    epoch: int
    step: int
    loss: str
    norm: str
    parameters: list[str]

    def restore(self, model: nn.Module) -> torch.Generator:
        """Give the model its weights and torch its generator back; returns the generator of augmentation."""
        model.load_state_dict(self.weights)
        set_global_generators(self.generators)
        noise = torch.Generator()
        noise.set_state(self.generators["noise"])
        return noise


def save_offending_batch(path: Path, found: OffendingBatch) -> Path:
    """Write everything; raises `OSError`."""
    groups = {"batch": found.batch, "weights": found.weights, "generators": found.generators}
    tensors = {f"{group}.{name}": value for group, part in groups.items() for name, value in part.items()}
    names = ("epoch", "step", "loss", "norm", "parameters")
    return write_tensors(path, tensors, {name: getattr(found, name) for name in names}, key=_KEY, schema=_SCHEMA)


def read_offending_batch(path: Path) -> OffendingBatch:
    """Read what a run left that failed; raises `FileFormatError`."""
    tensors, header = read_tensors(path, key=_KEY, schema=_SCHEMA, what="offending batch", sealed=True)
    groups: dict[str, Any] = {"batch": {}, "weights": {}, "generators": {}}
    for name, value in tensors.items():
        group, _, rest = name.partition(".")
        groups[group][rest] = value
    try:
        return OffendingBatch(**groups, **header)
    except TypeError as error:
        raise FileFormatError(f"{path} is no offending batch: {error}") from None


def describe(model: nn.Module) -> dict[str, Tensor]:
    """The weights, for `OffendingBatch`; all processes must call it where they are sharded."""
    return {name: value.detach().cpu() for name, value in whole_weights(model).items()}
