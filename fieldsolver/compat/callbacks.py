"""The callbacks that func may have as methods: `callback_step`, `callback_accept_step`, `callback_reject_step`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from fieldsolver.errors import FieldSolverWarning
from fieldsolver.methods import Memory, Method, Step
from fieldsolver.methods.protocol import Function

from .delegates import Delegate
from .problem import Problem

NAMES = ("callback_step", "callback_accept_step", "callback_reject_step")
Callback = Callable[..., object]


class CallingSteps(Delegate):
    """A method that reports its steps as callback(t, y, dt), dt being positive.

    Args:
        method: the method.
        problem: gives the state its user's form.
        callbacks: name -> function.
    """

    def __init__(self, method: Method, problem: Problem, callbacks: dict[str, Callback]) -> None:
        super().__init__(method)
        self._problem, self._callbacks = problem, callbacks
        self._calling = False
        self._open: tuple[Tensor, Tensor, Tensor] | None = None

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call inside this block only: a backward pass repeats the steps in silence."""
        self._calling = True
        try:
            yield
        finally:
            self._reject()
            self._calling = False

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """The method's step, after the callback."""
        if self._calling:
            self._reject()
            self._open = (t[0].detach(), y[0].detach(), dt[0].detach().abs())
            self._call("callback_step")
        return self.method.step(f, t, dt, y, memory, estimate=estimate)

    def accepted(self, t: Tensor, y: Tensor) -> None:
        """The loop's own callback: the open step was accepted."""
        self._call("callback_accept_step")
        self._open = None

    def _reject(self) -> None:
        """The step before was not accepted, if it is still open."""
        if self._open is not None:
            self._call("callback_reject_step")
            self._open = None

    def _call(self, name: str) -> None:
        if self._open is not None and name in self._callbacks:
            t, y, dt = self._open
            self._callbacks[name](t, self._problem.to_user(y), dt)


def find_callbacks(func: object, method: str, supported: tuple[str, ...]) -> dict[str, Callback]:
    """The callbacks that func has; warns of those that a method does not make."""
    found = {name: call for name in NAMES if callable(call := getattr(func, name, None))}
    missing = [name for name in found if name not in supported]
    if missing:
        warnings.warn(
            f"method {method!r} never makes these callbacks of func: {', '.join(missing)}", FieldSolverWarning,
            stacklevel=4,
        )  # fmt: skip
    return {name: call for name, call in found.items() if name in supported}
