"""`Study`: rows, data sets, seeds and budgets, declared; what is measured follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fieldsolver.errors import OptionError, listing, nearest

from .recipe import Budget, Recipe

TUNED_ON = 0.1
"""Part of the training split on which learning rates are chosen, unless a study says otherwise."""


@dataclass(frozen=True)
class Entry:
    """One row on one data set.

    Attributes:
        recipe: the row.
        data: name of the data set.
        seeds: number of repetitions, with seeds 0, 1, ...; a classifier is fitted once.
        budget: of each final run; tuning runs get the same on a part of the data (of seconds: that part).
        rates_of: another row that is tuned in place of this one, for rows that differ in little, and that said.
        tuned_longer: a run that chooses a rate makes this many times as many passes over its part as a final run over
            the whole: with as many passes a tenth of the texts gives a tenth of the steps, and the largest rate wins.
        tuned_on: this row's own part of the training split for choosing a rate; None: that of the study.
        left_out: why this row is not measured; it is printed as such. Empty: it is measured.
    """

    recipe: Recipe
    data: str
    seeds: int
    budget: Budget
    rates_of: str | None = None
    left_out: str = ""
    tuned_longer: int = 1
    tuned_on: float | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(row, data set)."""
        return self.recipe.name, self.data

    @property
    def repetitions(self) -> int:
        """Seeds of a network; 1 of a classifier, which knows no chance."""
        return self.seeds if self.recipe.is_network else 1


@dataclass(frozen=True)
class Pair:
    """Two rows that are compared seed by seed.

    Attributes:
        first, second: names of rows.
        data: name of the data set.
        matched: what the two have in equal amounts: "parameters", "tokens", "seconds".
        question: what the comparison is to decide.
    """

    first: str
    second: str
    data: str
    matched: str
    question: str


@dataclass(frozen=True)
class Study:
    """What is to be compared.

    Attributes:
        entries: rows on data sets.
        pairs: comparisons; their p-values are corrected together.
        fraction: part of every training split that is used at all.
        test_samples: texts of every test split; None: all.
        tuned_on: part of that part on which learning rates are chosen, where an entry does not say otherwise.
        quick: marked as a short run wherever its numbers appear.

    Raises:
        OptionError: two entries of one row and data set, or a name that no entry has.
    """

    entries: Sequence[Entry]
    pairs: Sequence[Pair] = ()
    fraction: float = 1.0
    test_samples: int | None = None
    tuned_on: float = TUNED_ON
    quick: bool = False

    def __post_init__(self) -> None:
        keys = [entry.key for entry in self.entries]
        if doubled := [key for key in keys if keys.count(key) > 1]:
            raise OptionError(f"row {doubled[0][0]!r} occurs twice on {doubled[0][1]!r}; give one of them another name")
        wanted = [(name, pair.data) for pair in self.pairs for name in (pair.first, pair.second)]
        wanted += [(name, entry.data) for entry in self.entries for name in _referred(entry)]
        for name, data in wanted:
            if (name, data) not in keys:
                rows = [row for row, own in keys if own == data]
                raise OptionError(f"there is no row {name!r} on {data!r}; known: {listing(rows)}{nearest(name, rows)}")

    def entry(self, row: str, data: str) -> Entry:
        """The entry of this row and data set."""
        return next(entry for entry in self.entries if entry.key == (row, data))

    def tuning_part(self, entry: Entry) -> float:
        """Part of the whole training split on which the entry's learning rate is chosen."""
        return self.fraction * (self.tuned_on if entry.tuned_on is None else entry.tuned_on)

    @property
    def data_sets(self) -> list[str]:
        """Names of the data sets, in the order of the entries."""
        return list(dict.fromkeys(entry.data for entry in self.entries))


def _referred(entry: Entry) -> list[str]:
    return [name for name in (entry.budget.seconds_of, entry.rates_of) if name is not None]
