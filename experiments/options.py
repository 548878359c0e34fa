"""What every experiment is told when it is started; the command line fills it in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunOptions:
    """The options shared by all experiments; one that does not apply to an experiment is ignored by it.

    Attributes:
        out: folder of this run, ``out/NAME``; exists and is writable when `run` is called.
        quick: a short form for demonstrations, marked as short wherever its numbers appear.
        resume: continue from the last checkpoint in `out`.
        seeds: number of repetitions with different seeds; None takes the experiment's own.
        epochs: number of passes over the data; None takes the experiment's own.
        progress: show progress bars (they stay quiet anyway when the output is not a terminal).
    """

    out: Path
    quick: bool = False
    resume: bool = False
    seeds: int | None = None
    epochs: int | None = None
    progress: bool = True


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during work that can be continued; the message says what was kept and how to go on."""
