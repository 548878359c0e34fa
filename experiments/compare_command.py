"""`fieldsolver compare` and `fieldsolver reproduce`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fieldsolver.errors import OptionError, listing

from .arguments import Float, Int
from .files import writable_folder

if TYPE_CHECKING:
    from .compare import Running

RESULTS, CELLS = Path("out/results"), Path("out/cells")
Models = Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL[/PRESET] ...")]
Name = Annotated[str, tyro.conf.arg(metavar="NAME")]


def compare(
    models: tyro.conf.Positional[Models] = (),
    data: str | None = None,
    seeds: int = 5,
    epochs: Int = None,
    budget_tokens: Int = None,
    budget_seconds: Float = None,
    fraction: float = 1.0,
    max_length: Int = None,
    out: Path = RESULTS,
    cells: Path = CELLS,
    workers: Int = None,
    cluster: str | None = None,
    minutes: Float = None,
) -> int:
    """Compare models with equal effort: tuned alike, several seeds, paired tests; writes OUT/comparison.md.

    A finished run is never repeated: the same command goes on where it stopped, and more seeds add to the old ones.

    Args:
        models: such as wave_network/best, transformer (gets the size of the first model), bag, tfidf, nbsvm.
        data: data set (see `fieldsolver list data`).
        seeds: repetitions of every network.
        epochs: passes over the data; 3 unless a budget is given.
        budget_tokens: tokens of every run instead.
        budget_seconds: seconds of every run instead.
        fraction: part of the training split to use.
        max_length: tokens of a text that are read; as the first model wants it.
        out: folder for the page, its figures and numbers.
        cells: folder of finished runs.
        workers: processes, one thread each; as many as the machine has cores.
        cluster: address of a Dask scheduler to use instead.
        minutes: begin no run after this time; the rest is marked as not measured.
    """
    from .data import DATASETS

    if data is None:
        raise OptionError(f"say which data to compare on, such as --data ag_news; known: {listing(DATASETS)}")
    from .compare.recipe import Budget
    from .compare.requested import compare_models, requested_study
    from .compare.tables import pairs_table, results_table

    if epochs is budget_tokens is budget_seconds is None:
        epochs = 3
    budget = Budget(epochs, budget_tokens, budget_seconds)
    options = {} if max_length is None else {"max_length": max_length}
    study = requested_study(models, data, seeds, budget, fraction=fraction, options=options)
    running = _running(workers, cluster, minutes)
    said = {
        "epochs": epochs, "budget-tokens": budget_tokens, "budget-seconds": budget_seconds,
        "fraction": None if fraction == 1 else fraction, "max-length": max_length,
    }  # fmt: skip
    spoken = " ".join(f"--{name} {value}" for name, value in said.items() if value is not None)
    command = f"fieldsolver compare {' '.join(models)} --data {data} --seeds {seeds} {spoken}"
    outcome, page = compare_models(study, writable_folder(out), writable_folder(cells, "--cells"), running, command)
    print("\n".join([*results_table(outcome, data), "", *pairs_table(outcome), "", str(page)]))
    return 0


def reproduce(
    name: Name,
    quick: bool = False,
    out: Path = RESULTS,
    cells: Path = CELLS,
    workers: Int = None,
    cluster: str | None = None,
    minutes: Float = None,
) -> int:
    """Repeat the experiments of a source document and judge each of its claims; writes OUT/NAME.md with figures.

    Args:
        name: wave_network or wavenet_neuro.
        quick: a short form of about three minutes; its numbers are those of a short run, and its page is NAME_quick.md.
        out: folder for the page, its figures, NAME_cells.csv and NAME.nc.
        cells: folder of finished runs, which are never repeated.
        workers: processes, one thread each; as many as the machine has cores.
        cluster: address of a Dask scheduler to use instead.
        minutes: begin no run after this time; the rest is marked as not measured.
    """
    from .reproductions import reproduce as run

    running = _running(workers, cluster, minutes)
    print(run(name, writable_folder(out), writable_folder(cells, "--cells"), running, quick=quick))
    return 0


def _running(workers: int | None, cluster: str | None, minutes: float | None) -> Running:
    from .compare.runner import Running

    if minutes is not None and not minutes > 0:
        raise OptionError(f"--minutes is positive, got {minutes:g}")
    until = None if minutes is None else time.time() + 60 * minutes
    return Running(os.cpu_count() or 1 if workers is None else workers, cluster, until)
