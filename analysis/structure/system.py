"""A right-hand side as a vector field on real numbers: the form in which invariants are looked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.graph import Depends
from fieldsolver.errors import OptionError

FEW = 32
"""Up to so many unknowns of a function each is a component of its own; more are one field along a line."""
TIMES = (0.0, 0.7331, 12.91)


@dataclass(frozen=True)
class System:
    """An autonomous vector field on real arrays ``(K, c, *grid)``.

    Attributes:
        names: what each of the `c` real components is called: ``u``, ``d_dt(u)``, ``real(psi)``, ``y[0]``.
        shape: ``(c, *grid)``.
        weights: volume of every cell, ``(*grid)``; 1 without a grid.
        at: the rate at a time, ``(t, Y) -> (K, c, *grid)``.
        native: real arrays as states of the equation, ``(K, C, *grid)``; the identity for a function.
        real: states of the equation as real arrays, the inverse of `native`.
        equation: the declared equation, or None for a function.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    weights: Tensor
    at: Callable[[float, Tensor], Tensor]
    native: Callable[[Tensor], Tensor]
    real: Callable[[Tensor], Tensor]
    equation: FieldEquation | None = None

    def __call__(self, y: Tensor) -> Tensor:
        """The rate of states ``(K, c, *grid)``."""
        return self.at(0.0, y)

    def settle(self, y: Tensor) -> Tensor:
        """`y` with the values that walls hold, and zero outside a mask."""
        if self.equation is None:
            return y
        return self.real(self.equation.project(torch.zeros(y.shape[0], dtype=torch.float64), self.native(y)))

    @property
    def components(self) -> int:
        """Number of real components, ``c``."""
        return self.shape[0]

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of cells along every axis; empty for ordinary differential equations."""
        return self.shape[1:]

    def is_random(self, y: Tensor) -> bool:
        """Whether two evaluations differ: dropout in training mode, for example."""
        return not torch.equal(torch.nan_to_num(self(y)), torch.nan_to_num(self(y)))

    def depends_on_time(self, y: Tensor) -> bool:
        """Whether the rate of the same states differs between times, or the declaration names the time."""
        if self.equation is not None:
            walls = [node for sides in self.equation.layout.wall_values.values() for node in sides.values()]
            return any(node.depends & Depends.TIME for node in (*self.equation.right_sides.values(), *walls))
        first, *others = [self.at(time, y) for time in TIMES]
        return not all(torch.equal(torch.nan_to_num(first), torch.nan_to_num(rate)) for rate in others)


def system_of(f: FieldEquation | Callable[..., Tensor], size: int | None = None) -> System:
    """The vector field of a declared equation, or of a function ``f(t, y)`` of states ``(size,)``."""
    if isinstance(f, FieldEquation):
        return _declared(f)
    if size is None:
        raise OptionError("a function does not say how many unknowns it has; pass states= of shape (K, n)")
    return _function(f, size)


def _declared(equation: FieldEquation) -> System:
    parts = [
        (index, part)
        for name, (start, count) in equation.layout.fields.items()
        for index in range(start, start + count)
        for part in (("real", "imag") if name in equation.complex_fields else ("",))
    ]

    def native(y: Tensor) -> Tensor:
        if not equation.is_complex:
            return y
        columns = []
        for index in range(equation.components):
            own = [(part, y[:, position]) for position, (other, part) in enumerate(parts) if other == index]
            imaginary = dict(own).get("imag", torch.zeros_like(own[0][1]))
            columns.append(torch.complex(own[0][1], imaginary))
        return torch.stack(columns, dim=1)

    def real(states: Tensor) -> Tensor:
        if not equation.is_complex:
            return states
        return torch.stack(
            [states[:, index].imag if part == "imag" else states[:, index].real for index, part in parts], dim=1
        )

    def at(time: float, y: Tensor) -> Tensor:
        return real(equation(torch.full((y.shape[0],), time, dtype=torch.float64), native(y)))

    shape = (len(parts), *equation.state_shape[1:])
    ones = torch.ones(shape[1:], dtype=torch.float64)  # all vertices of a graph count alike
    weights = ones if equation.layout.graph is not None else equation.layout.weights().to(torch.float64) * ones
    return System(_names(equation), shape, weights, at, native, real, equation)


def _names(equation: FieldEquation) -> tuple[str, ...]:
    names = []
    for name, (_, count) in equation.layout.fields.items():
        word = str(equation.state_symbol(name))
        for entry in [word] if count == 1 else [f"{word}[{index}]" for index in range(count)]:
            names += [f"real({entry})", f"imag({entry})"] if name in equation.complex_fields else [entry]
    return tuple(names)


def _function(f: Callable[..., Any], size: int) -> System:
    many = size > FEW
    shape = (1, size) if many else (size,)

    def at(time: float, y: Tensor) -> Tensor:
        t = torch.tensor(time, dtype=torch.float64)
        flat = y.reshape(y.shape[0], size)
        rates = torch.func.vmap(f, (None, 0), randomness="different")(t, flat)
        if not isinstance(rates, Tensor) or rates.shape != flat.shape:
            got = tuple(rates.shape[1:]) if isinstance(rates, Tensor) else type(rates).__name__
            raise OptionError(f"f(t, y) must return the rate of y, of shape ({size},); got {got}")
        return rates.to(torch.float64).reshape(y.shape)

    names = ("y",) if many else tuple(f"y[{index}]" for index in range(size))
    return System(names, shape, torch.ones(shape[1:], dtype=torch.float64), at, _same, _same)


def _same(y: Tensor) -> Tensor:
    return y
