"""The numbers of an outcome as an `AnalysisResult` of schema ``comparison/1``, and as lines of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from fieldsolver.analysis.labels import Entry, entry
from fieldsolver.results import AnalysisResult, Verdict

from .claims import Judged, Judgement
from .outcome import Outcome, Row

SCHEMA = "comparison/1"
QUANTITIES = {
    "seconds": ("s", "mean training seconds"),
    "tokens": ("1", "mean tokens trained on"),
    "parameters": ("1", "trained parameters"),
    "embedding": ("1", "trained parameters of embeddings"),
    "macs_per_token": ("1", "multiply-accumulates per token of a forward pass"),
    "held_bytes": ("B", "bytes held for the gradient of one batch"),
    "state_bytes": ("B", "bytes of weights, gradients and the optimiser"),
    "evaluations": ("1", "mean evaluations of the right-hand side per text"),
}


def comparison_result(outcome: Outcome, judged: Sequence[Judged] = ()) -> AnalysisResult:
    """Schema ``comparison/1``.

    Dimensions ``entry`` (coordinates `row`, `data`), ``seed``, ``pair``, ``claim``. NaN: not measured. PASS: all was
    measured and every claim judged is reproduced; FAIL: one is not; INCONCLUSIVE: something was not measured.
    """
    import xarray

    rows = list(outcome.rows.values())
    seeds = max((row.entry.repetitions for row in rows), default=1)
    entries: dict[str, Entry] = {
        "accuracy": entry(("entry", "seed"), _by_seed(rows, seeds), "test accuracy"),
        "learning_rate": entry(
            ("entry",), [np.nan if row.rate is None else row.rate for row in rows], "learning rate chosen"
        ),
    }
    for name, (units, words) in QUANTITIES.items():
        entries[name] = entry(("entry",), [row.mean(name) for row in rows], words, units)
    coordinates: dict[str, Any] = {
        "row": ("entry", [row.name for row in rows], {"long_name": "row of the table", "units": "1"}),
        "data": ("entry", [row.entry.data for row in rows], {"long_name": "data set", "units": "1"}),
        "seed": ("seed", np.arange(seeds), {"long_name": "seed", "units": "1"}),
    }
    if pairs := outcome.comparisons():
        entries["difference"] = entry(("pair",), [item.test.mean for item in pairs], "accuracy of first less second")
        entries["p_t"] = entry(("pair",), [item.test.p_t for item in pairs], "p-value of the paired t test")
        entries["p_signs"] = entry(("pair",), [item.test.p_signs for item in pairs], "p-value of the sign-flip test")
        entries["p_adjusted"] = entry(("pair",), [item.adjusted for item in pairs], "p-value after Holm's correction")
        names = [f"{item.pair.first} less {item.pair.second} on {item.pair.data}" for item in pairs]
        coordinates["pair"] = ("pair", names, {"long_name": "rows compared", "units": "1"})
    if judged:
        entries["judgement"] = entry(("claim",), [str(one.judgement) for one in judged], "verdict on the claim")
        entries["numbers"] = entry(("claim",), [one.words for one in judged], "what the verdict rests on")
        texts = [one.claim.text for one in judged]
        coordinates["claim"] = ("claim", texts, {"long_name": "claim", "units": "1"})
    status, reason = _verdict(outcome, judged)
    return AnalysisResult(xarray.Dataset(entries, coordinates), status, reason, SCHEMA)


def cells_csv(outcome: Outcome) -> str:
    """One line per run: row, data, seed, rate, accuracy, effort."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["accuracy", "precision", "recall", "f1", "evaluations"]
    costs = ["macs_per_token", "held_bytes", "state_bytes", "peak_memory_mb"]
    sizes = ["embedding", "rest", "total"]
    writer.writerow(
        ["row", "data", "seed", "learning_rate", "training_texts", "seconds", "tokens", *names, *sizes, *costs]
    )
    for (name, data), row in outcome.rows.items():
        for seed, result in zip(_seeds(row), row.results, strict=True):
            head = [name, data, seed, row.rate, result.rows, round(result.seconds, 2), result.tokens]
            sources = [(result.metrics, names), (result.parameters, sizes), (result.costs, costs)]
            writer.writerow([*head, *(values.get(key, "") for values, keys in sources for key in keys)])
    return text.getvalue()


def _by_seed(rows: Sequence[Row], seeds: int) -> np.ndarray:
    values = np.full((len(rows), seeds), np.nan)
    for place, row in enumerate(rows):
        values[place, list(_seeds(row))] = row.accuracies
    return values


def _seeds(row: Row) -> Sequence[int]:
    return range(len(row.results)) if row.seeds is None else row.seeds


def _verdict(outcome: Outcome, judged: Sequence[Judged]) -> tuple[Verdict, str]:
    counts = {kind: sum(one.judgement is kind for one in judged) for kind in Judgement}
    said = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number)
    missing = [f"{name} on {data}" for (name, data), row in outcome.rows.items() if not row.is_measured]
    reason = f"of {len(judged)} claims {said}" if judged else f"{len(outcome.rows) - len(missing)} rows were measured"
    if missing:
        reason += f"; without numbers: {', '.join(missing)}"
    if counts[Judgement.NOT_REPRODUCED]:
        return Verdict.FAIL, reason
    if missing or counts[Judgement.NOT_MEASURED]:
        return Verdict.INCONCLUSIVE, reason
    return Verdict.PASS, reason
