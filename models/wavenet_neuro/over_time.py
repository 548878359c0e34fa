"""Texts as problems of the solver, place by place, and their fields over time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

import fieldsolver as fs

from .dynamics import FieldDynamics, Problem
from .places import sizes


def problems(dynamics: FieldDynamics, vectors: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Problem]]:
    """The rows (b,) of the texts of each place, and their problem.

    Args:
        dynamics: the field.
        vectors: token vectors (B, N, C), real tokens first.
        mask: bool (B, N).
    """
    lengths = mask.sum(1).clamp(min=1)
    size = sizes(dynamics.config, lengths, mask.shape[1])
    for one in size.unique().tolist():
        rows = torch.nonzero(size == one).flatten()
        yield rows, dynamics.problem(vectors[rows], lengths[rows], one)


def over_time(problem: Problem, duration: float, saves: int) -> fs.Solution:
    """The field at `saves` times: ``.y`` is (T, B, C, *shape). What runs to rest runs for the whole `duration` here.

    Method, steps and tolerances are those of the layer.

    Raises:
        SolveFailed: a field overflowed; the error has what was reached before.
    """
    layer, _, inputs, start = problem
    if isinstance(layer, fs.nn.SteadyFieldLayer):
        how = {name: layer.options[name] for name in ("method", "dt", "rtol", "atol", "max_steps")}
        layer = fs.nn.FieldLayer(layer.equation, duration=duration, inputs=tuple(inputs), check="off", **how)
    return layer.trajectory(inputs, saves, state=start) if inputs else layer.trajectory(start, saves)
