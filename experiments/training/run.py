"""The course of a run: epochs of steps, a checkpoint after each, the best weights kept, the test once at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fieldsolver.errors import OptionError, SolveFailed, StabilityError
from fieldsolver.experiments.options import Interrupted
from fieldsolver.solve.progress import ProgressBar

from .checkpoint import BEST, CHECKPOINT, load_best, save_best, save_checkpoint
from .failures import TrainingFailed
from .interruption import Interruption
from .logs import Logs
from .outcome import RESULT, TrainingRun, write_result
from .schedule import learning_rate, part_done
from .settings import TrainSettings
from .state import TrainingState, add_up
from .step import Stepper


@dataclass(frozen=True)
class Saving:
    """When checkpoints are written besides after every epoch: every so many seconds, every so many steps."""

    seconds: float | None = None
    steps: int | None = None


@dataclass(frozen=True)
class Run:
    """A run on its way.

    Attributes:
        stepper: makes the steps, and has state, task and settings.
        folder, stored: where its files are, and what they must agree with.
        saving, logs, bar: what happens on the way.
    """

    stepper: Stepper
    folder: Path
    stored: dict[str, Any]
    saving: Saving
    logs: Logs
    bar: ProgressBar

    @property
    def state(self) -> TrainingState:
        return self.stepper.state

    @property
    def settings(self) -> TrainSettings:
        return self.stepper.settings

    def to_the_end(self) -> TrainingRun:
        """Train what is left; keep the weights that are to be kept, and test them."""
        state = self.state
        try:
            with Interruption() as interruption:
                while not self._over():
                    self._epoch(interruption)
                    self._evaluate()
                    self._save()
        except Interrupted:
            raise
        except KeyboardInterrupt:
            raise self._interrupted() from None
        if self.settings.keep == "best":
            load_best(self.folder / BEST, state.model, self.stored)
        state.model.eval()
        measured = self._measured(self.stepper.task.test, "when training was over")
        best = state.history[_best(state.history, self.settings)]
        run = TrainingRun(state.history, best, measured, round(state.seconds, 3), int(state.tokens), state.steps)
        if self.stepper.world.rank == 0:
            write_result(self.folder / RESULT, run, self.stored)
        return run

    def _over(self) -> bool:
        state, settings = self.state, self.settings
        if state.history and part_done(settings, state.epoch, settings.epochs, state.tokens, state.seconds).over:
            return True
        if settings.patience is None or not state.history:
            return False
        values = [row[settings.monitor] for row in state.history]
        return len(values) - 1 - values.index(max(values)) >= settings.patience

    def _epoch(self, interruption: Interruption) -> None:
        """The steps of an epoch that are left."""
        state, settings = self.state, self.settings
        state.model.train()
        now = state.order.get_state()
        if state.position:
            state.order.set_state(state.began)
        else:
            state.began = now
        batches = self.stepper.task.epoch(settings.batch, state.order)
        if state.position:
            state.order.set_state(now)
        last_save = time.monotonic()
        while state.position < len(batches):
            part = part_done(
                settings, state.epoch * len(batches) + state.position, settings.epochs * len(batches),
                state.tokens, state.seconds,
            )  # fmt: skip
            if part.over:
                break
            self._step(batches[state.position], learning_rate(settings, *part), part.done / part.whole)
            due = self._due(time.monotonic() - last_save)
            stop, save = self.stepper.world.sums([interruption.asked, due and self.stepper.world.rank == 0])
            if stop or (save and state.position < len(batches)):
                self._save()
                last_save = time.monotonic()
            if stop:
                raise self._interrupted()

    def _step(self, indices: torch.Tensor, rate: float, fraction: float) -> None:
        state, started = self.state, time.perf_counter()
        sums, norm = self.stepper.step(indices, rate)
        seconds = self._agreed(time.perf_counter() - started)
        add_up(state.totals, {**sums, "samples": len(indices), "seconds": seconds})
        state.tokens += sums.get("tokens", 0.0)
        state.seconds += seconds
        state.steps += 1
        state.position += 1
        state.rate = rate
        loss = sums["loss"] / len(indices)
        self.logs.step(state.steps, {"loss": loss, "learning_rate": rate, "gradient_norm": norm})
        self.bar(fraction, loss=loss, rate=rate, **_speed(state.totals))

    def _agreed(self, seconds: float) -> float:
        """Of process 0: all must come to the same end."""
        return self.stepper.world.sums([seconds if self.stepper.world.rank == 0 else 0.0])[0]

    def _due(self, elapsed: float) -> bool:
        seconds, steps = self.saving.seconds, self.saving.steps
        return (seconds is not None and elapsed >= seconds) or (steps is not None and self.state.steps % steps == 0)

    def _evaluate(self) -> None:
        """Close the epoch: its row, and the weights if they are the best."""
        state, totals, evaluate = self.state, self.state.totals, self.stepper.task.evaluate
        started = time.perf_counter()
        samples = totals["samples"]
        row: dict[str, float] = {"epoch": state.epoch + 1, "loss": totals["loss"] / samples}
        row["learning_rate"] = state.rate
        row |= {name: value if name == "tokens" else value / samples for name, value in _counted(totals).items()}
        state.model.eval()
        try:
            row |= self._measured(evaluate, f"after the steps of epoch {state.epoch + 1}")
        except TrainingFailed:
            self._save()  # as it was before: what was learned must not be lost with the look at it
            raise
        row |= _speed(totals) | _memory(state.model)
        row["seconds"] = round(totals["seconds"] + time.perf_counter() - started, 3)
        state.history.append(row)
        state.epoch, state.position, state.totals = state.epoch + 1, 0, {}
        if self.settings.keep == "best" and _best(state.history, self.settings) == len(state.history) - 1:
            save_best(self.folder / BEST, state.model, self.stored, self.stepper.world)
        if self.stepper.world.rank == 0:
            self.logs.epoch(state.steps, state.history)

    def _measured(self, measure: Callable[[nn.Module], dict[str, float]] | None, when: str) -> dict[str, float]:
        """What the task measures.

        Raises:
            TrainingFailed: a field of its texts could not be followed.
        """
        try:
            with torch.no_grad():
                return {} if measure is None else measure(self.state.model)
        except (SolveFailed, StabilityError) as error:
            raise TrainingFailed(
                f"{when} no scores were found ({error}); lower the learning rate ({self.settings.learning_rate:g}); "
                f"{self.folder / CHECKPOINT} has the state of that moment"
            ) from error

    def _save(self) -> None:
        save_checkpoint(self.folder / CHECKPOINT, self.state, self.stored, self.stepper.world)
        self.state.saved = self.state.reached()

    def _interrupted(self) -> Interrupted:
        saved, path = self.state.saved, self.folder / CHECKPOINT
        kept = f"{path} holds {saved} of {self.settings.epochs}" if saved else "nothing is saved yet"
        return Interrupted(f"{kept}; continue with the same command and --resume")


def _best(history: Sequence[dict[str, float]], settings: TrainSettings) -> int:
    """Index of the row whose weights are kept; the first of equals."""
    if settings.keep == "last":
        return len(history) - 1
    if settings.monitor not in history[0]:
        raise OptionError(f"keep='best' watches {settings.monitor!r}, but evaluation gave {', '.join(history[0])}")
    values = [row[settings.monitor] for row in history]
    return values.index(max(values))


def _counted(totals: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in totals.items() if name not in ("loss", "samples", "seconds")}


def _speed(totals: Mapping[str, float]) -> dict[str, float]:
    if not totals.get("tokens") or not totals["seconds"]:
        return {}
    return {"tokens_per_second": round(totals["tokens"] / totals["seconds"], 1)}


def _memory(model: nn.Module) -> dict[str, float]:
    """The largest memory of the process so far, or of tensors on its GPU."""
    device = next(model.parameters()).device
    if device.type == "cuda":
        return {"peak_memory_mb": round(torch.cuda.max_memory_allocated(device) / 2**20, 1)}
    if sys.platform == "win32":
        return {}
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kibibytes elsewhere
    return {"peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)}
