"""Checkpoints of a training run: one safetensors file with the tensors, and JSON in its header with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from fieldsolver.errors import FileFormatError
from fieldsolver.tensor_files import read_tensors, write_tensors

from .failures import NotSaved
from .state import TrainingState
from .world import World

SCHEMA = 2
CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"
_KEY, _BEST_KEY = "fieldsolver_checkpoint", "fieldsolver_best"


def save_checkpoint(path: Path, state: TrainingState, settings: Mapping[str, Any], world: World) -> None:
    """Write the state, from process 0; all must call it. The file appears whole or not at all.

    Raises:
        NotSaved: the disk is full, for example; the file before is as it was.
    """
    tensors = {f"model.{name}": value for name, value in whole_weights(state.model).items()}
    for number, optimiser in enumerate(state.optimisers):
        for index, entry in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{index}.{key}": _whole(torch.as_tensor(v)) for key, v in entry.items()}
    tensors |= {"rng.order": state.order.get_state(), "rng.began": state.began}
    for rank, noise in enumerate(world.gathered(state.noise.get_state())):
        tensors[f"rng.noise.{rank}"] = noise
    for name, own in global_generators().items():
        tensors |= {f"rng.{name}.{rank}": one for rank, one in enumerate(world.gathered(own))}
    _write(path, tensors, {"settings": dict(settings), **state.numbers()}, _KEY, world)


def load_checkpoint(path: Path, state: TrainingState, settings: Mapping[str, Any], world: World) -> None:
    """Restore `state` in place.

    Raises:
        FileFormatError: the file is damaged, or belongs to a run with other settings.
    """
    tensors, header = read_tensors(path, key=_KEY, schema=SCHEMA, what="checkpoint", sealed=True)
    refuse_other_run(path, header["settings"], settings)
    try:
        load_whole_weights(state.model, _with_prefix(tensors, "model."))
        for number, optimiser in enumerate(state.optimisers):
            entries = _entries(_with_prefix(tensors, f"optimiser.{number}."), optimiser)
            optimiser.load_state_dict({**optimiser.state_dict(), "state": entries})
    except (RuntimeError, ValueError) as error:
        raise FileFormatError(f"{path} does not fit this model: {error}") from None
    state.set_numbers(header)
    state.saved = state.reached()
    state.began = tensors["rng.began"]
    state.order.set_state(tensors["rng.order"])
    if f"rng.noise.{world.rank}" in tensors and state.noise is not state.order:
        state.noise.set_state(tensors[f"rng.noise.{world.rank}"])
    set_global_generators({name: tensors.get(f"rng.{name}.{world.rank}") for name in global_generators()})


def save_best(path: Path, model: nn.Module, settings: Mapping[str, Any], world: World) -> None:
    """Write the weights alone; all processes must call it. Raises `NotSaved`."""
    _write(path, whole_weights(model), {"settings": dict(settings)}, _BEST_KEY, world)


def load_best(path: Path, model: nn.Module, settings: Mapping[str, Any] | None) -> None:
    """Restore the weights; `settings` of the run that they must belong to, None: any. Raises `FileFormatError`."""
    tensors, header = read_tensors(path, key=_BEST_KEY, schema=SCHEMA, what="weights file", sealed=True)
    if settings is not None:
        refuse_other_run(path, header["settings"], settings)
    try:
        load_whole_weights(model, tensors)
    except (RuntimeError, ValueError) as error:
        raise FileFormatError(f"{path} does not fit this model: {error}") from None


def best_settings(path: Path) -> dict[str, Any]:
    """What the run said of itself whose weights these are; raises `FileFormatError`."""
    _, header = read_tensors(
        path, key=_BEST_KEY, schema=SCHEMA, what="weights file", remedy="it is written after an epoch", sealed=True
    )
    settings: dict[str, Any] = header["settings"]
    return settings


def checkpoint_settings(path: Path) -> dict[str, Any]:
    """What an unfinished run said of itself; raises `FileFormatError`."""
    _, header = read_tensors(path, key=_KEY, schema=SCHEMA, what="checkpoint", sealed=True)
    settings: dict[str, Any] = header["settings"]
    return settings


def refuse_other_run(path: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises `FileFormatError` that names the first setting in which two runs differ."""
    for key in sorted({*now, *then}):
        if now.get(key) != then.get(key):
            raise FileFormatError(
                f"{path} is of a run with {key} = {then.get(key)!r}, but now {key} = {now.get(key)!r}; "
                "resume with the same options, or start anew in another folder"
            )


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """The state dict without shards; where there are any, all processes must call it."""
    return {name: _whole(value) for name, value in model.state_dict().items()}


def load_whole_weights(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load what `whole_weights` gave, into shards where the model has them."""
    own = model.state_dict()
    model.load_state_dict({name: _like(value, own.get(name)) for name, value in tensors.items()})


def global_generators() -> dict[str, Tensor]:
    """States of torch's own generators, which dropout draws from."""
    found = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def set_global_generators(states: Mapping[str, Tensor | None]) -> None:
    """Restore what `global_generators` gave; None leaves one as it is."""
    if (cpu := states.get("torch")) is not None:
        torch.set_rng_state(cpu)
    if (gpu := states.get("cuda")) is not None:
        torch.cuda.set_rng_state(gpu)


def _write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any], key: str, world: World) -> None:
    from safetensors import SafetensorError

    failure: Exception | None = None
    if world.rank == 0:
        try:
            write_tensors(path, tensors, header, key=key, schema=SCHEMA)
        except (OSError, SafetensorError) as error:
            failure = error
    if world.sums([failure is not None])[0]:
        kept = "the one before is as it was" if path.is_file() else "there is none from before"
        raise NotSaved(f"cannot write {path}: {failure}; {kept}; make room and continue with --resume") from failure


def _whole(value: Tensor) -> Tensor:
    return value.full_tensor() if isinstance(value, DTensor) else value


def _like(value: Tensor, own: Tensor | None) -> Tensor:
    if isinstance(own, DTensor) and own.shape == value.shape:
        return distribute_tensor(value.to(own.device), own.device_mesh, own.placements)
    return value


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _entries(tensors: Mapping[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    parameters = [one for group in optimiser.param_groups for one in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = _like(value, parameters[int(index)])
    return state
