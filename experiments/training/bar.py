"""A progress bar with the loss, the learning rate and the tokens per second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from fieldsolver.solve.progress import PATIENCE


class TrainingBar:
    """Context manager; appears after two seconds, and stays quiet where nobody is looking.

    Args:
        label: what is being trained.
        show: True always, False never, None only on a terminal.
    """

    def __init__(self, label: str, show: bool | None = None) -> None:
        self._label = label
        self._wanted = sys.stderr.isatty() if show is None else show
        self._started = time.monotonic()
        self._bar: Any = None
        self._first: float | None = None

    def __enter__(self) -> TrainingBar:
        return self

    def __call__(self, fraction: float, **numbers: float) -> None:
        """Show the done fraction of the run, and numbers by name."""
        self._first = fraction if self._first is None else self._first
        if not self._wanted or (self._bar is None and time.monotonic() - self._started < PATIENCE):
            return
        if self._bar is None:
            from tqdm import tqdm

            form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
            self._bar = tqdm(total=100.0, initial=100.0 * self._first, desc=self._label, bar_format=form)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update(max(0.0, 100.0 * fraction - self._bar.n))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
