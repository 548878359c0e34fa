"""What the loop knows of every sample, as float64 arrays on the host: time and control never wait for the device."""

from __future__ import annotations

from dataclasses import dataclass

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
        nfev: evaluations of f, counted while the sample was being stepped.
        smallest_dt: size of its smallest accepted step (inf before the first).
        largest_dt: size of its largest accepted step.
    """

    t: np.ndarray
    status: np.ndarray
    accepted: np.ndarray
    rejected: np.ndarray
    nfev: np.ndarray
    smallest_dt: np.ndarray
    largest_dt: np.ndarray

    @classmethod
    def open(cls, samples: int, t0: float) -> Ledger:
        """Empty books at t0."""
        status, accepted, rejected, nfev = np.zeros((4, samples), dtype=np.int64)
        return cls(np.full(samples, t0), status, accepted, rejected, nfev, np.full(samples, np.inf), np.zeros(samples))

    def running(self, rows: np.ndarray) -> np.ndarray:
        """Which of these samples are still being integrated."""
        return self.status[rows] == Status.RUNNING

    def end(self, rows: np.ndarray, status: Status | np.ndarray) -> None:
        """Close the books of some samples."""
        self.status[rows] = status

    def book(self, rows: np.ndarray, dt: np.ndarray, t_new: np.ndarray, accepted: np.ndarray, nfev: int) -> None:
        """Enter one attempt; dt = 0 marks samples that rested."""
        moved = dt != 0.0
        self.nfev[rows] += nfev * moved
        self.accepted[rows] += accepted
        self.rejected[rows] += moved & ~accepted
        kept, size = rows[accepted], np.abs(dt[accepted])
        self.t[kept] = t_new[accepted]
        self.smallest_dt[kept] = np.minimum(self.smallest_dt[kept], size)
        self.largest_dt[kept] = np.maximum(self.largest_dt[kept], size)
