"""WaveNetNeuro: the original, what it became, its ablations, adaptive against fixed, and the claims about it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fieldsolver.experiments.baselines import NETS
from fieldsolver.experiments.compare import (
    Budget,
    Claim,
    Computed,
    Entry,
    Finding,
    Measured,
    Pair,
    Reaches,
    Recipe,
    Study,
)
from fieldsolver.experiments.compare.outcome import Outcome
from fieldsolver.experiments.compare.statistics import rank_correlation
from fieldsolver.experiments.compare.study import TUNED_ON
from fieldsolver.experiments.compare.tables import table
from fieldsolver.experiments.compare.trained_as import epochs_of
from fieldsolver.models.catalogue import build
from fieldsolver.models.parts import TextModel
from fieldsolver.themes import line

from . import wavenet_neuro_mathematics as mathematics
from .cost_of_length import (
    QUICK_SIZES,
    SIZES,
    VOCABULARY,
    grows_linearly,
    held_over_length,
    length_figure,
    length_lines,
    seconds_over_length,
    slopes,
)
from .declaration import Measurement, Numbers, Reading, Reproduction
from .energy_of_a_text import energy_of_a_text
from .energy_of_a_text import lines as energy_lines
from .rows import TUNED_LONGER, Planned, bag_like, entries, linear_entries, matched, preset_recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL, DATA = "wavenet_neuro", "imdb"
SOURCE, FOLLOW_UP = "the source document", "its repository's later measurements"
READ: dict[str, Any] = {"tokeniser": "words", "vocabulary": 20_000, "max_length": 256, "batch": 32}
STEPS = (4, 16, 64)
TEXTS = 8
BATCH = f"imdb, {TEXTS} texts"
ABLATIONS = ("zero_dynamics", "reaction_only", "diffusion_only")
ON_ALL = ", tuned on all"
"""Rates that win on a tenth of the texts suit short runs: on all of them a free reaction overfits."""
WITHOUT_PAIRS = ("words", "adaptive", "fixed", "words_zero")
AS_ADAPTIVE = "words_zero, 256 tokens"
SHORTER, TOO_LONG = "original, 10 steps", "more than an hour per run on one thread"


def declared(quick: bool) -> Reproduction:
    """The whole reproduction, or its short form."""
    rows = _rows(quick)
    keys = {row.recipe.name for row in rows}
    study = Study(
        rows,
        [pair for pair in PAIRS if {pair.first, pair.second} <= keys],
        fraction=0.02 if quick else 1.0,
        test_samples=400 if quick else None,
        tuned_on=0.5 if quick else TUNED_ON,
        quick=quick,
    )
    return Reproduction(
        "WaveNetNeuro: what its documents claim and what was measured",
        ABOUT,
        study,
        CLAIMS,
        (
            Measurement("length", "Time over the length of the text", _time_over_length, length_lines,
                        {"length": length_figure}),
            Measurement("memory", "Memory of a training step", _memory, _memory_lines, {"memory": _memory_figure}),
            Measurement("energy", "Energy of a text", energy_of_a_text, energy_lines),
        ),
        (Reading("adaptivity", "Do harder texts take longer?", _adaptivity, _adaptivity_lines),),
    )  # fmt: skip


ABOUT = [
    "The words of a text are cells on a line; their vectors are a field, which diffuses (D > 0 per channel, nothing "
    "flows through the ends of the text or into padding), is carried along, and reacts, for a fixed number of steps or "
    "until it rests. A readout of the field's end names the class. The source document is a theory note without "
    "measurements of its own; its repository later measured the accuracy and the times quoted below, on one seed, "
    "without a validation split.",
    "Learning rates are chosen on a tenth of the texts. The rows `tuned on all` choose theirs on all of them; they "
    "were added when the first test accuracies of `imdb` had suggested that the rate of the tenth overfits.",
]


def _recipe(preset: str, **changes: Any) -> Recipe:
    """A row; what the architecture does not say of a preset's training is that of the original: 256 words."""
    found = preset_recipe(MODEL, preset, **changes)
    if found.training:
        return found
    return dataclasses.replace(found, **READ, rates=(3e-4, 1e-3, 3e-3), training={"lazy_embeddings": True})


def _rows(quick: bool) -> list[Entry]:
    best = _recipe("imdb")
    epochs = Budget(epochs=epochs_of(MODEL, "imdb", 4))
    recipes = [
        Planned(best, epochs),
        Planned(matched(best), epochs),
        Planned(matched(best, "transformer, equal seconds"), Budget(seconds_of="imdb")),
        *(Planned(_recipe(preset), epochs) for preset in ABLATIONS),
        *(Planned(_recipe(preset), epochs) for preset in WITHOUT_PAIRS),
        Planned(_recipe("words_zero", name=AS_ADAPTIVE, max_length=_recipe("adaptive").max_length), epochs),
        *(
            Planned(dataclasses.replace(recipe, name=recipe.name + ON_ALL), epochs, tuned_longer=1, tuned_on=1.0)
            for recipe in (best, matched(best), _recipe("zero_dynamics"), _recipe("words"), _recipe("words_zero"))
        ),
        Planned(_recipe("original", name=SHORTER, options={"steps": 10, "duration": 1.0}), Budget(epochs=2)),
        Planned(bag_like(best), epochs),
    ]
    on_all = tuple(planned.recipe.name for planned in recipes if planned.tuned_on is not None)
    left_out = (*on_all, SHORTER, *ABLATIONS[1:], "words", "words_zero", "transformer, equal seconds") if quick else ()
    found = [entry for entry in entries(DATA, recipes, quick, TUNED_LONGER) if entry.recipe.name not in left_out]
    found.append(Entry(_recipe("original"), DATA, 1, epochs, left_out=TOO_LONG))
    timed = [
        dataclasses.replace(entry, rates_of="transformer") if entry.budget.seconds_of is not None else entry
        for entry in found
    ]
    return [*timed, *linear_entries(DATA, ("majority", "tfidf") if quick else ("majority", "tfidf", "nbsvm"))]


PAIRS = (
    Pair("imdb", "transformer", DATA, "parameters, texts, tuning", "better than a transformer?"),
    Pair("imdb", "transformer, equal seconds", DATA, "parameters, seconds", "better than a transformer?"),
    Pair("imdb", "zero_dynamics", DATA, "texts, tuning", "do the dynamics help?"),
    Pair("imdb" + ON_ALL, "transformer" + ON_ALL, DATA, "parameters, texts, tuning", "better than a transformer?"),
    Pair("imdb" + ON_ALL, "zero_dynamics" + ON_ALL, DATA, "texts, tuning", "do the dynamics help?"),
    Pair("imdb", "reaction_only", DATA, "texts, tuning", "does the exchange between words help?"),
    Pair("imdb", "diffusion_only", DATA, "texts, tuning", "does the reaction help?"),
    Pair("imdb", "tfidf", DATA, "texts", "better than a linear classifier?"),
    Pair("imdb", "bag", DATA, "texts, tuning", "better than a bag of words and pairs?"),
    Pair("adaptive", "fixed", DATA, "parameters, texts, tuning", "does stopping at rest help?"),
    Pair("adaptive", AS_ADAPTIVE, DATA, "texts, tuning", "do the dynamics help without pairs?"),
    Pair("words", "words_zero", DATA, "texts, tuning", "do two steps help without pairs?"),
    Pair("words" + ON_ALL, "words_zero" + ON_ALL, DATA, "texts, tuning", "do two steps help without pairs?"),
)


def _ratio(name: str, stated: float, words: str, found: Mapping[str, Any]) -> Finding:
    ratios, sizes = found[name], found["sizes"]
    pairs = [(ratio, size) for ratio, size in zip(ratios, sizes, strict=True) if ratio == ratio]  # NaN: not measured
    shown = ", ".join(f"{ratio:.2g} at n = {size}" for ratio, size in pairs)
    return Finding(max(ratio for ratio, _ in pairs) >= 0.9 * stated, f"{words}: {shown}")


def _faster(found: Mapping[str, Any]) -> Finding:
    ours, theirs = found["seconds"]["imdb"], found["seconds"]["transformer, 2 layers"]
    ratios = {"ratio": np.divide(theirs, ours).tolist(), "sizes": found["sizes"]}
    return _ratio("ratio", 10, "seconds of a transformer of two layers over ours, one thread", ratios)


def _linear_time(found: Mapping[str, Any]) -> Finding:
    alone = found["slopes"]["imdb"]["slope"]
    return grows_linearly(
        found["slopes"][BATCH], f"at fixed evaluations, {TEXTS} texts at a time; of one text {alone:.2f}: what a call "
        "costs whatever the length weighs on short ones",
    )  # fmt: skip


def _few_steps(found: Mapping[str, Any]) -> Finding:
    rho, p = found["margin"]
    words = (
        f"rank correlation of evaluations with the lead of the right class {rho:+.3f} (p = {p:.2g}), with the length "
        f"of the text {found['length'][0]:+.3f}; {found['mean']:.1f} evaluations on the average, {found['least']:.0f} "
        f"to {found['most']:.0f}"
    )
    return Finding(rho < 0, words, p)


CLAIMS = (
    Claim("IMDB: 83.96 % (10 epochs, 1.32 million parameters)", FOLLOW_UP, Reaches("imdb", DATA, 0.8396)),
    Claim("the original's sizes reach it (here 10 steps, 2 epochs)", FOLLOW_UP, Reaches(SHORTER, DATA, 0.8396)),
    Claim("305,000 times fewer operations than a transformer", SOURCE, Computed(mathematics.operations)),
    Claim("10 to 100 times faster in practice", SOURCE, Measured("length", _faster)),
    Claim(
        "1000 times less memory", SOURCE,
        Measured(
            "memory",
            functools.partial(_ratio, "ratio", 1000, "bytes held by a transformer of two layers over ours"),
        ),
    ),
    Claim("O(n log n) on the average", SOURCE, Computed(mathematics.average_work)),
    Claim("time grows linearly with the length at fixed evaluations", SOURCE, Measured("length", _linear_time)),
    Claim("GELU is bounded", SOURCE, Computed(mathematics.gelu_is_bounded)),
    Claim("convergence is guaranteed", SOURCE, Computed(mathematics.convergence_is_guaranteed)),
    Claim("stable for dt < 2 D / lambda_max", SOURCE, Computed(mathematics.step_bound)),
    Claim("the energy, the integral of phi^2, decreases", SOURCE, Computed(mathematics.energy_decreases)),
    Claim("n/2 iterations for full coverage", SOURCE, Computed(mathematics.full_coverage)),
    Claim("simple inputs take few steps, hard ones many", SOURCE, Measured("adaptivity", _few_steps)),
)  # fmt: skip


def _small(preset: str, **changes: Any) -> TextModel:
    return build(MODEL, preset, vocabulary=VOCABULARY, classes=2, **changes)


def _transformer() -> TextModel:
    package = NETS["transformer"].load()
    return cast("TextModel", package.build(package.Config(VOCABULARY, 2)))


def _time_over_length(quick: bool) -> dict[str, Any]:
    sizes = QUICK_SIZES if quick else SIZES
    attention = [size for size in sizes if size <= 2**12]  # beyond, n^2 numbers take all the time and memory there is
    seconds = {
        "imdb": seconds_over_length(lambda: _small("imdb"), sizes),
        BATCH: seconds_over_length(lambda: _small("imdb"), sizes, texts=TEXTS),
    }
    theirs = seconds_over_length(_transformer, attention)
    found = slopes(sizes, seconds) | slopes(attention, {"transformer, 2 layers": theirs})
    padded = [*theirs, *[float("nan")] * (len(sizes) - len(attention))]
    return {"sizes": list(sizes), "seconds": {**seconds, "transformer, 2 layers": padded}, "slopes": found}


def _memory(quick: bool) -> dict[str, Any]:
    sizes = [256, 1024] if quick else [256, 1024, 4096]
    ours, theirs = held_over_length(lambda: _small("imdb"), sizes), held_over_length(_transformer, sizes)
    steps = STEPS[:2] if quick else STEPS

    def held(number: int, mode: str) -> int:
        return held_over_length(lambda: _small("fixed", steps=number, gradient=mode), [512])[0]

    modes = {mode: [held(number, mode) for number in steps] for mode in ("direct", "checkpointed")}
    ratio = np.divide(theirs, ours).tolist()
    return {"sizes": sizes, "ours": ours, "theirs": theirs, "ratio": ratio, "steps": list(steps), "modes": modes}


def _memory_lines(found: Numbers) -> list[str]:
    lengths = [
        [f"{size:,}", f"{ours / 1e6:.1f}", f"{theirs / 1e6:.1f}"]
        for size, ours, theirs in zip(found["sizes"], found["ours"], found["theirs"], strict=True)
    ]
    modes = [
        [f"{steps}", *(f"{values[place] / 1e6:.2f}" for values in found["modes"].values())]
        for place, steps in enumerate(found["steps"])
    ]
    return [
        "Megabytes that a forward pass of one text holds for its gradient; counted, not sampled. The transformer's "
        "attention is fused and keeps no n x n matrix.",
        "",
        *table(["tokens", "imdb", "transformer, 2 layers"], lengths),
        "",
        "Megabytes over the number of steps, 512 tokens, preset `fixed`, by the way the gradient is taken:",
        "",
        *table(["steps", *found["modes"]], modes),
    ]


def _memory_figure(found: Numbers) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for place, (mode, values) in enumerate(found["modes"].items()):
        axes.loglog(found["steps"], np.array(values) / 1e6, marker="o", label=mode, **line(place))
    axes.set_xlabel("steps")
    axes.set_ylabel("MB held for the gradient of 512 tokens")
    axes.legend()
    return figure


def _adaptivity(outcome: Outcome) -> dict[str, Any] | None:
    """Evaluations of the adaptive row's test texts against margin and length.

    A text counts once, with its means over the seeds: the same text under three seeds is not three observations.
    """
    row = outcome.rows.get(("adaptive", DATA))
    if row is None or not row.is_measured:
        return None
    seeds = {name: np.stack([result.samples[name] for result in row.results])
             for name in ("evaluations", "margin", "tokens", "correct")}  # fmt: skip
    spent, right = seeds["evaluations"], seeds["correct"]
    mean = {name: values.mean(0) for name, values in seeds.items()}
    return {
        "margin": list(rank_correlation(mean["evaluations"], mean["margin"])),
        "length": list(rank_correlation(mean["evaluations"], mean["tokens"])),
        "mean": float(spent.mean()), "least": float(spent.min()), "most": float(spent.max()),
        "right": float(spent[right].mean()) if right.any() else float("nan"),
        "wrong": float(spent[~right].mean()) if not right.all() else float("nan"),
    }  # fmt: skip


def _adaptivity_lines(found: Numbers) -> list[str]:
    return [
        f"Texts of the row `adaptive` run until they rest: {found['mean']:.1f} evaluations of the right-hand side on "
        f"the average, {found['least']:.0f} to {found['most']:.0f}; {found['right']:.1f} where the answer is "
        f"right, {found['wrong']:.1f} where it is wrong. Rank correlation (Spearman) with the lead of the right class "
        f"over the other: {found['margin'][0]:+.3f} (p = {found['margin'][1]:.2g}, permutations); with the length of "
        f"the text {found['length'][0]:+.3f} (p = {found['length'][1]:.2g}). Harder texts take longer if the "
        "first is negative.",
    ]
