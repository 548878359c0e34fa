"""A right-hand side near one state, as a function of real numbers, term by term."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.knowledge.conserved import refuse_per_sample
from fieldsolver.errors import OptionError, StateError

from ..budgets.budget import additive_terms
from ..schemes.scheme import Floats
from .affine import is_affine

RightHandSide = Callable[..., Tensor]
DIFFERENCE = 1e-5
"""Relative size of the push of a central difference."""


class Rates:
    """``f(t, y)`` near `y` and its Jacobian; complex components count as their real and their imaginary part.

    Args:
        f: a declared equation or a function ``f(t, y)``.
        state: one state.
        t: the time.
        differentiable: whether products are derivatives; else they are central differences.

    Attributes:
        f: the right-hand side.
        state: what it was linearised at, as the user gave it, ``(C, *grid)``.
        t: the time.
        shape: of the real state, ``(C, *grid)`` or ``(2 C, *grid)``.
        labels: the additive terms, ``"du/dt: D*laplacian(u)"``; of a plain function, the whole of it.
        defining: positions of the terms that only name a velocity, ``du/dt: d_dt(u)``.
        products: how many products with the Jacobian were made.
    """

    def __init__(self, f: RightHandSide, state: Tensor, t: float, *, differentiable: bool = True) -> None:
        self.differentiable = differentiable
        self.f, self.state, self.t = f, state, torch.tensor(t, dtype=torch.float64)
        self._complex = state.is_complex()
        self.shape = self.real(state).shape
        self.products = 0
        self._terms = _terms(f)
        self.labels = [label for label, _ in self._terms]
        self.defining = _defining(f)

    @property
    def equation(self) -> FieldEquation | None:
        """The declared equation, or None for a plain function."""
        return self.f if isinstance(self.f, FieldEquation) else None

    def product(self, v: Floats, part: RightHandSide | None = None) -> Floats:
        """``J v`` for vectors ``(B, *shape)``, or that of a part of the right-hand side."""
        return self._products(part or self.f, v)

    def term(self, position: int) -> RightHandSide:
        """One additive term of the right-hand side."""
        return self._terms[position][1]

    def sum_of(self, positions: Iterable[int]) -> RightHandSide:
        """Several additive terms together."""
        chosen = [self._terms[position][1] for position in positions]

        def total(t: Tensor, y: Tensor) -> Tensor:
            return sum((term(t, y) for term in chosen), torch.zeros_like(y))

        return total

    def transposed(self, v: Floats) -> Floats:
        """``J^T v`` for one vector of `shape`."""
        self.products += 1
        pull = torch.func.vjp(lambda y: self._call(self.f, y), self.real(self.state))[1]
        (row,) = pull(torch.from_numpy(v).to(self.real(self.state)))
        return row.detach().cpu().numpy()

    @functools.cached_property
    def is_linear(self) -> bool:
        """Whether f is linear, with sources: by its graph, and as computed (an upwind scheme may switch).

        Of a plain function only a probe tells: ``f(y + v) - f(y)`` is the same at three states, for a random v.
        """
        if self.equation is not None and not is_affine(self.equation):
            return False
        generator = torch.Generator().manual_seed(0)
        y = self.real(self.state)
        push, *states = torch.randn(3, *self.shape, generator=generator, dtype=torch.float64).to(y)
        with torch.no_grad():
            ends = [
                (self._call(self.f, state + push), self._call(self.f, state))
                for state in (torch.zeros_like(y), *states)
            ]
        changes = [after - before for after, before in ends]
        scale = max(float(end.abs().max()) for pair in ends for end in pair)
        return all(float((change - changes[0]).abs().max()) <= 1e-11 * scale for change in changes[1:])

    def _products(self, f: RightHandSide, v: Floats) -> Floats:
        self.products += len(v)
        y = self.real(self.state)
        vectors = torch.from_numpy(np.ascontiguousarray(v)).to(y)
        return np.stack([self._jvp(f, y, vector).detach().cpu().numpy() for vector in vectors])

    def _jvp(self, f: RightHandSide, y: Tensor, v: Tensor) -> Tensor:
        if self.differentiable:
            return torch.func.jvp(lambda state: self._call(f, state), (y,), (v,))[1]
        size = DIFFERENCE * max(1.0, float(y.abs().max())) / max(float(v.abs().max()), 1e-300)
        with torch.no_grad():
            return (self._call(f, y + size * v) - self._call(f, y - size * v)) / (2 * size)

    def _call(self, f: RightHandSide, real: Tensor) -> Tensor:
        y = real
        if self._complex:
            y = torch.complex(*real.chunk(2, dim=0))
        rate = f(self.t.to(y.device), y)
        return torch.cat([rate.real, rate.imag], dim=0) if self._complex else rate

    def real(self, y: Tensor) -> Tensor:
        """A state with its real components only, ``(*shape)``."""
        return torch.cat([y.real, y.imag], dim=0) if self._complex else y

    def as_state(self, real: Floats) -> Tensor:
        """A real state ``(*shape)`` as the user's."""
        y = torch.from_numpy(np.ascontiguousarray(real)).to(self.real(self.state))
        return torch.complex(*y.chunk(2, dim=0)) if self._complex else y


def checked_state(f: RightHandSide, state: object, t: float) -> Tensor:
    """One state in double precision; zero for equations that are linear.

    Raises:
        OptionError: a plain function or a nonlinear equation without a state.
        StateError: several states.
    """
    if not isinstance(f, FieldEquation):
        if not isinstance(state, Tensor):
            raise OptionError(
                f"stability of a plain function needs state=, the tensor y at which it is linearised; got "
                f"{type(state).__name__}"
            )
        return _double(state.detach())
    refuse_per_sample(f, "step limits are")
    if state is None:
        zero = torch.zeros(f.state_shape, dtype=torch.complex128 if f.is_complex else torch.float64)
        if not Rates(f, zero, t).is_linear:
            raise OptionError(
                "the equation is nonlinear (modules count as such), so its step limits depend on the state: pass "
                "state=, such as the initial state or a row of equation.steady_states()"
            )
        return zero
    packed = _double(f.pack(_spread(f, state)).detach())  # type: ignore[arg-type]  # pack refuses what is no state
    if tuple(packed.shape) != tuple(f.state_shape):
        raise StateError(f"stability looks at one state of shape {tuple(f.state_shape)}, got {tuple(packed.shape)}")
    return packed


def _spread(equation: FieldEquation, state: object) -> object:
    """A row ``(C,)`` of `steady_states` as a uniform state."""
    row = torch.as_tensor(state) if isinstance(state, (np.ndarray, list, tuple)) else state
    if isinstance(row, Tensor) and row.shape == (equation.components,) and len(equation.state_shape) > 1:
        return row.reshape(-1, *[1] * (len(equation.state_shape) - 1)).expand(equation.state_shape)
    return row


def _double(state: Tensor) -> Tensor:
    return state.to(torch.complex128 if state.is_complex() else torch.float64)


def _terms(f: RightHandSide) -> list[tuple[str, RightHandSide]]:
    if not isinstance(f, FieldEquation):
        return [(getattr(f, "__qualname__", type(f).__name__), f)]
    terms = []
    for row, node in f.right_sides.items():
        rate = f"d2{row[1:-3]}/dt2" if row.endswith("/dt") else f"d{row}/dt"
        for term in additive_terms(node):
            rows = {name: term if name == row else build.number(0) for name in f.fields}
            terms.append((f"{rate}: {term}", _rate_of(f, rows)))
    return terms


def _defining(f: RightHandSide) -> frozenset[int]:
    if not isinstance(f, FieldEquation):
        return frozenset()
    rows = [row for row, node in f.right_sides.items() for _ in additive_terms(node)]
    return frozenset(position for position, row in enumerate(rows) if f.orders.get(row) == 2)


def _rate_of(equation: FieldEquation, rows: dict) -> RightHandSide:
    """One term as a function f(t, y); it is lowered when it is first called."""
    made: list = []

    def rate(t: Tensor, y: Tensor) -> Tensor:
        if not made:
            made.append(equation.pure_state(rows))
        (_, parameters) = equation.pure()
        value: Tensor = made[0](parameters, t, y)
        return value

    return rate
