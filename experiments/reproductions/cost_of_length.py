"""Time over the length of a text, and memory over the number of evaluations: what claims of cost come down to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from fieldsolver.experiments.compare.claims import Finding
from fieldsolver.experiments.compare.costs import held_for_gradient
from fieldsolver.experiments.compare.statistics import slope
from fieldsolver.experiments.compare.tables import table
from fieldsolver.models.parts import TextModel
from fieldsolver.themes import line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = tuple(2**power for power in range(9, 15))
QUICK_SIZES = tuple(2**power for power in range(9, 13))
REPEATS = 5
VOCABULARY = 1000
LINEAR = (0.85, 1.15)
"""Exponents that count as 1."""
Numbers = Mapping[str, Any]


def seconds_over_length(
    make: Callable[[], TextModel], sizes: Sequence[int], *, texts: int = 1, gradient: bool = True
) -> list[float]:
    """Seconds of a batch of texts of n random tokens each, forward and backward, on one thread.

    The fastest of some repetitions. A call costs some milliseconds whatever the length; more `texts` make them small
    beside the work, as in training.
    """
    torch.manual_seed(0)
    model = make().train(gradient)
    return [_fastest(model, _texts(tokens, texts), gradient) for tokens in sizes]


def held_over_length(make: Callable[[], TextModel], sizes: Sequence[int]) -> list[int]:
    """Bytes kept for the gradient of one text of n tokens."""
    torch.manual_seed(0)
    model = make()
    return [held_for_gradient(model, *_texts(tokens)) for tokens in sizes]


def slopes(sizes: Sequence[int], seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Exponent of time over length by name, with its 95 % interval."""
    found = {name: slope(sizes, values) for name, values in seconds.items()}
    return {name: {"slope": one.mean, "low": one.low, "high": one.high} for name, one in found.items()}


def grows_linearly(found: Mapping[str, float], words: str) -> Finding:
    """Whether an exponent of time over length is 1, and not the 2 of attention.

    An interval that reaches into 0.85 to 1.15 decides only if it is narrower than the distance between 1 and 2, and if
    the exponent itself lies there: an interval as wide as the question is noise.

    Args:
        found: of `slopes`.
        words: what was measured.
    """
    said = f"exponent {found['slope']:.2f} (95 % interval {found['low']:.2f} to {found['high']:.2f}) {words}"
    if found["low"] > LINEAR[1] or found["high"] < LINEAR[0]:
        return Finding(False, said)
    # Written so that NaN, the interval of two lengths, decides nothing.
    if LINEAR[0] <= found["slope"] <= LINEAR[1] and found["high"] - found["low"] < 1:
        return Finding(True, said)
    return Finding(None, f"{said}; not measured: too noisy to tell 1 from 2, repeat it on an idle machine")


def length_lines(found: Numbers) -> list[str]:
    """A table of seconds by length, and the exponents."""
    names = list(found["seconds"])
    rows = [
        [f"{size:,}", *(_milliseconds(found["seconds"][name][place]) for name in names)]
        for place, size in enumerate(found["sizes"])
    ]
    fits = [
        f"{one['slope']:.2f} (95 % interval {one['low']:.2f} to {one['high']:.2f})" for one in found["slopes"].values()
    ]
    return [
        "Milliseconds of a forward and a backward pass of one text of random tokens, or of a batch where the column "
        f"says so, on one thread, the fastest of {REPEATS}; the last line is the slope of the logarithms.",
        "",
        *table(["tokens", *names], [*rows, ["slope", *fits]]),
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}" if math.isfinite(seconds) else "-"


def length_figure(found: Numbers) -> Figure:
    """Seconds over length, both logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for place, (name, seconds) in enumerate(found["seconds"].items()):
        label = f"{name}: slope {found['slopes'][name]['slope']:.2f}"
        axes.loglog(found["sizes"], seconds, marker="o", ms=3, label=label, **line(place))
    axes.set_xscale("log", base=2)
    axes.set_xlabel("tokens of the text")
    axes.set_ylabel("seconds, forward and backward")
    axes.legend(fontsize=8)
    return figure


def _fastest(model: TextModel, batch: tuple[torch.Tensor, torch.Tensor], gradient: bool) -> float:
    spent = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        with torch.set_grad_enabled(gradient):
            logits = model(*batch)
            if gradient:
                logits.sum().backward()
        spent.append(time.perf_counter() - started)
        model.zero_grad(set_to_none=True)
    return min(spent)


def _texts(tokens: int, count: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ids and the mask of `count` texts, all of one length."""
    ids = torch.randint(2, VOCABULARY, (count, tokens), generator=torch.Generator().manual_seed(0))
    return ids, torch.ones_like(ids, dtype=torch.bool)
