"""The digits experiment: the field and its ablation over some seeds, the yardsticks, and the files it leaves."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from fieldsolver.experiments.options import RunOptions
from fieldsolver.experiments.run_config import write_run_config
from fieldsolver.experiments.training import Measured, Task, TrainSettings, train
from fieldsolver.nn.weights import save_weights
from fieldsolver.threads import one_thread

from .baselines import baselines
from .data import Part, jitter, load_split
from .model import DigitField
from .outcome import REFINEMENT, Outcome, Trained
from .report import write_report
from .settings import QUICK_EPOCHS, QUICK_SEEDS, Settings


def run(options: RunOptions) -> Path:
    """Train, compare, write ``report.md``, figures, ``config.toml``, ``result.nc``, weights; print the table."""
    settings = _settings(options)
    with one_thread():
        outcome = _outcome(settings, options)
    write_run_config(
        options.out / "config.toml", "digits", quick=options.quick, seeds=settings.seeds, epochs=settings.epochs,
        settings=dataclasses.asdict(settings),
    )  # fmt: skip
    model = outcome.field[0].model
    save_weights(model, options.out / "weights.safetensors", {"kind": "DigitField", **dataclasses.asdict(settings)})
    return write_report(outcome, options.out)


def _outcome(settings: Settings, options: RunOptions) -> Outcome:
    split = load_split()
    still = replace(settings, duration=0.0)
    field = [_one_seed(settings, seed, split, options) for seed in range(settings.seeds)]
    finer = [predict(trained.model.refined(REFINEMENT), split[1].images) for trained in field]
    return Outcome(
        settings,
        options.quick,
        field=field,
        ablation=[_one_seed(still, seed, split, options) for seed in range(settings.seeds)],
        unjittered=[_one_seed(replace(still, jitter=0.0), seed, split, options) for seed in range(settings.seeds)],
        refined=[accuracy(predictions, split[1].labels) for predictions in finer],
        yardsticks=baselines(*split),
        test=split[1],
    )


def _settings(options: RunOptions) -> Settings:
    settings = Settings(epochs=QUICK_EPOCHS, seeds=QUICK_SEEDS) if options.quick else Settings()
    return replace(settings, epochs=options.epochs or settings.epochs, seeds=options.seeds or settings.seeds)


def _one_seed(settings: Settings, seed: int, split: tuple[Part, Part], options: RunOptions) -> Trained:
    name = "field" if settings.duration else "no dynamics" if settings.jitter else "no dynamics, no jitter"
    model = DigitField(settings, seed)
    run = train(
        model,
        _task(settings, *split),
        # groups: the published numbers are of one group.
        TrainSettings(
            settings.epochs, settings.batch, settings.learning_rate, settings.weight_decay, seed=seed, groups=False
        ),
        options.out / "runs" / f"{name.replace(',', '').replace(' ', '_')}_seed_{seed}",
        resume=options.resume,
        label=f"digits, {name}, seed {seed}",
        progress=None if options.progress else False,
    )
    predictions = predict(model, split[1].images)
    return Trained(model, run.history, predictions, accuracy(predictions, split[1].labels))


def _task(settings: Settings, fit: Part, test: Part) -> Task:
    def loss(model: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        images = jitter(fit.images[indices], settings.jitter, generator)
        return Measured(nn.functional.cross_entropy(model(images), fit.labels[indices]))

    # For the picture of the learning curve only: nothing is chosen by it, every run goes to its last epoch.
    def evaluate(model: nn.Module) -> dict[str, float]:
        return {"accuracy": accuracy(predict(model, test.images), test.labels)}

    return Task(len(fit), loss, evaluate, config=dataclasses.asdict(settings))


def predict(model: nn.Module, images: Tensor) -> Tensor:
    """The most likely class of each image, shape ``(N,)``."""
    model.eval()
    with torch.no_grad():
        return model(images).argmax(1)


def accuracy(predictions: Tensor, labels: Tensor) -> float:
    """Fraction of right answers."""
    return float((predictions == labels).double().mean())
