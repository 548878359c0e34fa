"""The books of a run: what happened to every sample, as float64 and int64 arrays on the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .status import Status


@dataclass(slots=True)
class Ledger:
    """Books of B samples; each attribute has shape (B,).

    Attributes:
        t: where the sample is.
        status: `Status` as integers.
        accepted: steps kept.
        rejected: steps thrown away.
        nfev: evaluations of f that the steps of the sample needed: as many as if it had been alone.
        stiffness: h |lambda| over the boundary of stability, the largest seen; NaN where it was not measured.
        stiff_from: where the sample was found stiff; NaN where it was not.
    """

    CHANGING: ClassVar = ("t", "status", "accepted", "rejected", "nfev", "stiffness", "stiff_from")

    t: np.ndarray
    status: np.ndarray
    accepted: np.ndarray
    rejected: np.ndarray
    nfev: np.ndarray
    stiffness: np.ndarray
    stiff_from: np.ndarray

    @classmethod
    def open(cls, samples: int, t0: float) -> Ledger:
        """Empty books at t0."""
        status, accepted, rejected, nfev = np.zeros((4, samples), dtype=np.int64)
        return cls(np.full(samples, t0), status, accepted, rejected, nfev, *np.full((2, samples), np.nan))

    def running(self, rows: np.ndarray) -> np.ndarray:
        """Which of these samples are still being integrated."""
        return self.status[rows] == Status.RUNNING

    def end(self, rows: np.ndarray, status: Status | np.ndarray) -> None:
        """Close the books of some samples."""
        self.status[rows] = status

    def book(
        self, rows: np.ndarray, dt: np.ndarray, t_new: np.ndarray, accepted: np.ndarray,
        nfev: int | np.ndarray, everyone: bool = False,
    ) -> None:  # fmt: skip
        """Enter one attempt; dt = 0 marks samples that rested; `everyone`: all steps are known to be accepted."""
        if rows.size == self.t.size:
            self._book_all(dt, t_new, accepted, nfev, everyone)
            return
        moved = dt != 0.0
        self.nfev[rows] += nfev * moved
        self.accepted[rows] += accepted
        self.rejected[rows] += moved & ~accepted
        self.t[rows[accepted]] = t_new[accepted]

    def _book_all(
        self, dt: np.ndarray, t_new: np.ndarray, accepted: np.ndarray, nfev: int | np.ndarray, everyone: bool
    ) -> None:
        """Of a batch that is complete, and so in order: no row has to be looked up."""
        if everyone:
            self.nfev += nfev
            self.accepted += 1
            self.t[:] = t_new
            return
        moved = dt != 0.0
        self.nfev += nfev * moved
        self.accepted += accepted
        self.rejected += moved & ~accepted
        np.copyto(self.t, t_new, where=accepted)
