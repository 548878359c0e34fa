"""WaveNetNeuro's open questions on 10 % of IMDB: size, number of steps, diffusivity, steps to rest, geometry."""

from __future__ import annotations

import dataclasses
from typing import Any

from fieldsolver.experiments.compare import Budget, Claim, Entry, Exceeds, Measured, Pair, Recipe, Study

from . import wavenet_neuro_scaling_readings as readings
from .declaration import Reading, Reproduction
from .rows import Planned, bag_like, entries, linear_entries, matched, preset_recipe

MODEL, DATA = "wavenet_neuro", "imdb"
QUESTIONS = "the source document's open questions"
CHANNELS = (8, 16, 32, 64)
STEPS = (1, 4, 8)
STARTS = (0.01, 0.1, 1.0)
BASE = "32 channels"
"""The preset `imdb`: 2 steps of 1/2."""
EPOCHS, PART = 4, 0.1
QUICK = ("8 channels", "16 channels", BASE, "adaptive", "metric", "transformer", "bag")


def declared(quick: bool) -> Reproduction:
    """The whole reproduction, or its short form."""
    rows = [entry for entry in _rows(quick) if not quick or entry.recipe.name in QUICK]
    rows += linear_entries(DATA, ("majority", "tfidf"))
    keys = {row.recipe.name for row in rows}
    study = Study(
        rows,
        [pair for pair in PAIRS if {pair.first, pair.second} <= keys],
        fraction=0.02 if quick else PART,
        test_samples=400 if quick else None,
        tuned_on=0.5 if quick else 1.0,  # a tenth of a tenth would be 224 reviews
        quick=quick,
    )
    return Reproduction("WaveNetNeuro: how it scales", ABOUT, study, CLAIMS, (), READINGS)


ABOUT = [
    "What the source document leaves open: whether accuracy follows a law in the size of the field, how many steps are "
    "worth taking, whether the number of steps to rest can be predicted, which diffusivities are best, and whether a "
    "geometry emerges. Everything is trained on 10 % of IMDB's training split, so accuracies are below those of whole "
    "runs, and differences are what counts. Rows that differ from `32 channels` in a number take its learning rate. "
    "Steps have the length 1/2, so more steps are more time; the rows `D = ...` take 4 of 1/4, in which diffusivities "
    "up to 2 are stable.",
]


def _changed(name: str, **options: Any) -> Recipe:
    return preset_recipe(MODEL, "imdb", name, options=options)


def _metric() -> Recipe:
    """The variant on a curved line; what is no switch of the field's equation is that of the preset `imdb`."""
    config = preset_recipe(MODEL, "imdb").configuration()
    shared = ("steps", "duration", "readout", "skip", "hidden", "projection", "embedding", "channels", "bigrams",
              "dropout", "word_dropout", "head_dropout")  # fmt: skip
    options = {"variant": "metric", **{name: config[name] for name in shared}}
    return dataclasses.replace(preset_recipe(MODEL, "imdb", "metric"), preset=None, options=options)


def _rows(quick: bool) -> list[Entry]:
    budget, base = Budget(epochs=EPOCHS), _changed(BASE)
    others = [
        *(_changed(f"{size} channels", channels=size, embedding=size) for size in CHANNELS),
        *(_changed(f"{count} step{'s' * (count > 1)}", steps=count, duration=count / 2) for count in STEPS),
        *(_changed(f"D = {start:g}", steps=4, diffusivity=start) for start in STARTS),
    ]
    planned = [
        Planned(base, budget),
        *(Planned(recipe, budget, rates_of=BASE) for recipe in others if recipe.name != BASE),
        Planned(preset_recipe(MODEL, "zero_dynamics", "0 steps"), budget),
        Planned(preset_recipe(MODEL, "adaptive"), budget),
        Planned(_metric(), budget),
        Planned(matched(base), budget),
        Planned(bag_like(base), budget),
    ]
    return entries(DATA, planned, quick)


PAIRS = (
    Pair("64 channels", "8 channels", DATA, "texts", "does size help?"),
    Pair("8 steps", "1 step", DATA, "texts, parameters", "do more steps help?"),
    Pair(BASE, "0 steps", DATA, "texts, tuning", "do steps help at all?"),
    Pair("metric", BASE, DATA, "texts, tuning", "does a learned metric help?"),
    Pair("adaptive", BASE, DATA, "texts, tuning", "does running to rest help?"),
    Pair(BASE, "transformer", DATA, "parameters, texts, tuning", "better than a transformer?"),
    Pair(BASE, "bag", DATA, "texts, tuning", "better than a bag of words and pairs?"),
)

CLAIMS = (
    Claim("errors fall with the size of the field by a power law", QUESTIONS, Measured("size", readings.size_verdict)),
    Claim("more steps are better", QUESTIONS, Exceeds("8 steps", "1 step", DATA)),
    Claim("any steps are better than none", QUESTIONS, Exceeds(BASE, "0 steps", DATA)),
    Claim("the number of steps to rest can be predicted", QUESTIONS, Measured("rest", readings.rest_verdict)),
    Claim("training finds the best diffusivity", QUESTIONS, Measured("learnt", readings.diffusivity_verdict)),
    Claim("a geometry emerges", QUESTIONS, Measured("geometry", readings.geometry_verdict)),
)

READINGS = (
    Reading("size", "Errors over the size of the field", readings.size, readings.size_lines,
            {"size": readings.size_figure}),
    Reading("learnt", "Diffusivities and speeds that were learnt", readings.learnt, readings.learnt_lines,
            {"diffusivity": readings.learnt_figure}),
    Reading("rest", "Predicted and counted evaluations until rest", readings.rest, readings.rest_lines),
    Reading("geometry", "The learned metric", readings.geometry, readings.geometry_lines),
)  # fmt: skip
