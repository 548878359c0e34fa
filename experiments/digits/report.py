"""The report of the digits experiment: one page that says what was measured and how far to trust it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fieldsolver._version import __version__
from fieldsolver.experiments.deliver import deliver
from fieldsolver.results import AnalysisResult, provenance_attributes

from .figures import confusion, evolution, learning_curves
from .outcome import REFINEMENT, Outcome
from .result import digits_result
from .settings import CHOSEN, TRIED

NAMES = {
    "ablation": "the same network, zero time of dynamics",
    "unjittered": "the same, trained without jitter",
    "field": "**reaction-diffusion field**",
}


def write_report(outcome: Outcome, folder: Path) -> Path:
    """Write result.nc, the figures and report.md into `folder`, print the table, return the report's path."""
    result, table = digits_result(outcome), accuracy_table(outcome)
    figures = {"learning": learning_curves(outcome), "evolution": evolution(outcome), "confusion": confusion(outcome)}
    return deliver(folder, result, figures, table, _page(outcome, result, table))


def accuracy_table(outcome: Outcome) -> list[str]:
    """Rows of a Markdown table, best last."""
    measured = outcome.accuracies()
    wrong = len(outcome.test)
    rows = {name: (value, 0.0, "") for name, value in outcome.yardsticks.items()}
    for key, name in NAMES.items():
        values = measured[key]
        spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        rows[name] = (float(values.mean()), spread, ", ".join(f"{value:.4f}" for value in values))
    lines = [
        f"| classifier | test accuracy | wrong of {wrong} | deviation | per seed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, (mean, spread, seeds) in sorted(rows.items(), key=lambda item: item[1][0]):
        deviation = f"{spread:.4f}" if seeds and not np.isnan(spread) else "-"
        lines.append(f"| {name} | {mean:.4f} | {(1 - mean) * wrong:.1f} | {deviation} | {seeds or '-'} |")
    return lines


def _page(outcome: Outcome, result: AnalysisResult, table: list[str]) -> list[str]:
    model, settings = outcome.field[0].model, outcome.settings
    size = settings.components
    short = ["> **A short run for demonstration.** Its numbers are lower than those of the full experiment, "
             "`fieldsolver train digits`.", ""] if outcome.quick else []  # fmt: skip
    seconds = sum(row["seconds"] for runs in outcome.networks().values() for run in runs for row in run.history)
    made = provenance_attributes()["created"]
    return [
        "# Handwritten digits, classified by a reaction-diffusion field",
        "",
        *short,
        "The pixels of an 8x8 image are the initial value of the first component of a field; the others start at zero.",
        "The field evolves by a declared equation for one unit of time; a linear readout of its end names the digit:",
        "",
        "```",
        str(model.layer.equation),
        f"{size} components, walls without flux, react: a perceptron {3 * size} -> {settings.hidden} -> {size}",
        f"{settings.method} with steps of {settings.dt}; {sum(p.numel() for p in model.parameters())} trained numbers",
        "```",
        "",
        "## Result",
        "",
        f"**{result.status.name}**: {result.reason}.",
        "",
        *table,
        "",
        *_trust(outcome),
        "",
        "![learning curves](learning.png)",
        "",
        "One digit's field over time (the component that starts as the image, and those that change most):",
        "",
        "![evolution of one digit](evolution.png)",
        "",
        "![confusion matrix](confusion.png)",
        "",
        "## How it was made",
        "",
        f"{len(outcome.field)} seed(s), {settings.epochs} epochs, AdamW with learning rate {settings.learning_rate:g}, "
        f"batches of {settings.batch}; training images are stretched, sheared and shifted by up to "
        f"{settings.jitter:.0%}. The ablation is trained in exactly the same way. Training took {seconds:.0f} s.",
        "",
        *_choices(),
        "",
        f"fieldsolver {__version__}, {made}. Numbers: `result.nc`; weights of seed 0: `weights.safetensors`; "
        "to repeat: `fieldsolver train config.toml`.",
    ]


def _trust(outcome: Outcome) -> list[str]:
    number, gains = len(outcome.test), outcome.gains()
    mean = float(outcome.accuracies()["field"].mean())
    error = float(np.sqrt(mean * (1 - mean) / number))
    finer = ", ".join(f"{value:.4f}" for value in outcome.refined)
    return [
        f"* Field less the same network with zero time of dynamics, trained alike: {gains['ablation']}; less that "
        f"network trained without jitter, which suits it better: {gains['unjittered']}. Paired, Student's t.",
        f"* The test split has {number} images: another split of that size would move any accuracy here by about "
        f"{error:.4f} (one standard deviation). Differences between classifiers below that mean little.",
        f"* Solved with steps {REFINEMENT} times smaller, the trained networks reach {np.mean(outcome.refined):.4f} "
        f"instead of {mean:.4f} (per seed: {finer}). A large change would mean that they have learned their time steps "
        "and not an equation.",
        "* The split is fixed (20 %, stratified, random_state 0). It was not used for any choice about the network.",
    ]


def _choices() -> list[str]:
    return [
        "The settings were chosen on a fifth of the training split (288 images), trained on the rest. What was tried:",
        "",
        "| changed | validation accuracy |",
        "| --- | --- |",
        *(f"| {what} | {value:.4f} |" for what, value in TRIED),
        "",
        CHOSEN,
    ]
