"""Whatever the user calls a dynamical system, as one function of flat real coordinates and an ensemble of starts."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.modules import batch_norms
from fieldsolver.errors import OptionError, StateError
from fieldsolver.nn.run import depends_on_time
from fieldsolver.solve.plain_state import plain_state

Rate = Callable[[Tensor, Tensor], Tensor]
"""(t (B,), y (B, n)) -> (B, n), float64: the derivative of a flow, the next state of a map."""


@dataclass(frozen=True)
class Dynamics:
    """A flow or a map on R^n, and where it starts.

    Attributes:
        rate: the function, of a batch of states.
        starts: (S, n) float64; complex states count as pairs of real numbers.
        moving: (n,) bool: false for what the equation holds fixed (nodes on walls, cells outside a mask).
        autonomous: the function does not depend on time.
        discrete: a map.
    """

    rate: Rate
    starts: Tensor
    moving: Tensor
    autonomous: bool
    discrete: bool

    @property
    def size(self) -> int:
        """Number of coordinates that move, which is the number of exponents."""
        return int(self.moving.sum())


def read_dynamics(f: Any, y0: Any, batch_dims: int | None, *, discrete: bool) -> Dynamics:
    """Read `f` and `y0` as `fieldsolver.solve` does; everything runs in float64.

    Raises:
        OptionError, StateError: they do not fit, or f draws random numbers.
    """
    if isinstance(f, FieldEquation):
        found = _of_equation(f, y0, discrete)
    elif callable(f):
        found = _of_function(f, y0, 0 if batch_dims is None else batch_dims, discrete)
    else:
        raise OptionError(f"lyapunov needs a FieldEquation, a function f(t, y) or an nn.Module, got {type(f).__name__}")
    _refuse_random(found)
    return found


def _of_equation(equation: FieldEquation, y0: Mapping[str, Any] | Tensor, discrete: bool) -> Dynamics:
    if discrete:
        raise OptionError("a FieldEquation is a flow; discrete=True takes a function f(n, y) that returns the next y")
    own = [name for name, item in equation.declared.items() if item.place == "per sample"]
    if own:
        raise OptionError(f"parameter {own[0]!r} has one value per sample, and so one system each; give it one value")
    exact = copy.deepcopy(equation).double().eval().requires_grad_(False)
    packed = exact.pack(_wide(y0) if isinstance(y0, Tensor) else y0)
    return equation_dynamics(exact, _wide(packed).reshape(-1, *exact.state_shape))


def equation_dynamics(equation: FieldEquation, states: Tensor) -> Dynamics:
    """A declared equation in float64 from states (B, C, *grid), of which each may have parameters of its own."""
    function, parameters = equation.pure()
    rate = _flat(lambda t, y: function(parameters, t, y), states)
    held = equation.holds_nodes or equation.layout.mask is not None
    starts = _coordinates(states)
    moving = _moving(rate, starts) if held else torch.ones(starts.shape[1], dtype=torch.bool)
    return Dynamics(rate, starts, moving, not depends_on_time(equation), discrete=False)


def _of_function(f: Callable[..., Tensor], y0: Any, batch_dims: int, discrete: bool) -> Dynamics:
    if batch_dims not in (0, 1):
        raise OptionError(f"batch_dims is 0 (one system) or 1 (independent starts), got {batch_dims!r}")
    call = f
    if isinstance(f, nn.Module):
        if any(part.training for part in batch_norms(f)):
            raise OptionError("f contains a BatchNorm in training mode, which mixes the samples; call f.eval()")
        call = copy.deepcopy(f).double().requires_grad_(False)
    state = _wide(plain_state(y0, batch_dims))
    states = state if batch_dims else state.unsqueeze(0)
    ones = (1,) * max(states.dim() - 1, 0)
    many = (lambda t, y: call(t.reshape(-1, *ones), y)) if batch_dims else _for_one(call)
    starts = _coordinates(states)
    rate = _flat(many, states)
    moving = torch.ones(starts.shape[1], dtype=torch.bool)
    return Dynamics(rate, starts, moving, _same_at_other_times(rate, starts), discrete)


def _for_one(call: Callable[..., Tensor]) -> Rate:
    """A function of one system for a batch: together, or row by row where it reads numbers."""

    def together(t: Tensor, y: Tensor) -> Tensor:
        return torch.func.vmap(call)(t, y)

    def one_by_one(t: Tensor, y: Tensor) -> Tensor:
        return torch.stack([call(*pair) for pair in zip(t, y, strict=True)])

    chosen: list[Rate] = []

    def rate(t: Tensor, y: Tensor) -> Tensor:
        if not chosen:
            one = call(t[0], y[0])
            if not isinstance(one, Tensor) or one.shape != y[0].shape:
                got = tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__
                raise StateError(f"f(t, y) returned {got}, expected a tensor of the shape {tuple(y[0].shape)} of y")
            try:
                together(t, y)
                chosen.append(together)
            except RuntimeError:  # .item(), or a branch on the values
                chosen.append(one_by_one)
        return chosen[0](t, y)

    return rate


def _flat(many: Callable[[Tensor, Tensor], Tensor], like: Tensor) -> Rate:
    """The same function over flat real coordinates."""
    shape, is_complex = tuple(like.shape[1:]), like.is_complex()

    def rate(t: Tensor, y: Tensor) -> Tensor:
        state = torch.view_as_complex(y.reshape(-1, *shape, 2)) if is_complex else y.reshape(-1, *shape)
        return _coordinates(many(t, state))

    return rate


def _coordinates(states: Tensor) -> Tensor:
    """(B, *state) -> (B, n) real."""
    real = torch.view_as_real(states) if states.is_complex() else states
    return real.reshape(states.shape[0], math.prod(real.shape[1:]))


def _wide(value: Tensor) -> Tensor:
    return value.detach().to(torch.complex128 if value.is_complex() else torch.float64)


def _moving(rate: Rate, starts: Tensor) -> Tensor:
    """The coordinates that change, or whose rate depends on anything, at disturbed states."""
    generator = torch.Generator().manual_seed(0)

    def draw() -> Tensor:
        return torch.randn(starts.shape, generator=generator, dtype=torch.float64)

    t = torch.zeros(len(starts), dtype=torch.float64)
    states, moves = starts + 0.1 * draw(), torch.zeros(starts.shape[1], dtype=torch.bool)
    for _ in range(2):
        pair = torch.func.jvp(lambda y: rate(t, y), (states,), (draw(),))
        moves |= ((pair[0] != 0) | (pair[1] != 0)).any(0)
    return moves


def _same_at_other_times(rate: Rate, starts: Tensor) -> bool:
    """Whether f looks the same at some times without a common period."""
    with torch.no_grad():
        first = _at(rate, starts, 0.0)
        return all(torch.equal(first, _at(rate, starts, t)) for t in (0.318309886, 1.0, 2.71828183, 17.3205081))


def _at(rate: Rate, y: Tensor, t: float) -> Tensor:
    found = rate(torch.full((y.shape[0],), t, dtype=torch.float64), y)
    if found.shape != y.shape or found.dtype != y.dtype:
        raise StateError(
            f"f(t, y) returned {tuple(found.shape)} {found.dtype}, expected {tuple(y.shape)} {y.dtype} in flat real "
            "coordinates; y is float64 here, so constants must not make it narrower"
        )
    return found


def _refuse_random(dynamics: Dynamics) -> None:
    """By the numbers, and by the state of torch's generator: draws may agree by chance."""
    before = torch.get_rng_state()
    with torch.no_grad():
        first, second = (_at(dynamics.rate, dynamics.starts, 0.0) for _ in range(2))
    same = torch.equal(first.nan_to_num(), second.nan_to_num()) and torch.equal(before, torch.get_rng_state())
    if not same:
        raise OptionError(
            "f draws random numbers (dropout in training mode?), and a tangent needs a fixed f; call .eval() first"
        )
