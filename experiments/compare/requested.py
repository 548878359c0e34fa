"""A comparison as the command line asks for it: names of models, one data set, one budget."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fieldsolver.errors import OptionError, listing
from fieldsolver.experiments.baselines import CLASSIFIERS, NETS
from fieldsolver.models.catalogue import MODELS

from .outcome import Outcome, run_study
from .page import write_comparison
from .recipe import Budget, Recipe
from .runner import Running
from .store import CellStore
from .study import Entry, Pair, Study
from .trained_as import READ, trained_as

ALWAYS = ("majority", "tfidf")
"""Stand beside every comparison, asked for or not."""


def requested_study(
    names: Sequence[str], data: str, seeds: int, budget: Budget, *, fraction: float = 1.0, options: Any = None
) -> Study:
    """Rows for names such as ``"wave_network/best"``, ``"transformer"``, ``"bag"``, ``"tfidf"``.

    The transformer gets the size of the first architecture among them. Every network reads the first architecture's
    tokens, so that equal tokens are equal texts.

    Raises:
        OptionError: no names, unknown ones, or a number of seeds that is none.
    """
    if not names:
        raise OptionError("name at least one model, such as wave_network/best; see 'fieldsolver list models'")
    if seeds < 1:
        raise OptionError(f"seeds is at least 1, got {seeds}")
    reading = {**_reading(names), **(options or {})}
    recipes: list[Recipe] = []
    for name in dict.fromkeys([*names, *ALWAYS]):
        model, _, preset = name.partition("/")
        if model in CLASSIFIERS or model in NETS or model in MODELS:
            matched = [recipe for recipe in recipes if recipe.model in MODELS] if model == "transformer" else []
            recipes.append(_recipe(name, model, preset or None, matched[0] if matched else None, reading))
        else:
            Recipe(name, model)  # its own sentence, with the nearest name
    entries = [Entry(recipe, data, seeds, budget) for recipe in recipes]
    return Study(entries, _pairs(recipes, data, budget), fraction)


def compare_models(study: Study, out: Path, cells: Path, running: Running, command: str) -> tuple[Outcome, Path]:
    """Run what is missing and write the page; returns the outcome and the page's path."""
    outcome = run_study(study, CellStore(cells), running)
    title = f"Comparison on {listing(study.data_sets)}"
    about = [f"{', '.join(entry.recipe.name for entry in study.entries)}: tuned alike, trained alike, judged alike."]
    return outcome, write_comparison(outcome, out, "comparison", title=title, about=about, command=command)


def _recipe(name: str, model: str, preset: str | None, like: Recipe | None, reading: dict[str, Any]) -> Recipe:
    if model in CLASSIFIERS:
        return Recipe(name, model)
    own = trained_as(model, preset) if model in MODELS else {}
    if like is not None:
        own = {"training": like.training, "label_smoothing": like.label_smoothing, "options": {"layers": 2}}
    return Recipe(name, model, preset, like=like, **{**own, **reading})


def _reading(names: Sequence[str]) -> dict[str, Any]:
    """Tokeniser, vocabulary, length and batch of the first architecture that says what it wants."""
    for name in names:
        model, _, preset = name.partition("/")
        wanted = trained_as(model, preset or None) if model in MODELS else {}
        if wanted:
            return {key: wanted[key] for key in READ}
    return {}


def _pairs(recipes: Sequence[Recipe], data: str, budget: Budget) -> list[Pair]:
    first, *others = recipes
    matched = "seconds" if budget.seconds is not None else "tokens"
    return [
        Pair(
            first.name, other.name, data,
            "texts" if not (first.is_network and other.is_network)
            else f"parameters, {matched}" if other.like is not None else matched,
            f"is {first.name} better than {other.name}?",
        )
        for other in others if other.model != "majority"
    ]  # fmt: skip
