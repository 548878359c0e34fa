"""Four convergence studies, for convergence.md."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fieldsolver as fs
from fieldsolver.analysis import convergence, space_time_convergence, spectral_convergence, time_convergence
from fieldsolver.results import AnalysisResult
from fieldsolver.themes import colour, muted


def convergence_verdicts(folder: Path) -> None:
    """Four studies side by side."""
    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    ((first, second), (third, fourth)) = figure.subplots(2, 2)
    _orders(first)
    _pretender(second)
    _lattice(third)
    _spectral(fourth)
    figure.savefig(folder / "convergence.png", dpi=80)


def _orders(axes: Axes) -> None:
    """Three methods on y' = 2 y cos t."""
    y0 = torch.ones(1, dtype=torch.float64)
    for place, method in enumerate(("heun", "bosh3", "rk4")):
        result = time_convergence(
            lambda t, y: 2 * y * torch.cos(t),
            y0,
            t_span=(0, 2),
            method=method,
            dts=[0.2 / 2**k for k in range(6)],
            exact=lambda t: torch.tensor([math.exp(2 * math.sin(t))], dtype=torch.float64),
        )
        _ladder(axes, result, place, method)
    axes.set(title="the orders of three methods", xlabel="step size dt", ylabel="error at the end")
    axes.legend(fontsize=8)


def _pretender(axes: Axes) -> None:
    """e = 1e-3 h + 5 h^3 looks like second order on the coarse half of its ladder."""
    for place, (levels, name) in enumerate(((7, "seven levels"), (11, "eleven levels"))):
        result = convergence(lambda h: 1e-3 * h + 5 * h**3, [0.25 / 2**k for k in range(levels)], expected=1)
        _ladder(axes, result, place, name, shift=10.0**-place)
    axes.set(title="$10^{-3} h + 5 h^3$: order 1, once the levels reach it", xlabel="h", ylabel="error (second: tenth)")
    axes.legend(fontsize=8)


def _ladder(axes: Axes, result: AnalysisResult, place: int, name: str, shift: float = 1.0) -> None:
    h, errors = result["h"].values, result["error"].values
    order, lo, hi = (float(result[key]) for key in ("order", "order_lo", "order_hi"))
    label = f"{name}: {order:.2f} [{lo:.2f}, {hi:.2f}], {result.status.name}"
    axes.loglog(h, shift * errors, "o-", color=colour(place), ms=4, lw=1.2, label=label)


def _lattice(axes: Axes) -> None:
    """Heun's method on a diffusion equation."""
    result = space_time_convergence(
        lattice_error, [1 / n for n in (8, 12, 16, 24)], [0.125 / 2**k for k in range(5)], expected=(2, 2)
    )
    dt = result["dt"].values
    fine = np.geomspace(dt.min(), dt.max(), 400)
    p, q = float(result["time_order"]), float(result["space_order"])
    for row, size in enumerate(result["h"].values):
        space = float(result["sign"] * result["space_coefficient"]) * size**q
        law = np.abs(float(result["time_coefficient"]) * fine**p + space)
        axes.loglog(dt, result["error"].values[row], "o", color=colour(row), ms=4)
        axes.loglog(fine, law, color=colour(row), lw=1.2, label=f"h = 1/{1 / size:.0f}")
    axes.set_ylim(1e-5, 3e-2)
    axes.set(
        title=f"orders {p:.2f} in time and {q:.2f} in space, opposite signs",
        xlabel="step size dt",
        ylabel="error at the end",
    )
    axes.legend(fontsize=8)


def lattice_error(h: float, dt: float) -> float:
    """Of a manufactured solution of a diffusion equation."""
    equation = fs.FieldEquation(
        "du/dt = 0.005*laplacian(u) - u", grid=fs.Grid(round(1 / h), extent=1.0), boundary=fs.Periodic()
    )
    made = equation.manufactured({"u": "cos(2*pi*x)*cos(3*t)"})
    run = fs.solve(made.equation, made.initial, t_span=(0, 1), method="heun", dt=dt)
    return float((run["u"][-1] - made.exact(1.0)["u"]).abs().max())


def _spectral(axes: Axes) -> None:
    """Trigonometric interpolants of an analytic function and of one with a kink."""
    sizes = [8, 12, 16, 20, 24, 32, 40, 48]
    functions = {
        "1/(1.25 - cos x)": lambda x: 1 / (1.25 - np.cos(x)),
        "|sin(x/2)|^3": lambda x: np.abs(np.sin(x / 2)) ** 3,
    }
    for place, (name, function) in enumerate(functions.items()):
        result = spectral_convergence(lambda n, f=function: interpolation_error(f, n), sizes)
        label = f"{name}: {result.status.name}"
        axes.semilogy(sizes, result["error"].values, "o", color=colour(place), ms=4, label=label)
        n = np.linspace(sizes[0], sizes[-1], 200)
        if result.status.holds:
            law = float(result["coefficient"]) * np.exp(-float(result["rate"]) * n ** float(result["beta"]))
        else:
            law = float(result["algebraic_coefficient"]) * n ** -float(result["algebraic_order"])
        axes.semilogy(n, law, color=muted(), lw=1.0, zorder=0)
    axes.set(title="a rate, or only a power", xlabel="points n", ylabel="error of the interpolant")
    axes.legend(fontsize=8)


def interpolation_error(function: Callable[[np.ndarray], np.ndarray], n: int) -> float:
    """Largest error of the trigonometric interpolant at n points of [0, 2 pi)."""
    fine = np.linspace(0, 2 * np.pi, 801)
    x = 2 * np.pi * np.arange(n) / n
    waves = np.fft.fftfreq(n, 1 / n)
    values = (np.fft.fft(function(x))[:, None] / n * np.exp(1j * waves[:, None] * fine)).sum(0).real
    return float(np.abs(values - function(fine)).max())


if __name__ == "__main__":
    convergence_verdicts(Path(__file__).parent)
