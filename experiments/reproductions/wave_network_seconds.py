"""What the runs of the Wave Network's reproduction cost, so that the whole fits into its time."""

from __future__ import annotations

from fieldsolver.experiments.compare import Entry, Study

MILLISECONDS = {
    "paper": (6.8, 2.4),
    "paper_interference": (6.8, 2.4),
    "transformer, 1 layer": (4.7, 1.2),
    "small": (0.8, 0.3),
    "best": (1.15, 0.33),
    "transformer": (1.15, 0.26),
    "bag": (0.3, 0.03),
    "abs": (1.2, 0.3),
    "re_im": (1.2, 0.3),
    "phase": (1.6, 0.45),
    "re_only": (0.95, 0.27),
    "mean_pool": (0.85, 0.16),
    "interference": (1.15, 0.33),
}
"""By row: per text of 50 tokens, to learn from it and to answer it; measured on one thread of an Intel Xeon of 2023."""

TEXTS = {"ag_news": (36_152, 4_017, 7_600), "dbpedia": (12_600, 1_400, 7_600), "imdb": (22_392, 2_488, 25_000)}
"""Texts to learn from, to choose by and to be judged by, of the data that are at hand."""

LONGER = {"ag_news": 1.0, "dbpedia": 1.0, "imdb": 5.5}
"""Tokens of a text, as multiples of 50."""

CLASSIFIER, WORKERS = 30.0, 2
"""Seconds of a row without a network, and runs at the same time."""


def planned_minutes(study: Study) -> float:
    """Minutes of all runs of a study, final ones and those that choose learning rates, on idle cores."""
    return sum(_seconds(study, entry) for entry in study.entries if not entry.left_out) / 60 / WORKERS


def _seconds(study: Study, entry: Entry) -> float:
    if not entry.recipe.is_network:
        return CLASSIFIER * study.fraction
    final = run_seconds(study, entry, study.fraction)
    tuning = run_seconds(study, entry, study.tuning_part(entry), judged=False)
    tried = len(entry.recipe.rates) * entry.tuned_longer * (entry.rates_of is None)
    return final * entry.seeds + tuning * tried


def run_seconds(study: Study, entry: Entry, part: float, *, judged: bool = True) -> float:
    """Seconds of one run on a part of the training split; a row without numbers raises `KeyError`."""
    if entry.budget.seconds_of is not None:
        return run_seconds(study, study.entry(entry.budget.seconds_of, entry.data), part, judged=judged)
    learn, answer = MILLISECONDS[entry.recipe.name]
    train, validation, test = TEXTS[entry.data]
    tested = min(test, study.test_samples or test) if judged else 0
    epochs = entry.budget.epochs or 1
    per_epoch = learn * train * part + answer * validation * study.fraction
    return LONGER[entry.data] * (epochs * per_epoch + answer * tested) / 1000
