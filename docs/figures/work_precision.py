"""Work against precision of every adaptive method, for which_method.md."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.integrate import solve_ivp

import fieldsolver as fs
from fieldsolver.methods import METHODS, ReversibleMethod
from fieldsolver.methods.registry import adaptive_methods
from fieldsolver.testing import REFERENCE_PROBLEMS, ReferenceProblem
from fieldsolver.themes import colour, ink, muted

PROBLEMS = ("y' = y cos t", "Kepler, eccentricity 0.6", "Arenstorf orbit")
TOLERANCES = [10.0**-n for n in range(3, 14)]
MOST_EVALUATIONS = {"low": 2_500, "high": 4_500}
LARGEST_ERROR = 1.0
SCIPY = {"low": ("RK23",), "high": ("RK45", "DOP853")}
MARKERS = "o^sDvPX*<>"
COLOURS = (*map(colour, range(6)), "#882255")  # wine in place of yellow, which is faint on white

Curve = list[tuple[int, float]]
"""(evaluations, error) per tolerance."""


def work_precision(folder: Path) -> None:
    """Error at the end against evaluations: orders up to 4 above, higher orders below; none that are reversible."""
    shown = [name for name in adaptive_methods() if not isinstance(METHODS[name], ReversibleMethod)]
    names = {
        "low": [name for name in shown if METHODS[name].order <= 4],
        "high": [name for name in shown if METHODS[name].order > 4],
    }
    figure = Figure(figsize=(10.0, 6.4), layout="constrained")
    rows = figure.subplots(2, len(PROBLEMS), sharey=True, sharex=True)
    for row, (group, members) in zip(rows, names.items(), strict=True):
        for axes, problem in zip(row, (REFERENCE_PROBLEMS[name] for name in PROBLEMS), strict=True):
            for name, style in styles(members).items():
                _draw(
                    axes,
                    curve(lambda tol, n=name, p=problem: solved(p, n, tol), MOST_EVALUATIONS[group]),
                    label=name,
                    **style,
                )
            for name, dash in zip(SCIPY[group], ("--", ":"), strict=False):
                found = curve(lambda tol, n=name, p=problem: solved_by_scipy(p, n, tol), MOST_EVALUATIONS[group])
                _draw(axes, found, label=f"SciPy {name}", color=ink(), linestyle=dash, lw=1.2)
            axes.axhline(problem.error, color="0.8", lw=0.8, zorder=0)
        lines = row[0].get_legend_handles_labels()  # on the last problem not every method gets anywhere
        row[-1].legend(*lines, frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
        row[0].set_ylabel("largest error at the end")
    for axes, name in zip(rows[0], PROBLEMS, strict=True):
        axes.set_title(name, fontsize=10)
    for axes in rows[1]:
        axes.set_xlabel("evaluations")
        axes.xaxis.set_minor_formatter(NullFormatter())
    rows[0, 0].set_xlim(90, 7000)
    rows[0, 0].yaxis.set_major_locator(LogLocator(numticks=9))
    figure.savefig(folder / "work_precision.png", dpi=100)


def styles(names: list[str]) -> dict[str, dict[str, str]]:
    """Colour and marker of each method; methods of order 2, which nearly coincide, are all grey."""
    found, colours = {}, cycle(COLOURS)
    for name, marker in zip(names, cycle(MARKERS), strict=False):
        found[name] = {"color": muted() if METHODS[name].order == 2 else next(colours), "marker": marker}
    return found


def solved(problem: ReferenceProblem, method: str, tolerance: float) -> tuple[int, float]:
    """Evaluations and error of ours."""
    with torch.no_grad():
        run = fs.solve(
            problem.f, problem.y0, t_span=problem.t_span, method=method, rtol=tolerance, atol=tolerance, progress=False
        )
    return int(run.stats.nfev), problem.error_of(run.y[-1])


def solved_by_scipy(problem: ReferenceProblem, method: str, tolerance: float) -> tuple[int, float]:
    """Evaluations and error of SciPy's `solve_ivp`."""

    def f(t: float, y: np.ndarray) -> np.ndarray:
        return problem.f(torch.tensor(t, dtype=torch.float64), torch.from_numpy(y)).numpy()

    run = solve_ivp(f, problem.t_span, problem.y0.numpy(), method=method, rtol=tolerance, atol=tolerance)
    return run.nfev, problem.error_of(torch.from_numpy(run.y[:, -1].copy()))


def curve(solve: Callable[[float], tuple[int, float]], most: int) -> Curve:
    """From loose to tight tolerances, until the evaluations run out."""
    found: Curve = []
    for tolerance in TOLERANCES:
        if len(found) > 1 and found[-1][0] ** 2 / found[-2][0] > most:  # what the next one will take
            break
        found.append(solve(tolerance))
    return found


def _draw(axes: Axes, found: Curve, **style: object) -> None:
    usable = [(work, error) for work, error in found if 0 < error < LARGEST_ERROR]
    work, error = ([pair[i] for pair in usable] for i in (0, 1))
    axes.loglog(work, error, **{"ms": 3.5, "lw": 1.0, **style})


if __name__ == "__main__":
    work_precision(Path(__file__).parent)
