"""Draws the figures of the documentation: ``python docs/make_figures.py`` (about two minutes)."""

import math
from pathlib import Path

import matplotlib
import matplotlib.ticker
import numpy as np
import torch
from figures.convergence import convergence_verdicts
from figures.dispersion_relation import dispersion_relation
from figures.energy import energy
from figures.events import poincare, spikes
from figures.invariants import lotka_volterra_invariant
from figures.kernels import topology_and_partition
from figures.kinetics import kinetics
from figures.lyapunov import lorenz_exponents
from figures.stability import stability_of_a_front
from figures.trained_report import trained_layer
from figures.training import training
from figures.wave_network import wave_network
from figures.work_precision import work_precision
from figures.work_precision_study import work_precision_study
from matplotlib.axes import Axes
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


def steady_error(grid: fs.Grid, scheme: fs.FiniteDifference | fs.Spectral, boundary: object, function: str) -> float:
    """Largest error of the solution of ``u'' - u = f`` with the exact data of `function`."""
    (x,) = grid.coordinates()
    exact, source = {
        "exp": (torch.exp(x), 0 * x),
        "cos": (torch.cos(math.pi * x), -(math.pi**2 + 1) * torch.cos(math.pi * x)),
        "sin": (torch.exp(torch.sin(2 * math.pi * x)), None),
    }[function]
    if source is None:
        phase = 2 * math.pi * x
        source = (4 * math.pi**2 * (torch.cos(phase) ** 2 - torch.sin(phase)) - 1) * exact
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) - u - f",
        grid=grid,
        boundary=boundary,
        scheme=scheme,
        parameters={"f": fs.Spatial(source)},
    )
    zero = torch.zeros(1, grid.size, dtype=torch.float64)
    matrix, right = equation.jacobian().dense(0.0, zero), -equation(0.0, zero)[0]
    held = matrix.abs().sum(1) == 0
    matrix[held, held] = 1.0
    solution = equation.project(torch.zeros(()), torch.linalg.solve(matrix, right)[None])[0]
    return (solution - exact).abs().max().item()


DATA = {
    "Dirichlet": {"x-": fs.Dirichlet(1), "x+": fs.Dirichlet(math.e)},
    "Neumann": {"x-": fs.Neumann(-1), "x+": fs.Neumann(math.e)},
    "Robin": {"x-": fs.Robin(1, 1, 0), "x+": fs.Robin(1, 1, 2 * math.e)},
}
MARKERS = {"Dirichlet": "o", "Neumann": "s", "Robin": "^", "cos": "D"}


def reflection() -> None:
    """Error against spacing, reflection closure, for space_and_boundaries.md."""
    sizes = (16, 24, 32, 48, 64, 96, 128)
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    for axes, order in zip(figure.subplots(1, 2, sharey=True), (2, 4), strict=True):
        for name, boundary in DATA.items():
            grids = [fs.Grid(n, extent=1.0) for n in sizes]
            errors = [steady_error(grid, fs.FiniteDifference(order=order), boundary, "exp") for grid in grids]
            axes.loglog([1 / n for n in sizes], errors, MARKERS[name] + "-", ms=4, label=f"exp(x), {name}")
        grids = [fs.Grid(n, extent=1.0) for n in sizes]
        errors = [steady_error(grid, fs.FiniteDifference(order=order), fs.Neumann(0), "cos") for grid in grids]
        axes.loglog([1 / n for n in sizes], errors, "D-", ms=4, label="cos(pi x), Neumann(0)")
        _slopes(axes, sizes, (2, 4) if order == 4 else (2,))
        axes.set(title=f"order {order} inside", xlabel="h")
    figure.axes[0].set_ylabel("largest error")
    figure.axes[1].legend(frameon=False, fontsize=8)
    figure.savefig(FOLDER / "reflection.png", dpi=80)


def summation_by_parts() -> None:
    """Error against spacing, summation by parts, for space_and_boundaries.md."""
    sizes = (20, 28, 40, 56, 80, 112)
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    for axes, order in zip(figure.subplots(1, 3, sharey=True), (2, 4, 6), strict=True):
        scheme = fs.FiniteDifference(order=order, closure="summation_by_parts")
        for name, boundary in DATA.items():
            grids = [fs.Grid(n + 1, extent=1.0, centring="node") for n in sizes]
            errors = [steady_error(grid, scheme, boundary, "exp") for grid in grids]
            axes.loglog([1 / n for n in sizes], errors, MARKERS[name] + "-", ms=4, label=name)
        _slopes(axes, sizes, ({2: 2, 4: 4, 6: 5}[order],))
        axes.set(title=f"order {order} inside", xlabel="h")
    figure.axes[0].set_ylabel("largest error")
    figure.axes[2].legend(frameon=False, fontsize=8)
    figure.savefig(FOLDER / "summation_by_parts.png", dpi=80)


def spectral() -> None:
    """Error against number of points, spectral schemes, for space_and_boundaries.md."""
    figure = Figure(figsize=(4.8, 3.4), layout="constrained")
    axes = figure.subplots()
    sizes = tuple(range(6, 44, 2))
    kinds = {
        "Fourier, exp(sin(2 pi x))": (lambda n: fs.Grid(n, extent=1.0), fs.Periodic(), "sin"),
        "Chebyshev, exp(x), Robin": (
            lambda n: fs.Grid(n, extent=1.0, centring="node", nodes={"x": fs.Clustered("chebyshev")}),
            DATA["Robin"],
            "exp",
        ),
    }
    for label, (grid, boundary, function) in kinds.items():
        errors = [steady_error(grid(n), fs.Spectral(), boundary, function) for n in sizes]
        axes.semilogy(sizes, errors, "o-", ms=4, label=label)
    finite = [steady_error(fs.Grid(n, extent=1.0), fs.FiniteDifference(), fs.Periodic(), "sin") for n in sizes]
    axes.semilogy(sizes, finite, "-", color="0.6", label="order 2, exp(sin(2 pi x))")
    axes.set(xlabel="points", ylabel="largest error")
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(FOLDER / "spectral.png", dpi=80)


def masks() -> None:
    """The plume and the padded sequences of space_and_boundaries.md."""
    channel = fs.Grid((150, 60), extent=(2.5, 1.0))
    x, y = channel.coordinates()
    plume = fs.FieldEquation(
        "dc/dt = 0.01*laplacian(c) - advection(v, c)",
        grid=channel,
        mask=(x - 0.6) ** 2 + (y - 0.5) ** 2 > 0.15**2,
        boundary={"x-": fs.Dirichlet(0), "x+": fs.Neumann(0), "y": fs.Neumann(0), "mask": fs.Dirichlet(1)},
        parameters={"v": torch.tensor([0.5, 0.0])},
    )
    smoke = fs.solve(plume, {"c": 0.0}, t_span=(0, 3), rtol=1e-4).to_xarray()["c"][-1]
    line = fs.Grid(40, extent=1.0)
    inside = torch.arange(40) < torch.tensor([40, 25, 33]).unsqueeze(1)
    sequences = fs.FieldEquation(
        "du/dt = D*laplacian(u) - u + mean(u)",
        grid=line,
        mask=inside,
        boundary=fs.Neumann(0),
        parameters={"D": 0.01},
    )
    start = torch.sin(12 * line.coordinate(0)).expand(3, 40)
    rows = fs.solve(sequences, {"u": start}, t_span=(0, 0.3), rtol=1e-6).to_xarray()["u"][-1]
    figure = Figure(figsize=(9.0, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.imshow(smoke.values.T, origin="lower", extent=(0, 2.5, 0, 1), cmap="viridis")
    left.set(title="c at t = 3", xlabel="x", ylabel="y")
    right.imshow(rows.values, aspect="auto", cmap="viridis", extent=(0, 1, 2.5, -0.5))
    right.set(title="three lengths in one batch", xlabel="x", ylabel="sample", yticks=(0, 1, 2))
    figure.savefig(FOLDER / "masks.png", dpi=80)


def _slopes(axes: Axes, sizes: tuple[int, ...], orders: tuple[int, ...]) -> None:
    """Guide lines ``h^p``; the few minor ticks of less than two decades would overlap."""
    axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    h = np.array([1 / n for n in sizes])
    for order in orders:
        axes.loglog(h, 2e-1 * (h / h[0]) ** order * 10.0 ** -(order - 1), "--", color="0.7", lw=0.9)
        axes.annotate(
            f"h^{order}", (h[-1], 2e-1 * (h[-1] / h[0]) ** order * 10.0 ** -(order - 1)), color="0.5", fontsize=8
        )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    gray_scott()
    fisher_fit()
    dispersion()
    reflection()
    summation_by_parts()
    spectral()
    masks()
    work_precision(FOLDER)
    work_precision_study(FOLDER)
    spikes(FOLDER)
    poincare(FOLDER)
    training(FOLDER)
    lotka_volterra_invariant(FOLDER)
    energy(FOLDER)
    convergence_verdicts(FOLDER)
    dispersion_relation(FOLDER)
    lorenz_exponents(FOLDER)
    trained_layer(FOLDER)
    stability_of_a_front(FOLDER)
    topology_and_partition(FOLDER)
    kinetics(FOLDER)
    wave_network(FOLDER)
