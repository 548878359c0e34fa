"""The linear part of an equation as a function: what L does to a state, with homogeneous boundary data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldsolver.errors import EquationError

from .. import build
from ..graph import Depends, Node, ParameterSymbol, walk
from ..lowering import Layout, Lowering
from .affine import LinearTerm, Remainder, split

if TYPE_CHECKING:
    from ..field_equation import FieldEquation


class LinearRates:
    """``L y`` of an equation at its current parameter values and one time.

    L is made of the terms that `FieldEquation.linear_part` calls linear. Sources are left out, and boundary values are
    zero unless they depend on the state, as those of absorbing walls do.

    Attributes:
        terms: what L is made of.
        rest: the terms that depend on the state and are not in L.
        parameters: the values of all parameters, which carry the graph of the trainable ones.

    Raises:
        EquationError: a linear coefficient differs between samples.
    """

    def __init__(self, equation: FieldEquation, t: float) -> None:
        self.equation, self.layout = equation, homogeneous(equation.layout)
        self.time = torch.tensor(t, dtype=torch.float64)
        self.terms: list[LinearTerm] = []
        self.rest: list[Remainder] = []
        for row, node in equation.right_sides.items():
            linear, rest = split(row, node, equation.layout)
            self.terms.extend(linear)
            self.rest.extend(term for term in rest if not term.is_source)
        self._refuse_samples()
        values = {**equation.parameter_values(), **equation.kernel_values()}
        self._names, self.parameters = tuple(values), tuple(values.values())
        lowering = Lowering(self.layout)
        self._tape = lowering.finish([lowering.compile(self._row(name)) for name in equation.fields])

    def __call__(self, v: Tensor, *parameters: Tensor) -> Tensor:
        """``L v`` for states ``(*batch, C, *grid)``, at other parameter values if they are given."""
        values = dict(zip(self._names, parameters or self.parameters, strict=True))
        return self.equation.rates(self._tape, values, self.time.to(v.device), v)

    def on(self, components: Sequence[int], v: Tensor, *parameters: Tensor) -> Tensor:
        """The same for some components ``(*batch, n, *grid)`` that L does not couple to the others."""
        axis, total = -1 - self.layout.dimension, self.equation.components
        if len(components) == total:
            return self(v, *parameters)
        index = torch.tensor(components, device=v.device)
        shape = list(v.shape)
        shape[axis] = total
        return self(v.new_zeros(shape).index_copy(axis, index, v), *parameters).index_select(axis, index)

    def value(self, node: Node) -> Tensor:
        """Value of a coefficient in double precision, with the graph of the parameters in it."""
        lowering = Lowering(self.layout)
        tape = lowering.finish([lowering.compile(node)])
        dtype = torch.complex128 if node.is_complex else torch.float64
        like = torch.zeros((), dtype=dtype).expand(self.equation.state_shape)
        (value,) = self.equation.run_tape(tape, self.time, like)
        return value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=dtype)

    def _row(self, name: str) -> Node:
        size, total = self.equation.layout.fields[name][1], build.number(0)
        for term in self.terms:
            if term.row == name:
                total = build.add(total, term.node(self.layout.dimension, size))
        return total

    def _refuse_samples(self) -> None:
        if self.layout.mask is not None and self.layout.mask.samples is not None:
            raise EquationError(
                "the mask differs between samples, and a solver of (1 - c L) x = b is made for one L; make a solver "
                "for the mask of each"
            )
        for term in self.terms:
            nodes = [node for node in (term.coefficient, term.inside, term.matrix) if node is not None]
            for symbol in walk(*nodes):
                if isinstance(symbol, ParameterSymbol) and self.equation.declared[symbol.name].place == "per sample":
                    raise EquationError(
                        f"the coefficient of {term} differs between samples, and a solver of (1 - c L) x = b is made "
                        f"for one L; give {symbol.name!r} one value and make a solver for each"
                    )


def homogeneous(layout: Layout) -> Layout:
    """The layout with zero in the place of all boundary data that do not depend on the state."""
    values = {
        field: {side: node if node.depends & Depends.STATE else build.number(0) for side, node in sides.items()}
        for field, sides in layout.wall_values.items()
    }
    return replace(layout, wall_values=values, mask_values=dict.fromkeys(layout.mask_values, build.number(0)))


def varies(term: LinearTerm) -> bool:
    """Whether the coefficient of a term differs from point to point."""
    inside = term.inside.depends if term.inside is not None else Depends.NOTHING
    return bool((term.coefficient.depends | inside) & Depends.SPACE)
