"""`Outcome`: the results of a study by row and data set, and its paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .cell_result import CellResult
from .plan import chosen_rate, final_cells, settled_budget, stages, tried_rates
from .recipe import Budget
from .runner import Running, run_cells
from .statistics import PairedTest, Summary, holm, paired_test, sampling_error, summary
from .store import CellStore
from .study import Entry, Pair, Study


class Row(NamedTuple):
    """What is known of one entry.

    Attributes:
        entry: its declaration.
        results: of the finished seeds, in their order; empty where it was not measured.
        rate: learning rate that was chosen; None before.
        tried: validation accuracy by rate.
        budget: in numbers; None before.
        seeds: of the results; None: 0, 1, ...
    """

    entry: Entry
    results: Sequence[CellResult]
    rate: float | None
    tried: Mapping[float, float]
    budget: Budget | None
    seeds: Sequence[int] | None = None

    @property
    def name(self) -> str:
        """Of the row."""
        return self.entry.recipe.name

    @property
    def is_measured(self) -> bool:
        """Whether every seed has a result."""
        return len(self.results) == self.entry.repetitions and all(not result.failed for result in self.results)

    @property
    def accuracies(self) -> np.ndarray:
        """Test accuracy (seeds,)."""
        return np.array([result.accuracy for result in self.results])

    def accuracy(self) -> Summary:
        """Mean, deviation and interval of the test accuracy."""
        return summary(self.accuracies)

    def test_error(self) -> float:
        """One standard deviation that another test set of this size would cause."""
        return sampling_error(self.accuracy().mean, len(self.results[0].samples["correct"]))

    def mean(self, quantity: str) -> float:
        """Mean over the seeds of seconds, tokens, parameters, a cost or a metric; NaN where there is none.

        Runs that failed are left out: they have no effort to speak of.
        """
        values = [_value(result, quantity) for result in self.results if not result.failed]
        return float(np.mean(values)) if values else math.nan


class Comparison(NamedTuple):
    """A pair with its test; `adjusted` is the p-value after Holm's correction over all pairs of the study."""

    pair: Pair
    test: PairedTest
    adjusted: float


@dataclass(frozen=True)
class Outcome:
    """Everything that tables and claims need.

    Attributes:
        study: what was asked.
        rows: by (row, data set).
    """

    study: Study
    rows: Mapping[tuple[str, str], Row]

    def on(self, data: str) -> list[Row]:
        """The rows of a data set, in the order of the study."""
        return [row for (_, own), row in self.rows.items() if own == data]

    def paired(self, first: str, second: str, data: str) -> PairedTest | None:
        """First less second, seed by seed; None where either is not measured.

        A classifier has no seeds: its one accuracy stands against every seed of the other. Of two networks the seeds
        count that both have.
        """
        left, right = self.rows.get((first, data)), self.rows.get((second, data))
        if left is None or right is None or not (left.is_measured and right.is_measured):
            return None
        seeds = [len(row.results) for row in (left, right) if row.entry.recipe.is_network]
        number = min(seeds, default=1)
        return paired_test(_repeated(left, number), _repeated(right, number))

    def comparisons(self) -> list[Comparison]:
        """The study's pairs that were measured, with p-values corrected for their number."""
        found = [(pair, test) for pair in self.study.pairs if (test := self.paired(pair.first, pair.second, pair.data))]
        adjusted = holm([test.p for _, test in found])
        return [Comparison(pair, test, value) for (pair, test), value in zip(found, adjusted, strict=True)]

    @property
    def is_complete(self) -> bool:
        """Whether everything that was to be measured is."""
        return all(row.is_measured for row in self.rows.values() if not row.entry.left_out)


def run_study(study: Study, store: CellStore, running: Running) -> Outcome:
    """Run what the store lacks, stage by stage, and collect."""
    for label, cells in stages(study, store):
        run_cells(cells, store, running, label)
    return collected(study, store)


def collected(study: Study, store: CellStore) -> Outcome:
    """What the store has of a study; nothing is run."""
    return Outcome(study, {entry.key: _row(study, entry, store) for entry in study.entries})


def _row(study: Study, entry: Entry, store: CellStore) -> Row:
    found = {cell.seed: store.read(cell) for cell in final_cells(study, entry, store) if cell in store}
    source = entry if entry.rates_of is None else study.entry(entry.rates_of, entry.data)
    return Row(
        entry,
        list(found.values()),
        None if entry.left_out else chosen_rate(study, entry, store),
        tried_rates(study, source, store),
        settled_budget(study, entry, store),
        tuple(found),
    )


def _repeated(row: Row, number: int) -> np.ndarray:
    return np.full(number, row.accuracies[0]) if not row.entry.recipe.is_network else row.accuracies[:number]


def _value(result: CellResult, quantity: str) -> float:
    direct = {"seconds": result.seconds, "tokens": result.tokens, "parameters": result.parameters.get("total", 0)}
    if quantity in direct:
        return float(direct[quantity])
    return float({**result.parameters, **result.costs, **result.metrics}.get(quantity, math.nan))
