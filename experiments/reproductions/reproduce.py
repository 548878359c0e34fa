"""Runs a declared reproduction and writes its page."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fieldsolver._version import __version__
from fieldsolver.experiments.compare import CellStore, Evidence, Running, run_study, verdicts
from fieldsolver.experiments.compare.page import Section, write_comparison
from fieldsolver.threads import one_thread

from .catalogue import find_reproduction
from .declaration import Measurement, Reading

Numbers = dict[str, Any]


def reproduce(
    name: str,
    out: Path,
    cells: Path,
    running: Running,
    *,
    quick: bool = False,
    say: Callable[[str], None] = print,
) -> Path:
    """Run what `cells` lacks and write NAME.md, figures, NAME_cells.csv and NAME.nc into `out`; return the page's path.

    A short run writes NAME_quick.md and so on: it must not replace the numbers of a whole one.

    Raises:
        OptionError: there is no such reproduction.
    """
    declared = find_reproduction(name).load()(quick)
    store = CellStore(cells)
    # Times first, as long as no worker shares the machine with them.
    measured = {
        one.name: found
        for one in declared.measurements
        if (found := _measured(name, one, store, running, quick)) is not None
    }
    outcome = run_study(declared.study, store, running)
    measured |= {one.name: found for one in declared.readings if (found := one.read(outcome)) is not None}
    judged = verdicts(declared.claims, Evidence(outcome, measured))
    parts: list[Measurement | Reading] = [*declared.measurements, *declared.readings]
    sections = [_section(one, measured.get(one.name)) for one in parts]
    command = f"fieldsolver reproduce {name}{' --quick' if quick else ''}"
    page = write_comparison(
        outcome, out, f"{name}_quick" if quick else name, title=declared.title, about=declared.about, command=command,
        judged=judged, sections=sections,
    )  # fmt: skip
    for one in judged:
        say(f"{one.judgement}: {one.claim.text}: {one.words}")
    return page


def _measured(name: str, one: Measurement, store: CellStore, running: Running, quick: bool) -> Numbers | None:
    """What the store holds of this reproduction's measurement, measured now if it has none."""
    key = hashlib.sha256(f"{name} {one.name} {quick} {__version__} {os.cpu_count()}".encode()).hexdigest()[:16]
    if running.until is not None and time.time() > running.until:
        return None
    with one_thread():
        return store.measured(one.name, key, partial(one.compute, quick))


def _section(one: Measurement | Reading, found: Numbers | None) -> Section:
    if found is None:
        return Section(one.title, ["Not measured."])
    drawings = {name: partial(drawing, found) for name, drawing in one.drawings.items()}
    return Section(one.title, one.lines(found), drawings)
