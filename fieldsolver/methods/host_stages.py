"""The linear combinations of a Runge-Kutta step in NumPy, or compiled: sums over stages of small states on the host.

An operation of torch on a small tensor costs a microsecond before it has done anything, NumPy's a third of that, and a
compiled loop takes the whole sum in one call. Products and sums are rounded one by one, in the order of the stages, in
both forms: they agree to the last bit, and no sample's numbers depend on the others.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .compiled import kernels, load_kernels

Terms = tuple[tuple[int, float], ...]
"""The nonzero entries of one row of a tableau: (stage, coefficient)."""


class Row:
    """Such terms in the forms that NumPy and the compiled loop ask for.

    Args:
        terms: of the row.
    """

    __slots__ = ("first", "others", "places", "weights")

    def __init__(self, terms: Terms) -> None:
        self.first, self.others = terms[0], terms[1:]
        self.places = np.array([place for place, _ in terms])
        values = np.array([weight for _, weight in terms])
        self.weights = {np.dtype(real): values.astype(real) for real in (np.float32, np.float64)}


class Stages(Protocol):
    """The stages of one step, as they come in."""

    def times(self, t: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """t + c_i dt, (s, n) of t (n,) and the nodes c (s,)."""
        ...

    def add(self, k: np.ndarray) -> None:
        """The next stage (n, *state)."""
        ...

    def state(self, row: Row) -> np.ndarray:
        """y + h sum_j w_j k_j, a new array (n, *state)."""
        ...

    def increment(self, row: Row) -> np.ndarray:
        """h sum_j w_j k_j, a new array (n, *state)."""
        ...


def open_stages(y: np.ndarray, dt: np.ndarray, stages: int) -> Stages:
    """For one step of y (n, *state), real, by dt (n,) float64."""
    if kernels() is not None:
        return CompiledStages(y, dt, stages)
    return NumpyStages(y, dt)


class NumpyStages:
    """The specification."""

    __slots__ = ("_dt", "_h", "_k", "_product", "_y")

    def __init__(self, y: np.ndarray, dt: np.ndarray) -> None:
        self._y, self._dt, self._k = y, dt, list[np.ndarray]()
        self._h = dt.item() if dt.size == 1 else _spread(dt, y).reshape(y.shape)
        self._product = np.empty_like(y)

    def times(self, t: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        times: np.ndarray = t + nodes[:, None] * self._dt
        return times

    def add(self, k: np.ndarray) -> None:
        self._k.append(k)

    def state(self, row: Row) -> np.ndarray:
        total = self.increment(row)
        np.add(self._y, total, total)
        return total

    def increment(self, row: Row) -> np.ndarray:
        k, product = self._k, self._product
        place, weight = row.first
        total = np.multiply(k[place], weight, np.empty_like(product))
        for place, weight in row.others:
            np.multiply(k[place], weight, product)
            np.add(total, product, total)
        np.multiply(total, self._h, total)
        return total


class CompiledStages:
    """The same in one call each."""

    __slots__ = ("_dt", "_h", "_k", "_kernels", "_newest", "_rate", "_shape", "_y")

    def __init__(self, y: np.ndarray, dt: np.ndarray, stages: int) -> None:
        self._kernels = load_kernels()
        self._shape, self._y, self._dt = y.shape, y.reshape(-1), dt
        self._h = _spread(dt, y)
        self._k = np.empty((stages, y.size), dtype=y.dtype)
        self._newest, self._rate = -1, self._y

    def times(self, t: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        times = np.empty((nodes.size, t.size))
        self._kernels.stage_times(t, self._dt, nodes, times)
        return times

    def add(self, k: np.ndarray) -> None:
        self._newest += 1
        self._rate = k.reshape(-1)

    def state(self, row: Row) -> np.ndarray:
        return self._sum(self._y, row)

    def increment(self, row: Row) -> np.ndarray:
        return self._sum(self._y[:0], row)

    def _sum(self, y: np.ndarray, row: Row) -> np.ndarray:
        out = np.empty(self._y.size, dtype=y.dtype)
        weights = row.weights[y.dtype]
        self._kernels.add_stages(self._k, self._newest, self._rate, y, self._h, row.places, weights, out)
        return out.reshape(self._shape)


def _spread(dt: np.ndarray, y: np.ndarray) -> np.ndarray:
    """dt (n,) for every entry of y (n, *state), flat and in its precision."""
    return np.repeat(dt.astype(y.dtype, copy=False), y.size // dt.size)
