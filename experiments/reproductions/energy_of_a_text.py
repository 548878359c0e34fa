"""Joules that a text takes, where the machine counts them, and the operations that stand behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch

from fieldsolver.experiments.baselines import NETS
from fieldsolver.experiments.compare.costs import macs
from fieldsolver.experiments.compare.tables import table
from fieldsolver.experiments.energy_reading import LEAST_SECONDS, Meters, energy_meters, joules_of
from fieldsolver.models.catalogue import build
from fieldsolver.models.parts import TextModel
from fieldsolver.models.wavenet_neuro.operation_counts import synaptic_operations
from fieldsolver.models.wavenet_neuro.variants.spiking import SpikingField

from .cost_of_length import VOCABULARY
from .declaration import Numbers

SIZES, QUICK_SIZES = (128, 512, 2048), (128,)
QUICK_SECONDS = 0.2
FIELD, SPIKING, TRANSFORMER = "imdb", "spiking", "transformer, 2 layers"


def energy_of_a_text(quick: bool) -> dict[str, Any]:
    """The numbers of the section."""
    return measured(
        QUICK_SIZES if quick else SIZES, energy_meters(), least_seconds=QUICK_SECONDS if quick else LEAST_SECONDS
    )


def measured(
    sizes: Sequence[int], meters: Meters, *, least_seconds: float, also: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Multiply-accumulates of an answer to one text of n random tokens, additions that spikes cause, and joules.

    Args:
        sizes: n.
        meters: of the machine.
        least_seconds: of every reading.
        also: is called with every answer.
    """
    torch.manual_seed(0)
    models = {FIELD: _field("imdb"), SPIKING: _field(None, variant="spiking"), TRANSFORMER: _transformer()}
    counted: dict[str, list[float]] = {name: [] for name in models}
    joules: dict[str, list[float | None]] = {name: [] for name in models}
    for size in sizes:
        ids, mask = _text(size)
        for name, model in models.items():
            counted[name].append(macs(model, ids, mask))
            joules[name].append(_joules(model, ids, mask, meters, least_seconds, also))
    spikes = [_spikes(models[SPIKING], *_text(size)) for size in sizes]
    return {"sizes": list(sizes), "macs": counted, "joules": joules, "additions": spikes, "said": str(meters)}


def lines(found: Numbers) -> list[str]:
    """A table of operations, with joules where there are some."""
    names = list(found["macs"])
    counted = all(value is not None for values in found["joules"].values() for value in values)
    rows = [
        [
            f"{size:,}",
            *(f"{found['macs'][name][place] / 1e6:,.2f}" for name in names),
            f"{found['additions'][place] / 1e6:,.2f}",
            *((f"{found['joules'][name][place]:.3g}" for name in names) if counted else ()),
        ]
        for place, size in enumerate(found["sizes"])
    ]
    heads = [
        "tokens", *(f"{name}: 10^6 MACs" for name in names), "additions that spikes cause, 10^6",
        *((f"{name}: joules" for name in names) if counted else ()),
    ]  # fmt: skip
    said = str(found["said"])
    joules = (
        f"{said[0].upper()}{said[1:]}: the whole device, with whatever else ran on it."
        if counted
        else f"No joules are given: {_why(said)}."
    )
    return [
        "One answer to a text of random tokens on one thread; operations are counted. The additions are those that an "
        "event-driven machine would make for the spikes of the untrained spiking field, in place of the products of "
        f"matrices in its column. {joules}",
        "",
        *table(heads, rows),
    ]


def _why(said: str) -> str:
    return said if "reports no energy" in said else "the machine's counters did not move"


def _joules(
    model: TextModel, ids: torch.Tensor, mask: torch.Tensor, meters: Meters, seconds: float, also: Callable[[], object]
) -> float | None:
    def answer() -> None:
        model(ids, mask)
        also()

    with torch.no_grad():
        answer()  # what is made once is made here
        found = joules_of(answer, meters.found, least_seconds=seconds)
    return None if found is None else found.joules


def _spikes(model: TextModel, ids: torch.Tensor, mask: torch.Tensor) -> float:
    dynamics = cast("SpikingField", model.dynamics)
    with torch.no_grad():
        vectors = cast("Callable[..., torch.Tensor]", model.vectors)(ids, mask)
        run = dynamics.simulate(dynamics.hear(vectors), mask)
    return synaptic_operations(float(run.spikes.sum()), dynamics.channels)


def _field(preset: str | None, **changes: Any) -> TextModel:
    return build("wavenet_neuro", preset, vocabulary=VOCABULARY, classes=2, **changes).eval()


def _transformer() -> TextModel:
    package = NETS["transformer"].load()
    return cast("TextModel", package.build(package.Config(VOCABULARY, 2)).eval())


def _text(tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(2, VOCABULARY, (1, tokens), generator=torch.Generator().manual_seed(0))
    return ids, torch.ones_like(ids, dtype=torch.bool)
