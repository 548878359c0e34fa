"""Pictures of solutions; matplotlib is imported only here, when something is drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fieldsolver.errors import MissingDependencyError, OptionError, listing, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.space.grid import Grid

    from .solution import Solution

MAX_FIELDS = 4


def plot_solution(solution: Solution, fields: list[str] | None = None) -> Figure:
    """Draw the first sample of a batch; see `Solution.plot`."""
    from matplotlib.figure import Figure

    arrays = _arrays(solution, fields)
    dimension = solution.equation.layout.dimension if solution.equation is not None else 0
    if dimension == 0:
        return _curves(solution, arrays)
    figure = Figure(figsize=(4.2 * len(arrays), 3.8), layout="constrained")
    for axes, (name, values) in zip(np.atleast_1d(figure.subplots(1, len(arrays))), arrays.items(), strict=True):
        if dimension == 1:
            _space_time(axes, solution, name, values)
        else:
            _snapshot(axes, solution, name, values[-1])
            axes.set_title(f"{name} at t = {solution.t[-1].item():g}")
    return figure


def animate_solution(solution: Solution, path: Path, field: str | None, fps: int) -> Path:
    """Write the evolution of one field; the file appears whole or not at all."""
    from matplotlib.animation import FuncAnimation
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not path.parent.is_dir():
        raise OptionError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into")
    if path.suffix not in (".gif", ".mp4"):
        raise OptionError(f"an animation is .gif or .mp4, got {path.name!r}")
    if solution.equation is None or solution.equation.grid is None:
        raise OptionError("only solutions on a grid can be animated; use plot()")
    (name, values), *_ = _arrays(solution, None if field is None else [field]).items()
    figure = Figure(figsize=(4.6, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    update = _animated_line if solution.equation.layout.dimension == 1 else _animated_image
    draw = update(axes, solution, name, values)
    animation = FuncAnimation(figure, draw, frames=len(values), interval=1000 / fps, blit=False)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        animation.save(temporary, writer=_writer(path.suffix, fps))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _writer(suffix: str, fps: int) -> Any:
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if suffix == ".gif":
        return PillowWriter(fps=fps)
    if not FFMpegWriter.isAvailable():
        raise MissingDependencyError("writing .mp4 needs the program ffmpeg; install it, or write a .gif")
    return FFMpegWriter(fps=fps)


def _arrays(solution: Solution, fields: list[str] | None) -> dict[str, np.ndarray]:
    """First sample, first component, real part: ``(T, *grid)`` per field."""
    if solution.equation is None:
        flat = solution.y.detach().cpu().reshape(len(solution.y), -1).numpy()
        return {f"y[{i}]": _real(flat[:, i]) for i in range(min(flat.shape[1], 8))}
    known = solution.fields_inside()
    for name in fields or ():
        if name not in known:
            raise OptionError(f"there is no field {name!r}; fields: {listing(known)}{nearest(name, known)}")
    chosen = fields or list(known)[:MAX_FIELDS]
    axes = 1 + solution.equation.layout.dimension
    arrays = {}
    for name in chosen:
        values = known[name].detach().cpu().numpy()
        while values.ndim > axes:
            values = values[:, 0]
        arrays[name] = _real(values)
    return arrays


def _real(values: np.ndarray) -> np.ndarray:
    return values.real if np.iscomplexobj(values) else values


def _curves(solution: Solution, arrays: dict[str, np.ndarray]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    jumps = _jumps(solution, list(arrays))
    for name, values in arrays.items():
        axes.plot(*_joined(solution.t.numpy(), values, *jumps.get(name, ())), label=name)
    _mark_events(axes, solution)
    axes.set_xlabel("t")
    axes.legend(frameon=False)
    return figure


def _jumps(solution: Solution, names: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The times (2k,) of the events of the sample that a curve shows, and its values right before and after each."""
    log = solution.events
    if log is None or not len(log):
        return {}
    found, t = {}, log.t.detach().cpu().numpy()
    states = torch.stack([log.y_before, log.y_after], dim=1).detach().cpu()  # (K, 2, *state)
    flat = states.reshape(len(log), 2, -1)
    for column, name in enumerate(names):
        if solution.equation is None:  # the columns of all samples follow each other
            sample, part = divmod(column, flat.shape[2])
            values = flat[:, :, part]
        else:
            sample, values = 0, solution.equation.unpack(states)[name].reshape(len(log), 2, -1)[:, :, 0]
        own = np.flatnonzero(log.sample == sample)
        found[name] = t[own].repeat(2), _real(values.numpy()[own].reshape(-1))
    return found


def _joined(t: np.ndarray, values: np.ndarray, *jumps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve through its save points and through the states beside its events, in the order of the integration."""
    if not jumps:
        return t, values
    times, all_values = np.concatenate([jumps[0], t]), np.concatenate([jumps[1], values])
    order = np.argsort(times if t[-1] >= t[0] else -times, kind="stable")
    return times[order], all_values[order]


def _mark_events(axes: Any, solution: Solution) -> None:
    """A dotted line at the time of every event of the first sample, in a colour per event."""
    log = solution.events
    if log is None:
        return
    for number, name in enumerate(log.names):
        times = log.times(name).detach().cpu().numpy()
        if times.size:
            axes.vlines(times, 0, 1, transform=axes.get_xaxis_transform(), colors=f"C{9 - number % 5}", lw=0.8,
                        linestyles="dotted", label=name)  # fmt: skip


def _space_time(axes: Any, solution: Solution, name: str, values: np.ndarray) -> None:
    (x, (low, high), label), t = _abscissa(solution, name), solution.t.numpy()
    mesh = axes.pcolormesh(x, t, values, shading="nearest", cmap="viridis", rasterized=True)
    axes.set_xlim(low, high)
    axes.set_xlabel(label)
    axes.set_ylabel("t")
    axes.set_title(name)
    axes.figure.colorbar(mesh, ax=axes)


def _snapshot(axes: Any, solution: Solution, name: str, values: np.ndarray) -> Any:
    if values.ndim == 3:
        values = values[:, :, values.shape[2] // 2]
    grid = _grid(solution, name)
    (x0, x1), (y0, y1) = grid.bounds[:2]
    # Lengths along both axes are comparable in Cartesian and cylindrical coordinates; a radius and an angle are not.
    aspect = "equal" if grid.system in ("cartesian", "cylindrical") else "auto"
    image = axes.imshow(
        values.T, origin="lower", extent=(x0, x1, y0, y1), cmap="viridis", interpolation="nearest", aspect=aspect
    )
    axes.set_xlabel(grid.axes[0])
    axes.set_ylabel(grid.axes[1])
    axes.figure.colorbar(image, ax=axes, shrink=0.8)  # an image is lower than its axes
    return image


def _animated_line(axes: Any, solution: Solution, name: str, values: np.ndarray) -> Any:
    x, _, label = _abscissa(solution, name)
    (line,) = axes.plot(x, values[0], "." if label == "vertex" else "-")
    low, high = np.nanmin(values), np.nanmax(values)
    margin = 0.05 * (high - low) or 1.0
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlabel(label)
    axes.set_ylabel(name)

    def draw(frame: int) -> list[Any]:
        line.set_ydata(values[frame])
        axes.set_title(f"t = {solution.t[frame].item():.4g}")
        return [line]

    return draw


def _animated_image(axes: Any, solution: Solution, name: str, values: np.ndarray) -> Any:
    if values.ndim == 4:
        values = values[..., values.shape[3] // 2]
    image = _snapshot(axes, solution, name, values[0])
    image.set_clim(np.nanmin(values), np.nanmax(values))

    def draw(frame: int) -> list[Any]:
        image.set_data(values[frame].T)
        axes.set_title(f"{name}, t = {solution.t[frame].item():.4g}")
        return [image]

    return draw


def _abscissa(solution: Solution, name: str) -> tuple[np.ndarray, tuple[float, float], str]:
    """Where the points of a field with one axis lie, from where to where, and the name of that axis."""
    graph = solution.equation.layout.graph  # type: ignore[union-attr]  # called with a grid or a graph only
    if graph is not None:  # the vertices by their numbers: there is no other place to put them
        return np.arange(graph.vertices), (-0.5, graph.vertices - 0.5), "vertex"
    grid = _grid(solution, name)
    return grid.coordinate(0).numpy(), grid.bounds[0], grid.axes[0]


def _grid(solution: Solution, name: str) -> Grid:
    return solution.equation.grid_of(name)  # type: ignore[union-attr,return-value]  # called with a grid only
