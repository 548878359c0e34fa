"""`train`: a model, a task and settings to a trained model and a folder of files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fieldsolver.errors import OptionError
from fieldsolver.solve.progress import ProgressBar

from .checkpoint import BEST, CHECKPOINT, load_best, load_checkpoint
from .guard import OFFENDING
from .logs import Logs
from .optimisers import make_optimisers, sparse_tables
from .outcome import RESULT, TrainingRun, plain, read_result
from .run import Run, Saving
from .settings import TrainSettings
from .state import TrainingState
from .step import Stepper
from .task import Task
from .world import Parallel, World, joined, wrapped


def train(
    model: nn.Module,
    task: Task,
    settings: TrainSettings,
    folder: Path,
    *,
    resume: bool = False,
    label: str = "training",
    progress: bool | None = None,
    save_seconds: float | None = None,
    save_steps: int | None = None,
    tensorboard: bool = False,
    wandb: str | None = None,
    compile: bool = False,
    parallel: Parallel | None = None,
    say: Callable[[str], None] | None = None,
) -> TrainingRun:
    """Train in place. `folder` gets the checkpoint and ``log.csv`` after every epoch, and ``result.json`` at the end.

    A run that was interrupted and resumed ends with bitwise the same weights as one that was not, on the same machine
    and number of processes, unless its budget is in seconds.

    Args:
        model: has its initial weights; its device is where it is trained.
        task, settings: what and how.
        folder: of this run alone.
        resume: go on from the checkpoint in `folder`; a finished run is loaded, nothing is computed.
        label, progress: of the bar; None shows it on a terminal only.
        save_seconds, save_steps: write checkpoints within epochs too, so often.
        tensorboard, wandb: log there too (a project's name).
        compile: run the model through `torch.compile`; evaluation stays as it is.
        parallel: share the batches among the processes of `torchrun`; process 0 writes.
        say: gets a line after every epoch.

    Raises:
        TrainingFailed: the loss or its gradient is not finite; ``offending_batch.safetensors`` has the batch. Or a
            field of the evaluation cannot be followed; the checkpoint has the state.
        Interrupted: Ctrl-C, after the step and a checkpoint; the message says how to continue.
        NotSaved: no room for a checkpoint; the one before is as it was.
        FileFormatError: `resume`, and the files do not belong to this run.
        OptionError: settings that exclude one another, or `parallel` outside of `torchrun`.
    """
    _refuse_together(settings, parallel, compile=compile)
    folder.mkdir(parents=True, exist_ok=True)
    stored = plain({**task.config, **dataclasses.asdict(settings), "samples": task.samples})
    with ExitStack() as stack:
        world = stack.enter_context(joined(parallel))
        stack.enter_context(sparse_tables(model, settings.lazy_embeddings))
        trained = wrapped(model, parallel, world)
        state = _fresh(model, settings, world)
        if resume and (folder / RESULT).is_file():
            return _finished(folder, state, settings, stored, world)
        if resume and (folder / CHECKPOINT).is_file():
            load_checkpoint(folder / CHECKPOINT, state, stored, world)
        if not resume and world.rank == 0:
            (folder / RESULT).unlink(missing_ok=True)  # of the run before, which this one replaces
        stepper = Stepper(
            torch.compile(trained) if compile else trained, state, task, settings, world, folder / OFFENDING
        )
        first = world.rank == 0
        logs = stack.enter_context(
            Logs(
                folder, stored, tensorboard=tensorboard and first, wandb=wandb if first else None, step=state.steps,
                say=say,
            )
        )  # fmt: skip
        bar = stack.enter_context(ProgressBar(label, progress if first else False))
        run = Run(stepper, folder, stored, Saving(save_seconds, save_steps), logs, bar)
        return run.to_the_end()


def _refuse_together(settings: TrainSettings, parallel: Parallel | None, *, compile: bool) -> None:
    if settings.lazy_embeddings and (parallel or compile):
        raise OptionError("lazy embeddings have sparse gradients, which neither --parallel nor --compile can handle")
    if settings.precision == "float16" and parallel == "fsdp":
        raise OptionError("float16 has a scale that sharded gradients do not share; take --precision bfloat16")


def _fresh(model: nn.Module, settings: TrainSettings, world: World) -> TrainingState:
    torch.manual_seed(settings.seed + world.rank)  # dropout
    order = torch.Generator().manual_seed(settings.seed)
    # One stream for batches and augmentation, unless processes draw different numbers of samples from it.
    noise = order if world.size == 1 else torch.Generator().manual_seed(settings.seed + world.rank)
    sharded = any(isinstance(one, torch.distributed.tensor.DTensor) for one in model.parameters())
    optimisers = make_optimisers(model, settings, sharded=sharded)
    device = next(model.parameters()).device.type
    scaler = torch.amp.GradScaler(device) if settings.precision == "float16" else None
    return TrainingState(model, optimisers, scaler, order, noise, order.get_state())


def _finished(
    folder: Path, state: TrainingState, settings: TrainSettings, stored: dict[str, Any], world: World
) -> TrainingRun:
    run = read_result(folder / RESULT, stored)
    if settings.keep == "best":
        load_best(folder / BEST, state.model, stored)
    else:
        load_checkpoint(folder / CHECKPOINT, state, stored, world)
    state.model.eval()
    return run
