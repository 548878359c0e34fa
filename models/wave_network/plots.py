"""Pictures of waves: angles, amplitudes, the plane of complex numbers, and the way through a network.

Every function draws one text into axes that exist; colours are those of `fieldsolver.themes`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.themes import colour, line, muted

from .representation import global_semantics
from .superposition import interference, modulation
from .trace import Waves
from .wave import magnitude, phase

MOST = 3
"""Tokens with a label of their own in the plane; more would hide each other."""


def draw_phases(axes: Any, waves: Waves, text: int = 0, bins: int = 48) -> None:
    """How often each angle occurs, for both variants and for what they become together."""
    edges = torch.linspace(-math.pi, math.pi, bins + 1).tolist()
    kinds = {"first": waves.first, "second": waves.second, "together": waves.whole}
    for position, (label, z) in enumerate(kinds.items()):
        angles = _of_text(phase(z), waves, text).flatten()
        axes.hist(angles.tolist(), edges, histtype="step", density=True, label=label, **line(position))
    axes.set_xticks([-math.pi, 0, math.pi], ["-pi", "0", "pi"])
    axes.set(xlabel="phase", ylabel="density", title="phases of all tokens and dimensions")
    axes.legend(fontsize=8, loc="upper center")


def draw_global_semantics(axes: Any, waves: Waves, text: int = 0) -> None:
    """G of every dimension, from the largest to the smallest."""
    for position, (label, z) in enumerate({"first": waves.first, "second": waves.second}.items()):
        semantics = global_semantics(z.real, waves.columns)[text, -1]
        axes.plot(semantics.sort(descending=True).values.tolist(), label=label, **line(position))
    axes.set(xlabel="dimension, in order", ylabel="G", title="global semantics")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)


def draw_plane(axes: Any, waves: Waves, text: int = 0, dimension: int = 0, labels: Sequence[str] = ()) -> None:
    """The tokens of one dimension as complex numbers: the first variant.

    With the amplitude ``"norm"`` they lie on the half circle of radius G that is drawn.

    Raises:
        OptionError: there is no such dimension.
    """
    size = waves.first.real.shape[-1]
    if not 0 <= dimension < size:
        raise OptionError(f"dimension is one of 0..{size - 1}, got {dimension}")
    real, imaginary = (_of_text(part, waves, text)[:, dimension] for part in waves.first)
    semantics = global_semantics(waves.first.real, waves.columns)[text, -1, dimension].item()
    angles = torch.linspace(0, math.pi, 100)
    axes.plot((semantics * angles.cos()).tolist(), (semantics * angles.sin()).tolist(), color=muted(), lw=1)
    axes.plot(real.tolist(), imaginary.tolist(), "o", color=colour(0), ms=5)
    for place in real.abs().argsort(descending=True)[: MOST if labels else 0].tolist():
        side = -1 if real[place] < 0 else 1
        axes.annotate(
            labels[place], (real[place].item(), imaginary[place].item()), fontsize=8,
            xytext=(8 * side, 0), textcoords="offset points", ha="right" if side < 0 else "left", va="center",
        )  # fmt: skip
    axes.set(xlabel="w", ylabel="s, the others", title=f"dimension {dimension}", aspect="equal")
    axes.set(xlim=(-1.8 * semantics, 1.8 * semantics), ylim=(0, 1.3 * semantics))


def draw_modes(axes: Any, waves: Waves, text: int = 0, dimension: int = 0) -> None:
    """The amplitude of each token under both modes, over its mean: interference differs from token to token."""
    modes = {"modulation": modulation, "interference": interference}
    for position, (label, mode) in enumerate(modes.items()):
        size = _of_text(magnitude(mode(waves.first, waves.second)), waves, text)[:, dimension]
        axes.plot((size / size.mean()).tolist(), marker="o", ms=4, label=label, **line(position))
    axes.set(xlabel="token", ylabel="|Z| over its mean", title=f"amplitudes of dimension {dimension}")
    axes.margins(y=0.35)
    axes.legend(fontsize=8, loc="lower left", ncols=2)


def draw_trace(axes: Any, trace: dict[str, Tensor], text: int = 0, labels: Sequence[str] = ()) -> None:
    """The length of each token's vector at every stage of `forward_trace`; tokens beyond the labels are padding."""
    stages = list(trace)
    lengths = torch.stack([trace[stage][text].norm(dim=-1) for stage in stages])
    lengths = lengths[:, : len(labels)] if labels else lengths
    for token in range(lengths.shape[1]):
        axes.plot(stages, lengths[:, token].tolist(), color=muted(), lw=0.8)
    for position, token in enumerate(_extremes(lengths[-2]) if labels else []):
        axes.plot(stages, lengths[:, token].tolist(), marker="o", ms=4, label=labels[token], **line(position))
    axes.set(ylabel="length of the token's vector", title="the way through the network", yscale="log")
    axes.tick_params(axis="x", labelrotation=20)
    if labels:
        axes.legend(fontsize=8)


def _extremes(lengths: Tensor) -> list[int]:
    """The tokens with the shortest and the longest vector."""
    return sorted({int(lengths.argmin()), int(lengths.argmax())})


def _of_text(values: Tensor, waves: Waves, text: int) -> Tensor:
    """(tokens, D) of the real tokens of one text."""
    return values[text][waves.columns.mask[text]]
