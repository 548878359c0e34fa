"""A run on disk: what it needs to go on, written from time to time and when an exception ends it."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import FieldSolverWarning, FileFormatError
from fieldsolver.tensor_files import read_tensors, write_tensors

from .loop import Run
from .random_numbers import RandomState
from .snapshot import Decoder, Encoder, hold

SCHEMA = 1
KEY = "fieldsolver_run"
REMEDY = "delete it to start anew, or name another path"
HELD_EVERY = 0.05
"""Seconds of work that an exception may cost: holding the state after every step would cost as much as a small step."""


class Keeper:
    """Keeps one run on disk, and takes it up again.

    Args:
        path: of the file.
        every: seconds between two writes.
        problem: what identifies the run, as plain data by the names that a user knows.
        clock: seconds; another one for tests.
    """

    def __init__(
        self, path: Path, every: float, problem: Mapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._every, self._clock = every, clock
        self._problem: dict[str, Any] = json.loads(json.dumps(problem))
        self._stored: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self._held: Any = None
        self._held_at = self._written_at = clock()

    def prepare(self, device: torch.device) -> None:
        """Read the file, if there is one; called before anything is computed.

        Raises:
            FileFormatError: it cannot be read, or belongs to another problem.
        """
        self._random, self._device = RandomState.now(device), device
        if self.path.exists():
            self._stored = read_tensors(
                self.path, key=KEY, schema=SCHEMA, what="checkpoint of a solve", remedy=REMEDY, sealed=True
            )
            self._compare(self._stored[1].get("problem", {}))

    def resume(self, run: Run) -> None:
        """Make a run that has just been started the one of the file.

        Raises:
            FileFormatError: f or an event differs from that of the file at the initial state.
        """
        self._rates, self._events = _rates(run), _events(run)
        self._draws = False
        if self._stored is not None:
            try:
                self._take_up(run, *self._stored)
            except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
                if isinstance(error, FileFormatError):
                    raise
                raise FileFormatError(f"the checkpoint {str(self.path)!r} is damaged ({error}); {REMEDY}") from error
            self._stored = None
        self._hold(run)
        self._written_at = self._clock()

    def after(self, run: Run) -> None:
        """Write, if it is time to; called between two chunks of attempts."""
        now = self._clock()
        if now - self._held_at >= HELD_EVERY or now - self._written_at >= self._every:
            self._hold(run)
        if now - self._written_at >= self._every:
            self._write()
            self._written_at = self._clock()

    def rescue(self, error: BaseException) -> None:
        """Write the state that was held last: an exception may have come in the middle of an attempt."""
        if self._write():
            error.add_note(f"fieldsolver: the same solve with checkpoint={str(self.path)!r} goes on from here")

    def discard(self) -> None:
        """The run has come to its end."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            warnings.warn(
                f"the checkpoint {str(self.path)!r} is of no more use and could not be removed: {error}",
                FieldSolverWarning,
                stacklevel=2,
            )

    def _hold(self, run: Run) -> None:
        now = RandomState.now(self._device)
        self._draws = self._draws or not now.equals(self._random)
        self._held = hold(run), now if self._draws else None
        self._held_at = self._clock()

    def _write(self) -> bool:
        """Whether it worked. The computation is worth more than its copy: without room on the disk it goes on."""
        from safetensors import SafetensorError

        state, random = self._held
        encoder = Encoder()
        skeleton = encoder.encode(state)
        tensors = {**encoder.tensors, "rates": self._rates, "events": self._events}
        if random is not None:
            tensors |= {"random.cpu": random.cpu} | ({} if random.cuda is None else {"random.cuda": random.cuda})
        header = {"problem": self._problem, "state": skeleton}
        try:
            write_tensors(self.path, tensors, header, key=KEY, schema=SCHEMA)
        except (OSError, SafetensorError) as error:
            warnings.warn(
                f"the checkpoint {str(self.path)!r} could not be written: {error}", FieldSolverWarning, stacklevel=2
            )
            return False
        return True

    def _compare(self, then: Mapping[str, Any]) -> None:
        for name in sorted({*then, *self._problem}, key=lambda name: (name == "save_at", name)):  # it follows t_span
            if then.get(name) != self._problem.get(name):
                raise FileFormatError(
                    f"the checkpoint {str(self.path)!r} is of a solve with {name} = {then.get(name)!r}, but this one "
                    f"has {name} = {self._problem.get(name)!r}; {REMEDY}"
                )

    def _take_up(self, run: Run, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
        if not run.batch.random and not _agree(tensors["rates"], self._rates, run):
            raise FileFormatError(
                f"the checkpoint {str(self.path)!r} is of a solve with another f: f(t0, y0) differs; {REMEDY}"
            )
        if not run.batch.random and not _same_events(tensors["events"], self._events, run):
            raise FileFormatError(
                f"the checkpoint {str(self.path)!r} is of a solve with other events: a condition or a reset differs at "
                f"(t0, y0); {REMEDY}"
            )
        decoder, state = Decoder(tensors, self._device), header["state"]
        rows = decoder.decode(state["attributes"]["batch"]["attributes"]["rows"])
        if rows.size < run.batch.rows.size:  # the field, and where samples rest, follow from which are left
            run.batch.compact(np.isin(run.batch.rows, rows))
        decoder.restore(run, state)
        if "random.cpu" in tensors:
            self._draws = True
            RandomState(tensors["random.cpu"], tensors.get("random.cuda"), self._device).restore()


def _rates(run: Run) -> Tensor:
    """(B,) norms of f(t0, y0): they tell two functions of the same name apart."""
    return _norms(run.batch.rest.k1)


def _agree(then: Tensor, now: Tensor, run: Run) -> bool:
    """Whether two such norms are those of one function, evaluated on two machines perhaps."""
    rest = run.batch.rest
    slack = torch.finfo(rest.y.dtype).eps ** 0.5 * (now + _norms(rest.y) / abs(run.t1 - float(rest.t)))
    return then.shape == now.shape and bool(((then - now).abs() <= slack).all())


def _events(run: Run) -> Tensor:
    """(B, 2 E) of the events at (t0, y0): they tell conditions and resets of the same name apart."""
    values = None if run.interrupter is None else run.interrupter.initial_values(run.batch)
    return torch.zeros(run.batch.rows.size, 0, dtype=torch.float64) if values is None else values


def _same_events(then: Tensor, now: Tensor, run: Run) -> bool:
    """Whether two such tensors are those of the same events, evaluated on two machines perhaps."""
    if then.shape != now.shape:
        return False
    rest = run.batch.rest
    eps = torch.finfo(rest.y.dtype).eps
    slack = eps**0.5 * now.abs() + 1e3 * eps * (1.0 + _norms(rest.y)).unsqueeze(1)
    same = ((then - now).abs() <= slack) | (then == now) | (then.isnan() & now.isnan())
    return bool(same.all())


def _norms(x: Tensor) -> Tensor:
    """(B,) float64 on the host, of x (B, *state)."""
    norms: Tensor = torch.linalg.vector_norm(x.unsqueeze(-1).flatten(1), dim=1).double().cpu()
    return norms
