"""The picture of a study of step limits: regions with the spectrum over them, the ranking, and numerical waves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fieldsolver import themes

from ..schemes import get_scheme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

DRAWN = 4
"""Methods whose regions and waves are drawn."""
BARS = 24
FEWEST_BARS = 8
RESOLUTION = 320
ASPECT = 1.6
"""Width over height of the panel of the regions."""
FEWEST = 4.0
"""Points per wavelength below which a frequency says nothing."""
FINEST = 400.0
"""Points per wavelength up to which waves are drawn."""


def draw_stability(result: AnalysisResult) -> Figure:
    """Left: stability regions with ``dt * lambda``, and what steps do to waves; right: the limits of all methods."""
    from matplotlib.figure import Figure

    chosen = _chosen(result)
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplot_mosaic([["region", "ranking"], ["waves", "ranking"]], height_ratios=(1.25, 1))
    _draw_regions(panels["region"], result, chosen)
    _draw_waves(panels["waves"], result, chosen)
    _draw_ranking(panels["ranking"], result, chosen)
    figure.suptitle(_title(result), fontsize=12)
    return figure


def _title(result: AnalysisResult) -> str:
    """The equation's first line and the finding."""
    lines = str(result.dataset.attrs["equation"]).splitlines()
    equation = "; ".join(line.strip() for line in lines)
    equation = equation if len(equation) <= 110 else equation[:107] + "..."
    return f"{equation}\n{result.status.name}: {_finding(result)}"


def _finding(result: AnalysisResult) -> str:
    name = _headline(result)
    dt = float(result["dt_max"].sel(integrator=name))
    if np.isinf(dt):
        return f"{name} is stable for every step"
    if not dt > 0:
        return f"{name} is unstable for every step"
    term = str(result["binding_term"].sel(integrator=name).values)
    return f"{name} is stable up to dt = {dt:.4g}" + (f", limited by {term}" if term else "")


def _headline(result: AnalysisResult) -> str:
    return str(result.dataset.attrs["headline"])


def _chosen(result: AnalysisResult) -> list[str]:
    """The method of the verdict, and the cheapest others whose limits differ from it."""
    names, limits = list(map(str, result["integrator"].values)), result["dt_max"].values
    price = np.where(np.isfinite(result["cost_per_time"].values), result["cost_per_time"].values, np.inf)
    chosen = [_headline(result)]
    seen = {_key(limits[names.index(chosen[0])])}
    for position in np.argsort(price, kind="stable"):
        if len(chosen) < DRAWN and np.isfinite(limits[position]) and _key(limits[position]) not in seen:
            seen.add(_key(limits[position]))
            chosen.append(names[position])
    return chosen


def _key(limit: float) -> str:
    return f"{limit:.3g}"


def _draw_regions(axes: Axes, result: AnalysisResult, chosen: list[str]) -> None:
    single = [name for name in chosen if len(get_scheme(name).parts) == 1]
    dt = _step(result, single[0] if single else chosen[0])
    z = dt * (result["eig_re"].values + 1j * result["eig_im"].values)
    left, right, height = _window(single, z)
    x, y = np.linspace(left, right, RESOLUTION), np.linspace(-height, height, RESOLUTION)
    plane = x[None, :] + 1j * y[:, None]
    axes.axhline(0, color=themes.muted(), linewidth=0.6)
    axes.axvline(0, color=themes.muted(), linewidth=0.6)
    for name in single:
        with np.errstate(all="ignore"):
            growth = np.nan_to_num(get_scheme(name).growth(plane), nan=1e9, posinf=1e9)
        look: Any = themes.line(chosen.index(name))  # one method, one colour in all panels
        if name == single[0]:
            axes.contourf(x, y, growth, levels=[-1, 1], colors=[look["color"]], alpha=0.16)
        axes.contour(x, y, growth, levels=[1], colors=[look["color"]], linestyles=[look["linestyle"]], linewidths=1.4)
        axes.plot([], [], label=name, **look)
    axes.plot(z.real, z.imag, ".", color=themes.ink(), markersize=3, label="$dt\\,\\lambda$")
    _mark_binding(axes, result, dt, single)
    axes.set(xlim=(left, right), ylim=(-height, height), xlabel="Re $dt\\,\\lambda$", ylabel="Im $dt\\,\\lambda$")
    axes.set_aspect("equal", adjustable="box")
    axes.set_title(f"where steps do not grow; the spectrum at dt = {dt:.4g}", fontsize=10)
    axes.legend(fontsize="small", loc="upper left")


def _mark_binding(axes: Axes, result: AnalysisResult, dt: float, single: list[str]) -> None:
    if not single:
        return
    row = result.dataset.sel(integrator=single[0])
    value = dt * complex(float(row["binding_eigenvalue_re"]), float(row["binding_eigenvalue_im"]))
    if np.isfinite(value.real):
        axes.plot(
            value.real, value.imag, "o", color=themes.colour(1), markersize=9, fillstyle="none", markeredgewidth=1.8
        )


def _step(result: AnalysisResult, name: str) -> float:
    """The step at which the spectrum is drawn: the one that was asked about, else the limit."""
    row = result.dataset.sel(integrator=name)
    asked = result.dataset.attrs.get("dt")
    if asked is not None:
        return float(asked)
    limit = float(row["dt_max"])
    if np.isfinite(limit) and limit > 0:
        return limit
    used = float(row["dt_used"])
    rate = float(np.hypot(result["eig_re"], result["eig_im"]).max())
    return used if np.isfinite(used) else 1.0 / max(rate, 1e-300)


def _window(names: list[str], z: np.ndarray) -> tuple[float, float, float]:
    """Left, right and height that show the regions and the spectrum, as wide as the panel."""
    facts = [get_scheme(name).facts() for name in names]
    ends = [float(fact.get("real_interval", np.inf)) for fact in facts]
    sides = [float(fact.get("imaginary_interval", np.inf)) for fact in facts]
    most = 3 * max(2.0, float(np.abs(z).max(initial=0.0)))
    reach = max([1.0, -float(z.real.min(initial=0.0)), *(end for end in ends if end <= most)])
    height = 1.2 * max(
        [1.0, *(side for side in sides if side <= most), 0.55 * reach, float(np.abs(z.imag).max(initial=0.0))]
    )
    width = max(1.25 * reach, 2 * ASPECT * height)
    return -0.85 * width, 0.15 * width, max(height, width / (2 * ASPECT))


def _draw_waves(axes: Axes, result: AnalysisResult, chosen: list[str]) -> None:
    """Errors of frequency where there are waves, else damping."""
    x, waves = _abscissa(result)
    error = result["phase_error_total"] if np.isfinite(result["phase_error_total"]).any() else result["phase_error"]
    phase = bool(np.isfinite(error.sel(integrator=chosen)).any())
    shown = (x >= (FEWEST if phase else 0.0)) & (x <= FINEST) if waves else np.ones(x.size, dtype=bool)
    for position, name in enumerate(chosen):
        row = result.dataset.sel(integrator=name)
        if np.isfinite(row["dt_used"]):
            values = np.abs(error.sel(integrator=name).values) if phase else row["amplification"].values
            look: Any = themes.line(position)
            marker = "o" if shown.sum() == 1 else None  # a line through one point is not seen
            axes.plot(x[shown], values[shown], marker=marker, label=f"{name}, dt = {float(row['dt_used']):.3g}", **look)
    if phase:
        axes.axhline(0.01, color=themes.muted(), linewidth=0.9, linestyle=":")
    else:
        _draw_exact(axes, result, chosen[0], x, shown)
    axes.set(xscale="log", yscale="log" if phase else "linear")
    axes.set_xlabel("points per wavelength" if waves else "modulus of the eigenvalue (1/time)")
    axes.set_ylabel("relative error of the frequency" if phase else "factor per step")
    if waves:
        ticks = [n for n in (2, 4, 8, 16, 32, 64, 128, 256) if x[shown].min() <= n <= x[shown].max()]
        axes.set_xticks(ticks, [str(n) for n in ticks])
        axes.set_xticks([], minor=True)
    dispersion = "dispersion of grid and steps" if error.name == "phase_error_total" else "dispersion of the steps"
    axes.set_title(dispersion if phase else "damping per step", fontsize=10)
    if axes.lines:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high if phase else low + 1.3 * (high - low))
        axes.legend(fontsize="small", ncols=1 if phase else 2)


def _abscissa(result: AnalysisResult) -> tuple[np.ndarray, bool]:
    """Points per wavelength of the shown modes, or the moduli of their eigenvalues; and whether they are waves."""
    theta = np.abs(result["mode_theta"].values)
    angle = theta.max(axis=1, initial=0.0)
    if angle.size and theta.shape[1] and np.isfinite(angle).all():
        return 2 * np.pi / angle, True
    return np.hypot(result["mode_eigenvalue_re"].values, result["mode_eigenvalue_im"].values), False


def _draw_exact(axes: Axes, result: AnalysisResult, name: str, x: np.ndarray, shown: np.ndarray) -> None:
    dt = float(result["dt_used"].sel(integrator=name))
    if np.isfinite(dt):
        exact = np.exp(dt * result["mode_eigenvalue_re"].values)
        look = "x" if shown.sum() == 1 else ":"
        axes.plot(x[shown], exact[shown], look, color=themes.ink(), label=f"exact, dt = {dt:.3g}")


def _draw_ranking(axes: Axes, result: AnalysisResult, chosen: list[str]) -> None:
    from matplotlib.ticker import NullFormatter

    limits = result["dt_max"].values
    names = list(map(str, result["integrator"].values))
    finite = [i for i in range(limits.size) if np.isfinite(limits[i]) and limits[i] > 0]
    work = result["work"].values
    order = sorted(finite, key=lambda i: limits[i] / work[i])[-BARS:]
    if not order:
        axes.set_axis_off()
        axes.text(0.5, 0.5, _without_bars(result, names), ha="center", va="center", wrap=True)
        return
    place = np.arange(len(order))
    colours = [themes.colour(chosen.index(names[i])) if names[i] in chosen else themes.muted() for i in order]
    share = limits[order] / work[order]
    axes.barh(place, share, color=colours, height=0.7)
    axes.set_yticks(place, [names[i] for i in order])
    axes.set_xscale("log")
    axes.set_xlim(share.min() / 2, share.max() * 6)
    lines = [_listed(names, limits == 0, "unstable"), _listed(names, np.isposinf(limits), "stable")]
    text = "\n".join(filter(None, lines))
    room = 0.06 * len(order) * len(text.splitlines())
    axes.set_ylim(min(len(order) - 0.4 - FEWEST_BARS, -0.6 - room), len(order) - 0.4)
    axes.xaxis.set_minor_formatter(NullFormatter())  # of less than two decades they would overlap
    for y, i in zip(place, order, strict=True):
        axes.text(float(share[y]) * 1.08, float(y), f"{limits[i]:.3g}", va="center", fontsize=8)
    axes.set_xlabel("largest stable step per evaluation of the right-hand side")
    axes.set_title("limits dt (numbers) and time per evaluation (bars)", fontsize=10)
    axes.text(0.99, 0.01, text, ha="right", va="bottom", transform=axes.transAxes, fontsize=8)


def _listed(names: list[str], which: np.ndarray, word: str) -> str:
    """Methods that have no bar, as words; empty for none."""
    found = [name for name, chosen in zip(names, which, strict=True) if chosen]
    if not found:
        return ""
    text = ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
    return f"{word} for every step:\n{text}"


def _without_bars(result: AnalysisResult, names: list[str]) -> str:
    lines = [f"{name}: {text}" for name, text in zip(names, result["behaviour"].values, strict=True)]
    return "\n".join(lines[:BARS])
