"""A progress bar that appears after two seconds and stays quiet where nobody is looking."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PATIENCE = 2.0


class ProgressBar:
    """Context manager; call it with the done fraction, and with numbers by name if there are any to show.

    Args:
        label: what is being done.
        show: True always, False never, None only on a terminal.
    """

    def __init__(self, label: str, show: bool | None = None) -> None:
        self._label = label
        self._wanted = sys.stderr.isatty() if show is None else show
        self._started = time.monotonic()
        self._bar: Any = None
        self._first: float | None = None  # a solve may go on from where it once was

    @property
    def wanted(self) -> bool:
        """Whether a bar may appear at all."""
        return self._wanted

    def __enter__(self) -> ProgressBar:
        return self

    def __call__(self, fraction: float, **numbers: float) -> None:
        """Show the fraction and the numbers, once the work has lasted long enough."""
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
