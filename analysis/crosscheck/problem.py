"""What every engine of a cross-check is given: one initial value problem as a counted torch function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError

RightHandSide = Callable[[Tensor, Tensor], Tensor]
"""f(t, y): a float64 number and the whole state -> its derivative."""


class BudgetSpent(Exception):
    """An engine evaluated the right-hand side more often than it may: a signal, caught where the engine was started."""


@dataclass(frozen=True)
class CheckedProblem:
    """``y' = f(t, y)`` from `t0` to `t1`.

    Attributes:
        f: the right-hand side over the whole state.
        y0: float64 or complex128, any shape.
        t0, t1: the time span.
        original: what `fieldsolver.solve` takes as its first argument.
        args: further arguments of a plain function.
        longest_step: of steps that must not jump over the knots of a signal; infinite without signals.
    """

    f: RightHandSide
    y0: Tensor
    t0: float
    t1: float
    original: Any
    args: tuple[Any, ...]
    longest_step: float

    def counted(self, budget: int) -> CountedFunction:
        """The right-hand side, with a limit on its evaluations."""
        return CountedFunction(self.f, budget)

    def finished(self, y: Tensor) -> Tensor:
        """An end state with nodes on Dirichlet walls at their values, as `fieldsolver.solve` returns it."""
        if isinstance(self.original, FieldEquation) and self.original.holds_nodes:
            return self.original.project(torch.tensor(self.t1, dtype=torch.float64), y)
        return y


class CountedFunction:
    """f(t, y) that counts; `count` says how often it was called."""

    def __init__(self, f: RightHandSide, budget: int) -> None:
        self._f, self._budget = f, budget
        self.count = 0

    def __call__(self, t: Tensor | float, y: Tensor) -> Tensor:
        self.count += 1
        if self.count > self._budget:
            raise BudgetSpent
        return self._f(torch.as_tensor(t, dtype=torch.float64), y)


def checked_problem(f: Any, y0: Any, t_span: Sequence[float], args: Sequence[Any]) -> CheckedProblem:
    """Read what the user gave.

    Raises:
        OptionError: `f` is no deterministic right-hand side, or the span is none.
        StateError: a state that is not in double precision, not finite, or does not belong to the equation.
    """
    t0, t1 = _checked_span(t_span)
    rate: RightHandSide
    if isinstance(f, FieldEquation):
        if args:
            raise OptionError("args= belongs to plain functions; a declared equation takes parameters={...}")
        if f.noises:
            raise OptionError(
                "the equation has noise: its engines draw different paths and cannot agree; remove the noise terms, "
                "or compare moments of many samples"
            )
        state, rate = f.pack(y0), f
        signals = f.layout.signals
        longest = min((float(times.diff().min()) for times in signals.values()), default=math.inf)
    elif callable(f):
        if isinstance(y0, Mapping):
            raise StateError("a dict of fields needs a FieldEquation; a plain function f(t, y) takes one tensor")
        state, longest = torch.as_tensor(y0), math.inf

        def with_arguments(t: Tensor, y: Tensor) -> Tensor:
            return f(t, y, *args)

        rate = with_arguments
    else:
        raise OptionError(f"cross_check needs a FieldEquation or a function f(t, y), got {type(f).__name__}")
    if state.dtype not in (torch.float64, torch.complex128):
        raise StateError(f"the state has dtype {state.dtype}; engines are compared in float64, so give y0.double()")
    state = state.detach().cpu()
    if not torch.isfinite(state).all():
        raise StateError("the initial state contains NaN or infinity")
    return CheckedProblem(rate, state, t0, t1, f, tuple(args), longest)


def checked_reference(f: Any, reference: Any, like: Tensor) -> Tensor | None:
    """The given end state in the shape of the state, or None."""
    if reference is None:
        return None
    known = f.pack(reference) if isinstance(f, FieldEquation) else torch.as_tensor(reference)
    if known.shape != like.shape:
        raise StateError(
            f"reference has shape {tuple(known.shape)}, expected that of the end state, {tuple(like.shape)}"
        )
    if not torch.isfinite(known).all():
        raise StateError("the reference contains NaN or infinity")
    return known.detach().cpu().to(like.dtype)


def _checked_span(t_span: Sequence[float]) -> tuple[float, float]:
    try:
        t0, t1 = (float(end) for end in t_span)
    except (TypeError, ValueError):
        raise OptionError(f"t_span is a pair of numbers such as (0.0, 10.0), got {t_span!r}") from None
    if not (math.isfinite(t0) and math.isfinite(t1) and t0 < t1):
        raise OptionError(f"t_span runs from a finite start to a later end, got ({t0:g}, {t1:g})")
    return t0, t1
