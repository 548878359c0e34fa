"""Checkpoints of a training run: one safetensors file with the numbers, and JSON in its header with the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import FileFormatError

from .files import whole_file

SCHEMA = 1
_KEY = "fieldsolver_checkpoint"


@dataclass
class TrainingState:
    """Everything that the rest of a run depends on.

    Attributes:
        model, optimiser: restored in place.
        generator: draws the batches; torch's global generator (dropout) is kept beside it.
        epoch: number of finished epochs.
        history: one row of numbers per finished epoch.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    epoch: int
    history: list[dict[str, float]]


def save_checkpoint(path: Path, state: TrainingState, settings: dict[str, Any]) -> Path:
    """Write the state; the file appears whole or not at all."""
    from safetensors.torch import save_file

    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    tensors |= {"rng.batches": state.generator.get_state(), "rng.torch": torch.get_rng_state()}
    for index, entry in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": torch.as_tensor(value) for key, value in entry.items()}
    header = {"schema": SCHEMA, "settings": settings, "epoch": state.epoch, "history": state.history}
    with whole_file(path) as temporary:
        copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        save_file(copies, temporary, metadata={_KEY: json.dumps(header)})
    return path


def load_checkpoint(path: Path, state: TrainingState, settings: dict[str, Any]) -> None:
    """Restore `state` in place.

    Raises:
        FileFormatError: the file is damaged, or belongs to a run with other settings.
    """
    tensors, header = _read(path)
    then = header["settings"]
    for key in sorted({*settings, *then}):
        if settings.get(key) != then.get(key):
            raise FileFormatError(
                f"{path} is of a run with {key} = {then.get(key)!r}, but now {key} = {settings.get(key)!r}; "
                "resume with the same options, or start anew without --resume"
            )
    try:
        state.model.load_state_dict(_with_prefix(tensors, "model."))
        state.optimiser.load_state_dict({**state.optimiser.state_dict(), "state": _optimiser_state(tensors)})
    except (RuntimeError, ValueError) as error:
        raise FileFormatError(f"{path} does not fit this model: {error}") from None
    state.generator.set_state(tensors["rng.batches"])
    torch.set_rng_state(tensors["rng.torch"])
    state.epoch, state.history = header["epoch"], header["history"]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            header = json.loads((opened.metadata() or {})[_KEY])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise FileFormatError(f"{path} is not a complete checkpoint: {error}") from None
    if header.get("schema") != SCHEMA:
        raise FileFormatError(f"{path} has schema {header.get('schema')!r}, this fieldsolver reads {SCHEMA}")
    return tensors, header


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _optimiser_state(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _with_prefix(tensors, "optimiser.").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    return state
