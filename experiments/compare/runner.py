"""Runs cells on processes of one machine, or on a Dask cluster; dealt so that all end at about the same time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldsolver.errors import MissingDependencyError, OptionError
from fieldsolver.kernels.partitioning import balanced_batches
from fieldsolver.solve.progress import ProgressBar

from .cell import Cell
from .cell_result import CellResult
from .predict import predicted_seconds
from .run_cell import run_cell
from .store import CellStore

if TYPE_CHECKING:
    from distributed import Client

POLL = 2.0
"""Seconds between two looks at what the workers have finished."""


@dataclass(frozen=True)
class Running:
    """Where and how cells are run.

    Attributes:
        workers: processes on this machine, one torch thread each; 1: this process.
        cluster: address of a Dask scheduler, such as ``"tcp://10.0.0.1:8786"``; its workers need the data, and this
            package in this version. None: this machine.
        until: moment of `time.time` after which no cell is begun; None: no limit.
        progress: show the bar; None: on a terminal.
    """

    workers: int = 1
    cluster: str | None = None
    until: float | None = None
    progress: bool | None = None

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise OptionError(f"workers is at least 1, got {self.workers}")


def run_cells(cells: Sequence[Cell], store: CellStore, running: Running, label: str = "cells") -> None:
    """Run the cells that the store lacks; it has all of them afterwards, but for those that the time left out."""
    pending = list({cell.fingerprint: cell for cell in cells if cell not in store}.values())
    if not pending:
        return
    seconds = [predicted_seconds(cell, store) for cell in pending]
    with ProgressBar(f"{label} ({len(pending)})", running.progress) as bar:
        lines = f"{label}: " if running.progress is None and not bar.wanted else None
        report = _Report(pending, seconds, store, bar, lines)
        if running.cluster is not None:
            _on_cluster(pending, seconds, store, running, report)
        elif running.workers == 1 or len(pending) == 1:
            _run_list(longest_first(pending, seconds), store.folder, running.until, report)
        else:
            _on_this_machine(dealt(pending, seconds, running.workers), store, running, report)


def dealt(cells: Sequence[Cell], seconds: Sequence[float], workers: int) -> list[list[Cell]]:
    """The cells of each worker: equal sums of predicted seconds, longest first within a worker."""
    lists = balanced_batches(seconds, workers)
    return [longest_first([cells[place] for place in own], [seconds[place] for place in own]) for own in lists]


def longest_first(cells: Sequence[Cell], seconds: Sequence[float]) -> list[Cell]:
    """Cells by falling prediction; equal ones keep their order."""
    return [cells[place] for place in sorted(range(len(cells)), key=lambda place: -seconds[place])]


class _Report:
    """Moves the bar by predicted seconds, which the bar turns into time left.

    Args:
        cells, seconds, store, bar: what is run, for how long probably, where results go, what is moved.
        lines: how lines on standard error begin, one for every finished cell; None: none are written.
    """

    def __init__(
        self, cells: Sequence[Cell], seconds: Sequence[float], store: CellStore, bar: ProgressBar, lines: str | None
    ) -> None:
        self.seconds = {cell.fingerprint: (cell, value) for cell, value in zip(cells, seconds, strict=True)}
        self.total, self.store, self.bar = sum(seconds), store, bar
        self.lines, self.finished = lines, set[str]()

    def __call__(self) -> None:
        done = 0.0
        for fingerprint, (cell, value) in self.seconds.items():
            if fingerprint not in self.finished and cell in self.store:
                self.finished.add(fingerprint)
                if self.lines is not None:
                    counted = f"{len(self.finished)} of {len(self.seconds)}"
                    print(f"{self.lines}{counted} finished, {cell.title}", file=sys.stderr, flush=True)
            done += value * (fingerprint in self.finished)
        self.bar(min(1.0, done / self.total))


def _run_list(
    cells: Sequence[Cell], folder: Path, until: float | None, report: Callable[[], None] | None = None
) -> None:
    store = CellStore(folder)
    for cell in cells:
        if until is not None and time.time() > until:
            return
        if cell not in store:
            store.write(cell, run_cell(cell, store))
        if report is not None:
            report()


def _on_this_machine(lists: Sequence[Sequence[Cell]], store: CellStore, running: Running, report: _Report) -> None:
    try:
        from joblib import Parallel, delayed, parallel_config
    except ImportError:
        raise MissingDependencyError(
            "several workers need the package 'joblib'; pip install 'fieldsolver[experiments]', or --workers 1"
        ) from None
    with _watched(report), parallel_config(backend="loky", inner_max_num_threads=1):
        Parallel(n_jobs=len(lists))(delayed(_run_list)(own, store.folder, running.until) for own in lists)


@contextmanager
def _watched(report: Callable[[], None]) -> Iterator[None]:
    """Call `report` every few seconds while other processes work."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL):
            report()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    report()


def _on_cluster(
    cells: Sequence[Cell], seconds: Sequence[float], store: CellStore, running: Running, report: _Report
) -> None:
    with _connected(running.cluster) as client:
        from distributed import as_completed

        names = sorted(client.scheduler_info(n_workers=-1)["workers"])
        if not names:
            raise OptionError(f"the Dask scheduler at {running.cluster} has no workers; start some with 'dask worker'")
        futures = {}
        for name, own in zip(names, dealt(cells, seconds, len(names)), strict=False):
            for place, cell in enumerate(own):
                # A cell of a worker that is lost may go to another one.
                future = client.submit(
                    _run_far, cell, str(store.folder), running.until, key=f"cell-{cell.fingerprint}", pure=False,
                    workers=[name], allow_other_workers=True, priority=-place,
                )  # fmt: skip
                futures[future] = cell
        for future in as_completed(futures, loop=client.loop):
            result = future.result()
            if result is not None and futures[future] not in store:
                store.write(futures[future], result)
            report()


def _run_far(cell: Cell, folder: str, until: float | None) -> CellResult | None:
    """On a worker of a cluster: its checkpoints lie in the same folder there, the result travels back."""
    return None if until is not None and time.time() > until else run_cell(cell, CellStore(Path(folder)))


@contextmanager
def _connected(address: str | None) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise MissingDependencyError(
            "a Dask cluster needs the package 'distributed'; pip install 'fieldsolver[cluster]'"
        ) from None
    try:
        client: Any = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise OptionError(f"no Dask scheduler answers at {address!r}: {error}; check --cluster") from None
    try:
        yield client
    finally:
        client.close()
