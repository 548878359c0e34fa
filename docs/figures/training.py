"""Memory, time and accuracy of every gradient mode, for training_through_a_solve.md."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import fieldsolver as fs
from fieldsolver.themes import colour, muted

MEGABYTE = 2.0**20
DURATION = 1.5
TOLERANCES = {"t_span": (0.0, DURATION), "method": "tsit5", "rtol": 1e-5, "atol": 1e-7}
TIGHT = {"method": "dop853", "rtol": 1e-11, "atol": 1e-13, "gradient": "checkpointed"}


@dataclass(frozen=True, eq=False)
class Way:
    """A gradient mode as it is drawn.

    Attributes:
        label: in the figure.
        options: of `solve`.
        colour, marker: how.
        exact: whether it is the gradient of the numbers that were computed; others have hollow markers.
    """

    label: str
    options: dict[str, object]
    colour: str
    marker: str
    exact: bool = True


DIRECT = Way("direct", {"gradient": "direct"}, colour(0), "o")
CHECKPOINTED = Way("checkpointed", {"gradient": "checkpointed"}, colour(1), "D")
REVERSIBLE = Way("reversible", {"gradient": "reversible", "method": "reversible_tsit5"}, colour(2), "^")
QUADRATURE = Way("quadrature", {"gradient": "quadrature"}, colour(3), "P", exact=False)
BACKSOLVE = Way("backsolve", {"gradient": "backsolve"}, colour(4), "X", exact=False)
IMPLICIT = Way(
    "implicit, at rest",
    {"gradient": "implicit", "until": fs.SteadyState(atol=1e-7, rtol=1e-6), "t_span": (0.0, 40.0)},
    colour(5),
    "*",
    exact=False,
)
BUDGETS = tuple(Way(str(k), {"gradient": fs.gradients.Checkpointed(states=k)}, colour(1), "D") for k in (1, 4, 16))
WAYS = (DIRECT, CHECKPOINTED, REVERSIBLE, QUADRATURE, BACKSOLVE, IMPLICIT)


def training(folder: Path) -> None:
    """Memory and time, accuracy and time, and what diffusion does to a solution that is integrated backward."""
    figure = Figure(figsize=(11.0, 3.6), layout="constrained")
    cost, accuracy, diffusion = figure.subplots(1, 3)
    equation, start = neural_field()
    reference, at_rest = (gradient(equation, start, {**TIGHT, "t_span": (0.0, end)}) for end in (DURATION, 20.0))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for way in (*WAYS, *BUDGETS):
        seconds, peak, found = measured(equation, start, way.options)
        wanted = at_rest if way is IMPLICIT else reference
        error = ((found - wanted).norm() / wanted.norm()).item()
        point(cost, way, peak / MEGABYTE, seconds)
        if way not in BUDGETS:  # their gradient is that of all states
            point(accuracy, way, seconds, error)
    torch.set_num_threads(threads)
    cost.set(xlabel="memory at its peak [MiB]", ylabel="training step [s of one core]", title="a neural field")
    accuracy.set(xlabel="training step [s of one core]", ylabel="error of the gradient", title="the same")
    for axes in (cost, accuracy):
        axes.set(xscale="log", yscale="log")
        axes.margins(x=0.2, y=0.15)
        plain_ticks(axes.xaxis)
    plain_ticks(cost.yaxis)
    front(diffusion)
    handles = [Line2D([], [], linestyle="none", label=way.label, **style(way)) for way in WAYS]
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=9)
    figure.savefig(folder / "training.png", dpi=80)


def neural_field(points: int = 66, width: int = 8) -> tuple[fs.FieldEquation, Tensor]:
    """A pattern that settles: diffusion, decay, and a small network at every point."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1)).double()
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) - 2*u + net(u) + s",
        grid=fs.Grid(shape=(points, points), extent=1.0),
        boundary=fs.Neumann(0),
        parameters={"D": fs.Parameter(5e-5, positive=True), "s": fs.Spatial(torch.randn(points, points).double())},
        modules={"net": net},
    )
    return equation, torch.zeros(1, points, points, dtype=torch.float64)


def gradient(equation: fs.FieldEquation, start: Tensor, options: dict[str, object]) -> Tensor:
    """Of the mean square at the end, with respect to all parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fs.FieldSolverWarning)  # of backsolve: the figure shows what it means
        end = fs.solve(equation, start, progress=False, **{**TOLERANCES, **options}).y[-1]
        wanted = [parameter for parameter in equation.parameters() if parameter.requires_grad]
        parts = torch.autograd.grad(end.square().mean(), wanted)
    return torch.cat([part.flatten() for part in parts])


def measured(equation: fs.FieldEquation, start: Tensor, options: dict[str, object]) -> tuple[float, float, Tensor]:
    """Seconds of a training step, the bytes at its peak, and the gradient."""
    seconds = []
    for _ in range(2):
        began = time.process_time()
        found = gradient(equation, start, options)
        seconds.append(time.process_time() - began)
    return min(seconds), peak_bytes(lambda: gradient(equation, start, options)), found


def peak_bytes(work: Callable[[], object]) -> float:
    """The most that tensors take at any time, of those that `work` makes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        work()
    live = peak = 0
    for event in watched.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return float(peak)


def point(axes: Axes, way: Way, x: float, y: float) -> None:
    """One measured run; numbers of states stand beside it."""
    axes.plot(x, y, linestyle="none", **style(way))
    if way in BUDGETS:
        axes.annotate(
            way.label, (x, y), xytext=(6, 0), textcoords="offset points", fontsize=8, color=muted(), va="center"
        )


def style(way: Way) -> dict[str, object]:
    """Of its markers."""
    face = way.colour if way.exact else "none"
    return {"marker": way.marker, "ms": 7, "color": way.colour, "markerfacecolor": face}


def plain_ticks(axis: Axis) -> None:
    """1, 2, 5 times powers of ten, written out: the axes span little more than a decade."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def front(axes: Axes) -> None:
    """A front on more and more points: error of the derivatives against the decay of the fastest mode."""
    sizes = {DIRECT: 20, QUADRATURE: 20, BACKSOLVE: 20, REVERSIBLE: 16}  # with more, the last two end early
    for way, most in sizes.items():
        found = [front_error(points, way.options) for points in range(4, most + 1, 2)]
        axes.semilogy(*zip(*found, strict=True), lw=1, **style(way))
    axes.set(xlabel="decay of the fastest mode, in powers of e", title="a front that diffuses")


def front_error(points: int, options: dict[str, object]) -> tuple[float, float]:
    """Decay rate of the fastest mode times the duration, and the error of the derivatives of the mean square."""
    h, end = 1.0 / points, 0.02
    second = torch.diag(torch.full((points,), -2.0)) + torch.diag(torch.ones(points - 1), 1)
    second = (second + torch.diag(torch.ones(points - 1), -1)).double() / h**2
    second[0, 0] = second[-1, -1] = -1.0 / h**2  # no flux
    start = torch.exp(-((h * (torch.arange(points) + 0.5).double() - 0.4) ** 2) / 0.02)

    def derivatives(**chosen: object) -> Tensor:
        given = torch.tensor([1.0, 20.0], dtype=torch.float64, requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fs.FieldSolverWarning)
            solution = fs.solve(
                lambda t, u, p: p[0] * (second @ u) + p[1] * u * (1 - u),
                start,
                t_span=(0.0, end),
                args=(given,),
                progress=False,
                **chosen,
            )
            return torch.autograd.grad(solution.y[-1].square().mean(), given)[0]

    wanted, found = derivatives(**TIGHT), derivatives(**{"method": "tsit5", "rtol": 1e-6, "atol": 1e-9, **options})
    return 4 / h**2 * end, ((found - wanted).norm() / wanted.norm()).item()
