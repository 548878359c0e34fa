"""The pictures of the digits report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from .model import CLASSES
from .outcome import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, GREY, ORANGE = "#2a6fbb", "#8a8a8a", "#d08a3c"


def learning_curves(outcome: Outcome) -> Figure:
    """Training loss and test accuracy over the epochs, one line per seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    labels = {
        "field": ("field", BLUE),
        "ablation": ("no dynamics", GREY),
        "unjittered": ("no dynamics, no jitter", ORANGE),
    }
    for key, runs in outcome.networks().items():
        label, colour = labels[key]
        for index, trained in enumerate(runs):
            epochs = [row["epoch"] for row in trained.history]
            name = label if index == 0 else None
            left.semilogy(epochs, [row["loss"] for row in trained.history], color=colour, lw=1, label=name)
            right.plot(epochs, [row["accuracy"] for row in trained.history], color=colour, lw=1, label=name)
    for name, value in outcome.yardsticks.items():
        if value > 0.9:
            right.axhline(value, color="black", lw=0.8, ls=":")
            right.text(outcome.settings.epochs, value, name, fontsize=7, va="bottom", ha="right")
    right.set_ylim(0.85, 1.005)
    left.set_ylabel("training loss")
    right.set_ylabel("test accuracy (nothing is chosen by it)")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.legend(frameon=False, loc="lower right" if axes is right else "upper right")
    return figure


def evolution(outcome: Outcome, components: int = 6, saves: int = 6) -> Figure:
    """One test digit as a field: components (rows) over time (columns), for the first seed."""
    from matplotlib.figure import Figure

    times, field = trajectory(outcome, saves)
    # The components that change most, after the one that starts as the image.
    change = np.abs(field[-1] - field[0]).mean(axis=(1, 2))
    chosen = [0, *(index for index in np.argsort(-change) if index != 0)][:components]
    figure = Figure(figsize=(1.25 * saves + 1, 1.25 * len(chosen)), layout="constrained")
    for row, (component, line) in enumerate(zip(chosen, figure.subplots(len(chosen), saves), strict=True)):
        size = np.abs(field[:, component]).max()
        for column, axes in enumerate(line):
            # Stored as (x to the right, y upwards).
            axes.imshow(field[column, component].T, origin="lower", cmap="RdBu_r", vmin=-size, vmax=size)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(f"t = {times[column]:.2g}", fontsize=9)
        line[0].set_ylabel(f"u[{component}]\n±{size:.1f}", fontsize=8)
    return figure


def trajectory(outcome: Outcome, saves: int) -> tuple[np.ndarray, np.ndarray]:
    """Times ``(T,)`` and field ``(T, C, 8, 8)`` of the first test image, for the first seed."""
    model = outcome.field[0].model
    with torch.no_grad():
        solution = model.layer.trajectory(model.start(outcome.test.images[:1]), saves)
    return solution.t.numpy(), solution.y[:, 0].numpy()


def confusion(outcome: Outcome) -> Figure:
    """Which digit was taken for which, summed over the seeds."""
    from matplotlib.figure import Figure

    counts = confusion_counts(outcome)
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    wrong = counts - np.diag(np.diag(counts))
    image = axes.imshow(wrong, cmap="Reds", vmin=0)
    for true, predicted in np.argwhere(counts > 0):
        number = counts[true, predicted]
        colour = "0.6" if true == predicted else "white" if number > wrong.max() / 2 else "black"
        axes.text(predicted, true, number, ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(CLASSES))
    axes.set_yticks(range(CLASSES))
    axes.set_xlabel("answer")
    axes.set_ylabel("true digit")
    figure.colorbar(image, ax=axes, label="wrong answers, all seeds")
    return figure


def confusion_counts(outcome: Outcome) -> np.ndarray:
    """``(true, answer)`` counts over the seeds of the field, int64."""
    counts = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for trained in outcome.field:
        np.add.at(counts, (outcome.test.labels.numpy(), trained.predictions.numpy()), 1)
    return counts
