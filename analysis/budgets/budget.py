"""Which term of which equation changes the energy: ``P_k = Re sum conj(dE/dy) f_k`` with ``f = sum_k f_k``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.graph import Negative, Node, Sum
from fieldsolver.equations.lowering import Lowering, held_sides

from .density import Energy

OWN_TIME = "explicit time dependence"
"""Label of dE/dt at fixed state: a density or a wall that depends on time."""


@dataclass(frozen=True)
class BudgetSample:
    """Energy and budget of states ``(*lead, C, *grid)``.

    Attributes:
        energy: ``(*lead)``.
        rate: dE/dt along the right-hand side, ``(*lead)``, by one forward-mode derivative.
        terms: contribution of every term, ``(K, *lead)``, by reverse mode: an independent way to the same sum.
        scale: ``sum_k sum_x |dE/dy f_k|``, the size that round-off of the closure is measured against.
    """

    energy: Tensor
    rate: Tensor
    terms: Tensor
    scale: Tensor


class Budget:
    """Splits the rate of an energy by the additive terms of the right-hand sides, as the user wrote them.

    Attributes:
        labels: one per term, ``"du/dt: -u**3"``.
    """

    def __init__(self, energy: Energy) -> None:
        self.energy = energy
        equation = self.equation = energy.equation
        owned = [(name, term) for name, node in equation.right_sides.items() for term in additive_terms(node)]
        self.labels = [f"d{name}/dt: {term}" for name, term in owned]
        if energy.moves_by_itself:
            self.labels.append(OWN_TIME)
        self._owners = [name for name, _ in owned]
        lowering = Lowering(equation.layout)
        self._tape = lowering.finish([lowering.compile(term) for _, term in owned])
        self._masks = {name: _free_nodes(equation, name) for name in equation.fields}

    def __call__(self, t: Tensor, y: Tensor) -> BudgetSample:
        """Evaluate at states ``(*lead, C, *grid)`` and times that broadcast with ``(*lead)``."""
        ones = torch.ones_like(t)
        energy, rate = self.energy.along(t, y, ones, self.equation(t, y).detach())
        powers, sizes = self._powers(t, y)
        if self.energy.moves_by_itself:
            _, own = self.energy.along(t, y, ones, torch.zeros_like(y))
            powers.append(own)
            sizes.append(own.abs())
        return BudgetSample(
            energy=energy.detach(),
            rate=rate.detach(),
            terms=torch.stack(powers).detach(),
            scale=torch.stack(sizes).sum(dim=0).detach(),
        )

    def _powers(self, t: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        equation, axis = self.equation, y.dim() - 1 - self.equation.dimension
        gradient = self.energy.gradient(t, y)
        powers, sizes = [], []
        for name, value in zip(self._owners, equation.run_tape(self._tape, t, y), strict=True):
            start, size = equation.layout.fields[name]
            force = gradient.narrow(axis, start, size)
            rate = torch.as_tensor(value, device=y.device).to(y.dtype) * self._masks[name].to(y.device)
            power = (force.conj() * rate).real if y.is_complex() else force * rate
            power = power.to(torch.float64).flatten(start_dim=axis)
            powers.append(power.sum(dim=-1))
            sizes.append(power.abs().sum(dim=-1))
        return powers, sizes


def additive_terms(node: Node) -> list[Node]:
    """The operands of the outermost sums, with their signs: ``a - (b + c)`` gives ``a, -b, -c``."""
    match node:
        case Sum():
            return [term for operand in node.operands for term in additive_terms(operand)]
        case Negative() if isinstance(node.operands[0], Sum):
            return [_negated(term) for term in additive_terms(node.operands[0])]
    return [node]


def _negated(node: Node) -> Node:
    return node.operands[0] if isinstance(node, Negative) else build.negate(node)


def _free_nodes(equation: FieldEquation, field: str) -> Tensor:
    """``(1, *grid)``: 0 at nodes that a Dirichlet wall holds, whose rate is zero whatever the terms say."""
    mask = torch.ones(1, *equation.state_shape[1:], dtype=torch.float64)
    for axis, end in held_sides(equation.layout, field):
        mask.select(1 + axis, -end).zero_()
    return mask
