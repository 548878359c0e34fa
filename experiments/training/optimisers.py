"""The optimisers of a model: AdamW, and a lazy one for its tables if wished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.nn import param_groups

from .lazy_adamw import LazyAdamW
from .settings import TrainSettings

Optimisers = Sequence[torch.optim.Optimizer]


def make_optimisers(model: nn.Module, settings: TrainSettings, *, sharded: bool = False) -> Optimisers:
    """Every parameter once. Groups carry ``share``, their rate as a multiple of the schedule's."""
    if not settings.groups:
        alike = [{"params": list(model.parameters()), "share": 1.0}]
        return [torch.optim.AdamW(alike, lr=settings.learning_rate, weight_decay=settings.weight_decay, foreach=True)]
    groups, tables = _groups(model, settings)
    if settings.lazy_embeddings and tables["params"]:
        return [*_adamw(groups, sharded=sharded), LazyAdamW([tables])]
    return _adamw([*groups, tables] if tables["params"] else groups, sharded=sharded)


def _groups(model: nn.Module, settings: TrainSettings) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The groups without the tables of embeddings, and those."""
    tables = {id(module.weight) for module in embeddings(model)}
    groups = param_groups(model, settings.learning_rate, settings.weight_decay)
    taken: list[Tensor] = []
    for group in groups:
        taken += [one for one in group["params"] if id(one) in tables]
        group["params"] = [one for one in group["params"] if id(one) not in tables]
        group["share"] = group["lr"] / settings.learning_rate
    share = settings.embedding_rate
    last = {
        "params": taken, "lr": share * settings.learning_rate, "share": share, "name": "embeddings",
        "weight_decay": settings.weight_decay,
    }  # fmt: skip
    return [group for group in groups if group["params"]], last


def _adamw(groups: list[dict[str, Any]], *, sharded: bool) -> list[torch.optim.Optimizer]:
    if not groups:
        return []
    # The fused form is several times faster on a CPU, but knows neither complex numbers nor sharded tensors there.
    fused = not sharded and not any(one.is_complex() for group in groups for one in group["params"])
    return [torch.optim.AdamW(groups, fused=True) if fused else torch.optim.AdamW(groups, foreach=True)]


def set_rate(optimisers: Optimisers, rate: float) -> None:
    """The rate of the schedule, times each group's share."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate * group["share"]


def embeddings(model: nn.Module) -> list[nn.Embedding]:
    """The tables of a model."""
    return [module for module in model.modules() if isinstance(module, nn.Embedding)]


@contextmanager
def sparse_tables(model: nn.Module, wanted: bool) -> Iterator[None]:
    """While training, tables give sparse gradients; afterwards they are as they were."""
    changed = [module for module in embeddings(model) if wanted and not module.sparse]
    for module in changed:
        module.sparse = True
    try:
        yield
    finally:
        for module in changed:
            module.sparse = False
