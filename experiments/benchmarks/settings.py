"""What every benchmark is told when it is started; the command line fills it in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fieldsolver.errors import OptionError

FEWEST_REPEATS = 5


@dataclass(frozen=True)
class BenchSettings:
    """How a benchmark measures.

    Attributes:
        repeats: timed repetitions of each side, at least 5.
        threads: threads of torch while it measures.
        clock: seconds that only grow; tests put their own in.
        say: told what is being measured.
    """

    repeats: int = 7
    threads: int = 1
    clock: Callable[[], float] = time.perf_counter
    say: Callable[[str], None] = lambda text: None

    def __post_init__(self) -> None:
        if self.repeats < FEWEST_REPEATS:
            raise OptionError(f"--repeats is at least {FEWEST_REPEATS}, or a spread means nothing; got {self.repeats}")
        if self.threads < 1:
            raise OptionError(f"--threads is at least 1, got {self.threads}")
