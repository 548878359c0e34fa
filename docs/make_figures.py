"""Draws the figures of the documentation: ``python docs/make_figures.py`` (some seconds)."""

import math
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

import fieldsolver as fs

FOLDER = Path(__file__).parent / "figures"


def gray_scott() -> None:
    """The solution of quickstart.md."""
    equation = fs.FieldEquation(
        "du/dt = Du*laplacian(u) - u*v**2 + F*(1 - u);  dv/dt = Dv*laplacian(v) + u*v**2 - (F + k)*v",
        grid=fs.Grid(shape=(64, 64), extent=1.0),
        boundary=fs.Periodic(),
        parameters={"Du": 2e-5, "Dv": 1e-5, "F": 0.04, "k": 0.06},
    )
    x, y = equation.grid.coordinates()
    left = torch.exp(-((x - 0.45) ** 2 + (y - 0.4) ** 2) / 0.004)
    seed = left + torch.exp(-((x - 0.6) ** 2 + (y - 0.65) ** 2) / 0.002)
    start = {"u": 1 - 0.5 * seed, "v": 0.25 * seed}
    fs.solve(equation, start, t_span=(0.0, 2000.0), rtol=1e-5, atol=1e-7).plot().savefig(
        FOLDER / "gray_scott.png", dpi=80
    )


def fisher_fit() -> None:
    """Observations and fit of first_trained_equation.md."""
    grid = fs.Grid(64, extent=10.0)
    (x,) = grid.coordinates()
    start, times = torch.exp(-((x - 2) ** 2)), torch.linspace(0, 4, 9, dtype=torch.float64)

    def fisher(D: object, r: object) -> fs.FieldEquation:
        text = "du/dt = D*laplacian(u) + r*u*(1 - u)"
        return fs.FieldEquation(text, grid=grid, boundary=fs.Neumann(0), parameters={"D": D, "r": r})

    exact = fs.solve(fisher(0.1, 1.0), {"u": start}, t_span=(0, 4), save_at=times, rtol=1e-8, atol=1e-10)["u"]
    generator = torch.Generator().manual_seed(0)
    observed = exact + 0.02 * torch.randn(exact.shape, dtype=torch.float64, generator=generator)
    guess = fisher(fs.Parameter(0.03, positive=True), fs.Parameter(2.0, positive=True))
    result = fs.fit(guess, {"t": times, "u": observed}, initial={"u": start}, noise="normal", starts=2)
    fitted = result.fitted["u"].detach()

    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    for row in (0, 2, 4, 6, 8):
        colour = matplotlib.colormaps["viridis"](row / 10)
        axes.plot(x, observed[row], ".", color=colour, markersize=4)
        axes.plot(x, fitted[row], color=colour, label=f"t = {times[row]:g}")
    axes.set_xlabel("x")
    axes.set_ylabel("u")
    axes.legend(frameon=False)
    figure.savefig(FOLDER / "fisher_fit.png", dpi=80)


def dispersion() -> None:
    """Growth rates of what_fieldsolver_knows.md."""
    kuramoto = "du/dt = -d2_dx2(u) - d4_dx4(u)"
    schnakenberg = "du/dt = laplacian(u) + 0.8*u + v;  dv/dt = 10*laplacian(v) - 1.8*u - v"
    cases = {
        "Kuramoto-Sivashinsky": (kuramoto, 32 * math.pi, (128, 64), 1.3),
        "Schnakenberg at (1, 0.9)": (schnakenberg, 100.0, (64, 32), 0.9),
    }
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    for axes, (title, (text, length, sizes, end)) in zip(figure.subplots(1, 2), cases.items(), strict=True):
        k = np.linspace(0, end, 500)
        for points, marker in zip(sizes, "o^", strict=True):
            equation = fs.FieldEquation(text, grid=fs.Grid(points, extent=length), boundary=fs.Periodic())
            modes = 2 * math.pi / length * np.arange(1, points // 2 + 1)
            modes = modes[modes <= end]
            rates = np.linalg.eigvals(equation.symbol(modes, discrete=True)).real.max(axis=-1)
            axes.plot(modes, rates, marker, markersize=3, label=f"{points} points, h = {length / points:.2g}")
        axes.plot(k, np.linalg.eigvals(equation.symbol(k)).real.max(axis=-1), "k", lw=1, zorder=0, label="differential")
        axes.axhline(0, color="0.7", lw=0.8, zorder=0)
        axes.set(title=title, xlabel="k", ylabel="growth rate")
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(FOLDER / "dispersion.png", dpi=80)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    gray_scott()
    fisher_fit()
    dispersion()
