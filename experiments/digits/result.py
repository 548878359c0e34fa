"""The numbers of a run as an `AnalysisResult`, with a verdict on the claim."""

from __future__ import annotations

import dataclasses

import numpy as np

from fieldsolver.results import AnalysisResult, Verdict

from .figures import confusion_counts, trajectory
from .model import TEXT
from .outcome import Outcome

TARGET = 0.985
SAVES = 11


def digits_result(outcome: Outcome) -> AnalysisResult:
    """The dataset, and PASS when the mean accuracy reaches the target and the dynamics are worth something."""
    import xarray

    measured = outcome.accuracies()
    times, field = trajectory(outcome, SAVES)
    histories = outcome.networks()

    def curves(key: str) -> np.ndarray:
        return np.array([[[row[key] for row in run.history] for run in runs] for runs in histories.values()])

    dataset = xarray.Dataset(
        {
            "accuracy": _variable(("network", "seed"), np.stack(list(measured.values())), "test accuracy"),
            "accuracy_refined": _variable(("seed",), np.array(outcome.refined), "test accuracy with finer time steps"),
            "loss": _variable(("network", "seed", "epoch"), curves("loss"), "training loss"),
            "test_accuracy": _variable(
                ("network", "seed", "epoch"), curves("accuracy"), "test accuracy after an epoch"
            ),
            "yardstick_accuracy": _variable(
                ("yardstick",), np.array(list(outcome.yardsticks.values())), "test accuracy of other classifiers"
            ),
            "confusion": _variable(("true", "answer"), confusion_counts(outcome), "answers of the field, all seeds"),
            "prediction": _variable(
                ("seed", "sample"), np.stack([t.predictions.numpy() for t in outcome.field]), "answer of the field"
            ),
            "label": _variable(("sample",), outcome.test.labels.numpy(), "true digit"),
            "u": _variable(("time", "component", "x", "y"), field, "field of the first test image, seed 0"),
        },
        {
            "network": list(histories),
            "seed": np.arange(len(outcome.field)),
            "epoch": np.arange(1, len(outcome.field[0].history) + 1),
            "yardstick": list(outcome.yardsticks),
            "time": ("time", times, {"units": "1", "long_name": "time of the equation"}),
        },
    )
    status, reason = _verdict(outcome)
    settings = dataclasses.asdict(outcome.settings)
    return AnalysisResult(
        dataset, status, reason, "digits/1", {"equation": TEXT, "quick": str(outcome.quick), **settings}
    )


def _variable(dims: tuple[str, ...], values: np.ndarray, long_name: str) -> tuple[tuple[str, ...], np.ndarray, dict]:
    return dims, values, {"units": "1", "long_name": long_name}


def _verdict(outcome: Outcome) -> tuple[Verdict, str]:
    values, gains = outcome.accuracies()["field"], outcome.gains()
    mean = float(values.mean())
    said = (
        f"mean test accuracy {mean:.4f} over {len(values)} seed(s) (target {TARGET}); "
        f"against the same network without dynamics {gains['ablation']}, "
        f"and against that one trained without jitter {gains['unjittered']}"
    )
    if outcome.quick:
        return Verdict.INCONCLUSIVE, f"short run: {said}"
    holds = mean >= TARGET and all(gain.low > 0 for gain in gains.values())
    return (Verdict.PASS if holds else Verdict.FAIL), said
