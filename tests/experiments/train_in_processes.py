"""One of two processes that train a text model together, as torchrun starts them: ``python ... FOLDER [failing]``."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2]))

from fieldsolver.errors import StabilityError
from fieldsolver.experiments.text import EncodedSplit
from fieldsolver.experiments.training import (
    Measured,
    Task,
    TrainingFailed,
    TrainSettings,
    evaluate_split,
    text_task,
    train,
)
from fieldsolver.experiments.training.checkpoint import whole_weights
from fieldsolver.experiments.training.world import current_world, joined
from tests.experiments.text_models import mean_model, texts

SETTINGS = TrainSettings(epochs=2, batch=15, learning_rate=0.02, seed=5, keep="best", accumulate=2, clip=0.3)


def task() -> Task:
    """91 texts in any order: shares are uneven, and the last batch has one text, which two processes cannot share."""
    whole: EncodedSplit = texts(91, 0)
    return replace(text_task(whole, texts(41, 1), texts(43, 2), classes=3), batches=None)


def model() -> nn.Module:
    return mean_model(weight=0.1).double()


def crashing(at: int) -> Task:
    """A power cut in step `at`: two pieces a step."""
    whole, pieces = task(), 0

    def loss(network: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        nonlocal pieces
        pieces += 1
        if pieces == 2 * at:
            raise RuntimeError("power cut")
        return whole.loss(network, indices, generator)

    return replace(whole, loss=loss)


def stuck(whole: Task, moment: str) -> Task:
    """Process 1 alone cannot follow a field, in the third step or when it evaluates, inside the model like fields."""
    steps = 0

    def spoil(network: nn.Module) -> None:
        if current_world().rank == 1:
            next(one for one in network.modules() if isinstance(one, nn.Linear)).register_forward_pre_hook(overflow)

    def overflow(*_: object) -> None:
        raise StabilityError("text 3 overflows", math.nan)

    def loss(network: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        nonlocal steps
        steps += 1
        if moment == "step" and steps == 5:  # two pieces a step
            spoil(network)
        return whole.loss(network, indices, generator)

    def evaluate(network: nn.Module) -> dict[str, float]:
        spoil(network)
        return evaluate_split(network, texts(41, 1), classes=3)

    return replace(whole, loss=loss, evaluate=evaluate if moment == "evaluation" else whole.evaluate)


def failing(folder: Path) -> None:
    """Every run ends with an error in both processes, whose words are kept."""
    with joined("ddp") as world:
        for name in ("ddp", "fsdp"):
            for moment in ("step", "evaluation"):
                here = folder / f"{name}_{moment}"
                try:
                    train(model(), stuck(task(), moment), SETTINGS, here, parallel=name, progress=False)
                except TrainingFailed as failed:
                    (here / f"said{world.rank}").write_text(str(failed), encoding="utf-8")


def main(folder: Path) -> None:
    with joined("ddp") as world:
        for name in ("ddp", "fsdp"):
            trained = model()
            run = train(trained, task(), SETTINGS, folder / name, parallel=name)
            np.savez(
                folder / f"{name}{world.rank}.npz",
                **{key: value.detach().numpy() for key, value in whole_weights(trained).items()},
                losses=[row["loss"] for row in run.history],
                test=[run.test["accuracy"], run.test["loss"]],
                tokens=run.tokens,
            )
        again = model()
        try:
            train(again, crashing(9), SETTINGS, folder / "again", parallel="fsdp", save_steps=2)
        except RuntimeError as error:
            if "power cut" not in str(error):
                raise
        again = model()
        train(again, task(), SETTINGS, folder / "again", parallel="fsdp", resume=True)
        np.savez(folder / f"again{world.rank}.npz", **{k: v.detach().numpy() for k, v in whole_weights(again).items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    (failing if sys.argv[2:] == ["failing"] else main)(Path(sys.argv[1]))
