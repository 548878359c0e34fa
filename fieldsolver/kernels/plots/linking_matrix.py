"""The picture of a linking matrix: a square for every pair, empty where two loops are not linked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fieldsolver import themes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fieldsolver.results import AnalysisResult

WRITTEN = 15
"""Loops up to which the numbers are written into their squares."""


def draw_linking_matrix(result: AnalysisResult) -> Figure:
    """Two colours for the two signs, by size; pairs without a number are crossed out."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    count, matrix, open_pairs = _matrix(result)
    most = float(np.abs(matrix).max(initial=1))
    figure = Figure(figsize=(5.4, 4.8), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(matrix, cmap="RdBu_r", vmin=-most, vmax=most)
    figure.colorbar(shown, label="linking number", ticks=MaxNLocator(integer=True))
    if count <= WRITTEN:
        for i, j in zip(*np.nonzero(matrix), strict=True):
            shade = "white" if abs(matrix[i, j]) > 0.6 * most else "black"
            axes.text(j, i, f"{matrix[i, j]:+d}", ha="center", va="center", color=shade)
    if open_pairs:
        axes.plot(*zip(*open_pairs, strict=True), "x", color=themes.colour(1), label="no number")
        axes.legend(loc="upper right", frameon=True, framealpha=1.0)  # the map is white in every theme
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="loop", ylabel="loop")
    linked = np.count_nonzero(np.triu(matrix))
    axes.set_title(f"{result.status.name}: {linked} of {count * (count - 1) // 2} pairs are linked")
    return figure


def _matrix(result: AnalysisResult) -> tuple[int, np.ndarray, list[tuple[int, int]]]:
    """K, the symmetric matrix of the numbers, and the pairs that have none (both ways)."""
    count = int(result["curves"])
    matrix, open_pairs = np.zeros((count, count), dtype=np.int64), []
    keys = ("curve_a", "curve_b", "lk", "status")
    for i, j, lk, status in zip(*(result[key].values for key in keys), strict=True):
        if str(status) in ("proved", "pass"):
            matrix[i, j] = matrix[j, i] = lk
        else:
            open_pairs += [(int(i), int(j)), (int(j), int(i))]
    return count, matrix, open_pairs
