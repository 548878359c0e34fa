"""How long a cell will take: from what its recipe took before, or a rough guess; only the dealing depends on it."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

from .cell import Cell
from .store import CellStore, read_json

GUESS_PER_EPOCH = 60.0
"""Seconds of a pass over a whole training split by a network about which nothing is known."""
GUESS_PER_TOKEN = 2e-5
GUESS_CLASSIFIER = 20.0
OVERHEAD = 5.0
"""Seconds to start, to tokenise, to evaluate."""


class Finished(NamedTuple):
    """A finished run of a network: what it was, its seconds, its tokens, and its passes over the whole split."""

    recipe: str
    data: str
    seconds: float
    tokens: int
    passes: float


def predicted_seconds(cell: Cell, store: CellStore) -> float:
    """Seconds of a cell, never 0."""
    if not cell.recipe.is_network:
        return OVERHEAD + GUESS_CLASSIFIER * cell.fraction
    if cell.budget.seconds is not None:
        return OVERHEAD + cell.budget.seconds
    own = (_key(cell.described()["recipe"]), cell.data)
    known = [run for run in _finished(store.folder) if (run.recipe, run.data) == own]
    if cell.budget.tokens is not None:
        rates = [run.seconds / run.tokens for run in known if run.tokens]
        return OVERHEAD + cell.budget.tokens * (rates[-1] if rates else GUESS_PER_TOKEN)
    rates = [run.seconds / run.passes for run in known if run.passes]
    return OVERHEAD + cell.fraction * (cell.budget.epochs or 1) * (rates[-1] if rates else GUESS_PER_EPOCH)


def _finished(folder: Path) -> list[Finished]:
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [found for path in paths if (found := _read(path)) is not None]


@functools.lru_cache(maxsize=4096)
def _read(path: Path) -> Finished | None:
    content = read_json(path)
    if "result" not in content or content["result"]["failed"] or content["cell"]["budget"] is None:
        return None
    cell, result = content["cell"], content["result"]
    passes = cell["fraction"] * (cell["budget"]["epochs"] or 0)
    return Finished(_key(cell["recipe"]), cell["data"], result["seconds"], result["tokens"], passes)


def _key(recipe: dict[str, Any]) -> str:
    return json.dumps(recipe, sort_keys=True, default=list)
