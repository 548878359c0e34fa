"""From a study to cells, in stages: choosing rates, final runs; both again for rows that take another's seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .cell import Cell
from .recipe import Budget
from .splits import whole_data
from .store import CellStore
from .study import Entry, Study

TUNING_SEED = 0


def tuning_cells(study: Study, entry: Entry, store: CellStore) -> list[Cell]:
    """One run per learning rate, on a part of the training split, judged by all validation texts of the study.

    A tenth of those too would be 250 reviews of IMDB: a standard error of 2 points, more than rates differ by. No run
    as long as the seconds that the row is given are not known.
    """
    budget = settled_budget(study, entry, store)
    if entry.left_out or not entry.recipe.is_network or entry.rates_of is not None or budget is None:
        return []
    part = study.tuning_part(entry)
    budget = _tuning_budget(budget, part / study.fraction, entry.tuned_longer)
    return [
        Cell(
            entry.recipe, entry.data, content(entry.data), budget, TUNING_SEED, rate, "tuning", part,
            validation=study.fraction,
        )
        for rate in entry.recipe.rates
    ]  # fmt: skip


def chosen_rate(study: Study, entry: Entry, store: CellStore) -> float | None:
    """The rate with the highest validation accuracy, of equal ones that with the lowest validation loss.

    The smaller where even these are equal; None: not all were tried yet.
    """
    if not entry.recipe.is_network:
        return 0.0
    if entry.rates_of is not None:
        return chosen_rate(study, study.entry(entry.rates_of, entry.data), store)
    cells = tuning_cells(study, entry, store)
    if not cells or any(cell not in store for cell in cells):
        return None
    tried = tried_rates(study, entry, store)
    finite = {rate: value for rate, value in tried.items() if math.isfinite(value)}
    losses = {cell.rate: store.read(cell).metrics.get("validation_loss", math.inf) for cell in cells}
    return min(finite, key=lambda rate: (-finite[rate], losses[rate], rate)) if finite else None


def tried_rates(study: Study, entry: Entry, store: CellStore) -> dict[float, float]:
    """Validation accuracy by rate, as far as it was measured; NaN of runs that failed."""
    cells = [cell for cell in tuning_cells(study, entry, store) if cell in store]
    return {cell.rate: store.read(cell).accuracy for cell in cells}


def final_cells(study: Study, entry: Entry, store: CellStore) -> list[Cell]:
    """One run per seed; none as long as its rate or its seconds are not known, or where it is left out."""
    rate, budget = chosen_rate(study, entry, store), settled_budget(study, entry, store)
    if entry.left_out or rate is None or budget is None:
        return []
    return [
        Cell(
            entry.recipe, entry.data, content(entry.data), budget, seed, rate, "final", study.fraction,
            test_samples=study.test_samples,
        )
        for seed in range(entry.repetitions)
    ]  # fmt: skip


def settled_budget(study: Study, entry: Entry, store: CellStore) -> Budget | None:
    """The entry's budget in numbers; None as long as the row whose seconds it takes is not measured."""
    if entry.budget.seconds_of is None:
        return entry.budget
    cells = final_cells(study, study.entry(entry.budget.seconds_of, entry.data), store)
    if not cells or any(cell not in store for cell in cells):
        return None
    return Budget(seconds=_rounded(sum(store.read(cell).seconds for cell in cells) / len(cells), 1))


def content(name: str) -> str:
    """Fingerprint of a data set as it is read here."""
    return whole_data(name).fingerprint


def stages(study: Study, store: CellStore) -> Iterator[tuple[str, list[Cell]]]:
    """What to run next, with a name for it; each is asked for when the one before is done."""
    for part in ("", " of rows with another row's seconds"):
        yield f"choosing rates{part}", [cell for entry in study.entries for cell in tuning_cells(study, entry, store)]
        yield f"final runs{part}", [cell for entry in study.entries for cell in final_cells(study, entry, store)]


def _tuning_budget(budget: Budget, part: float, longer: int) -> Budget:
    if budget.epochs is not None:
        return Budget(epochs=budget.epochs * longer)
    if budget.tokens is not None:
        return Budget(tokens=max(1, round(budget.tokens * part * longer)))
    return budget if budget.seconds is None else Budget(seconds=_rounded(budget.seconds * part * longer, 2))


def _rounded(seconds: float, digits: int) -> float:
    """Never to zero, which is no budget."""
    return round(seconds, digits) or float(f"{seconds:.2g}")
