"""`fieldsolver demo`: the digits in a short form and the Gray-Scott sample, within three minutes on two cores."""

from __future__ import annotations

import time
from pathlib import Path

from .files import writable_folder
from .options import RunOptions
from .registry import find_experiment
from .solve_file import solve_file

SAMPLE, EXPERIMENT = "gray_scott", "digits"


def run_demo(out: Path) -> None:
    """Write ``out/gray_scott/`` and ``out/digits/``, and print where the report and the animation are."""
    started = time.perf_counter()
    print("1/2  Solving the Gray-Scott equation as declared in a file (fieldsolver solve gray_scott) ...", flush=True)
    paths, failure, _ = solve_file(SAMPLE, out)
    if failure is not None:
        raise failure
    print(
        "2/2  Training a reaction-diffusion field on handwritten digits (fieldsolver train digits --quick) ...",
        flush=True,
    )
    report = find_experiment(EXPERIMENT).load()(RunOptions(writable_folder(out / EXPERIMENT), quick=True))
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Look at:")
    print(f"  {report}")
    print(f"  {next(path for path in paths if path.suffix == '.gif')}")
