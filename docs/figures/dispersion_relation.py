"""The figure of dispersion.md: growth rates of Schnakenberg's model, and the equilibria of FitzHugh and Nagumo."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fieldsolver as fs
from fieldsolver import analysis


def dispersion_relation(folder: Path) -> None:
    """On the left curve, band and modes on two grids; on the right the branch with its Hopf points."""
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for points, marker, colour in ((64, "o", "#D55E00"), (32, "^", "#009E73")):
        equation = fs.FieldEquation(
            "du/dt = laplacian(u) + a - u + u**2*v;  dv/dt = d*laplacian(v) + b - u**2*v",
            grid=fs.Grid(points, extent=100.0),
            boundary=fs.Periodic(),
            parameters={"a": 0.1, "b": 0.9, "d": 10.0},
        )
        result = analysis.dispersion(equation)
        k, rate = result["mode_k"].values, result["mode_growth"].values
        left.plot(k, rate, marker, ms=4, color=colour, label=f"modes of {points} points", zorder=3)
    left.plot(result["k"], result["growth_rate_re"][:, 0], color="#0072B2", label="differential equation")
    left.axvspan(float(result["band_lo"][0]), float(result["band_hi"][0]), color="#D55E00", alpha=0.12, lw=0)
    left.axhline(0, color="0.6", lw=0.8, zorder=0)
    left.set(xlim=(0, 1), ylim=(-0.22, 0.08), xlabel="wave number k", ylabel="growth rate")
    left.set_title("Schnakenberg: a Turing band", fontsize="medium")
    left.legend(frameon=False, fontsize=8, loc="upper left")

    neuron = fs.FieldEquation(
        "dv/dt = v - v**3/3 - w + I;  dw/dt = e*(v + a - b*w)",
        parameters={"a": 0.7, "b": 0.8, "e": 0.08, "I": 0.35},
    )
    branch = analysis.continuation(neuron, {"v": -1.0, "w": -0.4}, "I", bounds=(0.0, 2.0))
    current, v, stable = branch["p"].values, branch["u"].values[:, 0], branch["n_unstable"].values == 0
    right.plot(current, np.where(stable, v, np.nan), color="#0072B2", lw=2, label="stable")
    right.plot(current, np.where(stable, np.nan, v), "--", color="#0072B2", lw=1.2, label="unstable")
    right.plot(branch["p_event"], branch["u_event"][:, 0], "o", color="#D55E00", label="Hopf points")
    right.set(xlabel="current I", ylabel="v")
    right.set_title("FitzHugh-Nagumo: equilibria", fontsize="medium")
    right.legend(frameon=False, fontsize=8)
    figure.savefig(folder / "dispersion_relation.png", dpi=80)
