"""The picture of a branch: a component over the parameter, solid where stable, with the points where that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

from .sentence import draw_sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

NAMES = {"hopf": "Hopf point", "fold": "fold", "branch": "branch point", "period_doubling": "period doubling"}
MARKS = {"hopf": "o", "fold": "s", "branch": "^", "period_doubling": "D"}


def draw_continuation(result: AnalysisResult) -> Figure:
    """The first component; solid lines are stable, dashed ones unstable."""
    from matplotlib.figure import Figure

    data = result.dataset
    if "p" not in data:
        return draw_sentence(result)
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    p, u, stable = data["p"].values, data["u"].values[:, 0], data["n_unstable"].values == 0
    axes.plot(p, np.where(stable, u, np.nan), color=themes.colour(0), lw=2, label="stable")
    joined = np.where(~stable | ~np.roll(stable, 1) | ~np.roll(stable, -1), u, np.nan)
    axes.plot(p, joined, "--", color=themes.colour(0), lw=1, label="unstable")
    for position, kind in enumerate(dict.fromkeys(data["kind"].values.tolist() if "kind" in data.coords else [])):
        chosen = data["kind"].values == kind
        axes.plot(
            data["p_event"].values[chosen],
            data["u_event"].values[chosen, 0],
            MARKS[kind],
            color=themes.colour(1 + position),
            label=NAMES[kind],
            zorder=3,
        )
    axes.set(xlabel=data["p"].attrs["long_name"].removeprefix("value of "), ylabel=str(data["component"].values[0]))
    axes.set_title(result.reason.split(";")[0], fontsize="medium")
    axes.legend(fontsize="small")
    return figure
