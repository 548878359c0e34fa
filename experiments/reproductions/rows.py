"""Rows of reproductions: presets with the training that their architecture asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from fieldsolver.experiments.compare import Budget, Entry, Recipe
from fieldsolver.experiments.compare.trained_as import trained_as

SEEDS = {"ag_news": 5, "dbpedia": 5, "imdb": 3}
QUICK_SEEDS, QUICK_EPOCHS = 2, 2
TUNED_LONGER = 3
"""Times as many passes over a tenth of the texts: a third of the steps of a final run."""
LINEAR = ("majority", "tfidf", "nbsvm")


def preset_recipe(model: str, preset: str, name: str | None = None, **changes: Any) -> Recipe:
    """The row of a preset, as its architecture's TRAINING says; `changes` are fields of `Recipe`."""
    return Recipe(name or preset, model, preset, **{**trained_as(model, preset), **changes})


def matched(recipe: Recipe, name: str = "transformer", layers: int = 2, **changes: Any) -> Recipe:
    """The transformer with as many parameters, which reads the same tokens and is trained in the same way."""
    like = dataclasses.replace(recipe, name=f"{recipe.name} (size)")
    return dataclasses.replace(
        recipe, **{"name": name, "model": "transformer", "preset": None, "options": {"layers": layers}, "like": like,
                   "rates": (3e-4, 1e-3, 3e-3), **changes}
    )  # fmt: skip


def bag_like(recipe: Recipe, **options: Any) -> Recipe:
    """The bag of words and pairs, which reads the same tokens."""
    training = {**recipe.training, "weight_decay": 0.0, "lazy_embeddings": True}
    return dataclasses.replace(
        recipe, name="bag", model="bag", preset=None, options=options, rates=(1e-3, 3e-3, 1e-2), training=training
    )


def linear_entries(data: str, names: Sequence[str] = LINEAR) -> list[Entry]:
    """Classifiers without a network."""
    return [Entry(Recipe(name, name), data, 1, Budget(epochs=1)) for name in names]


class Planned(NamedTuple):
    """A row with its budget.

    Attributes:
        seeds: fewer than the data set usually gets.
        rates_of: the row whose rate it takes.
        tuned_longer: see `Entry`; None: as all rows. Rows that are compared with each other have the same.
        tuned_on: see `Entry`; not in short runs.
    """

    recipe: Recipe
    budget: Budget
    seeds: int | None = None
    rates_of: str | None = None
    tuned_longer: int | None = None
    tuned_on: float | None = None


def entries(data: str, rows: Sequence[Planned], quick: bool, tuned_longer: int = 1) -> list[Entry]:
    """Networks on a data set, with as many seeds as it gets, or as the row says; a short run is shorter.

    Args:
        data: name of the data set.
        rows: with their budgets.
        quick: a short run.
        tuned_longer: of rows that do not say; `TUNED_LONGER` where rates are chosen on a tenth of the texts.
    """
    found = []
    for row in rows:
        seeds = QUICK_SEEDS if quick else row.seeds or SEEDS[data]
        short = quick and row.budget.seconds_of is None
        budget = Budget(epochs=QUICK_EPOCHS) if short else row.budget
        longer = 1 if quick else row.tuned_longer or tuned_longer
        part = None if quick else row.tuned_on
        found.append(Entry(row.recipe, data, seeds, budget, row.rates_of, tuned_longer=longer, tuned_on=part))
    return found
