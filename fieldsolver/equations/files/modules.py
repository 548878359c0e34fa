"""``[modules]``: networks out of a fixed registry; a file cannot name anything else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fieldsolver.space.boundary import AntiPeriodic, Declaration, resolve_boundary
from fieldsolver.space.grid import Grid

from ..modules import Nonlocal
from ..statements import split_statements
from .conv_module import FieldConvolution
from .document import Document
from .limits import MAX_WEIGHTS


@dataclass(frozen=True)
class ModuleSetting:
    """What a module may depend on besides its own table; `refuse` makes the error about it."""

    fields: Sequence[str]
    grid: Grid | None
    boundary: Declaration
    dtype: torch.dtype
    refuse: Callable[[str], Exception]


def mlp(table: Mapping[str, Any], setting: ModuleSetting) -> nn.Module:
    """A small perceptron: ``inputs``, ``hidden`` (a list), ``outputs``, ``seed``; tanh between the layers."""
    sizes = [table["inputs"], *table.get("hidden", []), table["outputs"]]
    _check_weights(sizes, 1, setting)
    layers: list[nn.Module] = []
    for given, made in itertools.pairwise(sizes):
        layers += [nn.Linear(given, made, dtype=setting.dtype), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def conv(table: Mapping[str, Any], setting: ModuleSetting) -> nn.Module:
    """Convolutions over the grid: ``channels`` (a list), ``kernel_size``, ``seed``; padded as the boundary says."""
    grid, size = setting.grid, table.get("kernel_size", 3)
    if grid is None:
        raise setting.refuse("is a convolution, but the file has no [grid]")
    if size % 2 == 0:
        raise setting.refuse(f"needs an odd 'kernel_size', got {size}")
    if any(size // 2 + grid.has_end_nodes(axis) > points for axis, points in enumerate(grid.shape)):
        raise setting.refuse(f"has kernel_size {size}, which reaches beyond the other end of the grid {grid.shape}")
    _check_weights(table["channels"], size**grid.dimension, setting)
    sides = resolve_boundary(setting.boundary, setting.fields, grid.axes)
    if any(isinstance(condition, AntiPeriodic) for own in sides.values() for condition in own.values()):
        raise setting.refuse("is a convolution, which does not know the sign of its inputs beyond an antiperiodic end")
    return Nonlocal(FieldConvolution(table["channels"], size, grid, sides, setting.dtype))


MODULES: dict[str, Callable[[Mapping[str, Any], ModuleSetting], nn.Module]] = {"mlp": mlp, "conv": conv}
"""The module kinds that a file may ask for; there is no way to name anything else."""


def read_modules(
    document: Document, grid: Grid | None, boundary: Declaration, dtype: torch.dtype
) -> dict[str, nn.Module]:
    """The modules, with the weights that their seeds give; the caller's random numbers are not disturbed."""
    modules = {}
    fields: list[str] = []
    for name, table in document.table("modules").items():

        def refuse(message: str, name: str = name) -> Exception:
            return document.refuse(("modules", name), f"{name!r} {message}")

        fields = fields or [statement.name for statement in split_statements(document.table("equation")["text"])]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(table.get("seed", 0))
            modules[name] = MODULES[table["kind"]](table, ModuleSetting(fields, grid, boundary, dtype, refuse))
    return modules


def _check_weights(sizes: Sequence[int], stencil: int, setting: ModuleSetting) -> None:
    weights = sum(math.prod(pair) for pair in itertools.pairwise(sizes)) * stencil
    if weights > MAX_WEIGHTS:
        raise setting.refuse(f"has {weights} weights; a module of a file may have at most {MAX_WEIGHTS}")
