"""Which term of which equation changes the energy: ``P_k = Re sum conj(dE/dy) f_k`` with ``f = sum_k f_k``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation, build
from fieldsolver.equations.graph import Negative, Node, Sum
from fieldsolver.equations.lowering import Layout, Lowering, Tape, held_sides
from fieldsolver.equations.state import field_name

from .density import Energy
from .walls import has_walls, insulated

OWN_TIME = "explicit time dependence"
"""Label of dE/dt at fixed state: a density or a wall that depends on time."""


@dataclass(frozen=True)
class BudgetSample:
    """Energy and budget of states ``(*lead, C, *grid)``.

    Attributes:
        energy: ``(*lead)``.
        size: integral of the magnitude of the density, ``(*lead)``.
        rate: dE/dt along the right-hand side, ``(*lead)``, by one forward-mode derivative.
        terms: contribution of every term, ``(K, *lead)``, by reverse mode: an independent way to the same sum.
        by_component: the same for every component of the state, ``(K, C, *lead)``; zero where a term does not act, and
            for the explicit time dependence, which belongs to none.
        boundary: the part of `terms` that comes through the walls, ``(K, *lead)``; see `walls`. NaN where it cannot be
            told apart: on the points of Chebyshev.
        scale: ``sum_k sum_x |dE/dy| |f_k|``, the size that round-off of the closure is measured against.
    """

    energy: Tensor
    size: Tensor
    rate: Tensor
    terms: Tensor
    by_component: Tensor
    boundary: Tensor
    scale: Tensor


@dataclass(frozen=True)
class _Powers:
    """One entry per term: power ``(C, *lead)`` by component, and the size of what was summed, ``(*lead)``."""

    by_component: list[Tensor]
    sizes: list[Tensor]

    @property
    def totals(self) -> list[Tensor]:
        return [power.sum(dim=0) for power in self.by_component]


class Budget:
    """Splits the rate of an energy by the additive terms of the right-hand sides, as the user wrote them.

    Attributes:
        labels: one per term, ``"du/dt: -u**3"``.
    """

    def __init__(self, energy: Energy) -> None:
        self.energy = energy
        equation = self.equation = energy.equation
        owned = [(name, term) for name, node in equation.right_sides.items() for term in additive_terms(node)]
        self.labels = [f"{_left_side(name)}: {term}" for name, term in owned]
        if energy.moves_by_itself:
            self.labels.append(OWN_TIME)
        self.owners = [name for name, _ in owned]
        terms = [term for _, term in owned]
        self._tape = _lowered(equation.layout, terms)
        self.has_walls = has_walls(equation.layout)
        without = insulated(equation.layout) if self.has_walls else None
        self._insulated = None if without is None else _lowered(without, terms)
        self._inner_energy = None if without is None else energy.within(without)
        self._masks = {name: _free_nodes(equation, name) for name in equation.fields}

    def __call__(self, t: Tensor, y: Tensor) -> BudgetSample:
        """Evaluate at states ``(*lead, C, *grid)`` and times that broadcast with ``(*lead)``."""
        ones = torch.ones_like(t)
        energy, rate = self.energy.along(t, y, ones, self.equation(t, y).detach())
        gradient = self.energy.gradient(t, y)
        powers = self._powers(self._tape, gradient, t, y, held=True)
        boundary = self._boundary(powers.totals, gradient, t, y)
        if self.energy.moves_by_itself:
            own = self._own_rate(t, y)
            powers.by_component.append(torch.zeros_like(powers.by_component[0]))
            powers.sizes.append(own.abs())
            boundary.append(torch.zeros_like(own))
        return BudgetSample(
            energy=energy.detach(),
            size=self.energy.size(t, y).detach(),
            rate=rate.detach(),
            terms=torch.stack(self._with_own(powers.totals, t, y)).detach(),
            by_component=torch.stack(powers.by_component).detach(),
            boundary=torch.stack(boundary).detach(),
            scale=torch.stack(powers.sizes).sum(dim=0).detach(),
        )

    def terms(self, t: Tensor, y: Tensor) -> Tensor:
        """The contributions of all terms alone, ``(K, *lead)``: what quadrature along the steps needs."""
        gradient = self.energy.gradient(t, y)
        totals = self._powers(self._tape, gradient, t, y, held=True).totals
        return torch.stack(self._with_own(totals, t, y)).detach()

    def probed_terms(self, t: Tensor, y: Tensor, *, insulated: bool) -> tuple[Tensor, Tensor]:
        """What the terms contribute between insulated walls, or the real ones, and their sizes, ``(K, *lead)`` each."""
        gradient = self.energy.gradient(t, y)
        if self._insulated is None or not insulated:
            powers = self._powers(self._tape, gradient, t, y, held=True)
        else:
            powers = self._powers(self._insulated, self._with_held(gradient, t, y), t, y, held=False)
        return torch.stack(powers.totals).detach(), torch.stack(powers.sizes).detach()

    def _with_own(self, totals: list[Tensor], t: Tensor, y: Tensor) -> list[Tensor]:
        if not self.energy.moves_by_itself:
            return totals
        return [*totals[: len(self.owners)], self._own_rate(t, y)]

    def _own_rate(self, t: Tensor, y: Tensor) -> Tensor:
        return self.energy.along(t, y, torch.ones_like(t), torch.zeros_like(y))[1]

    def _boundary(self, totals: list[Tensor], gradient: Tensor, t: Tensor, y: Tensor) -> list[Tensor]:
        """What the insulated terms leave of the true ones."""
        if not self.has_walls:
            return [torch.zeros_like(total) for total in totals]
        if self._insulated is None:
            return [torch.full_like(total, torch.nan) for total in totals]
        inner = self._powers(self._insulated, self._with_held(gradient, t, y), t, y, held=False).totals
        return [total - part for total, part in zip(totals, inner, strict=True)]

    def _with_held(self, gradient: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """dE/dy with entries at held nodes, too: they have no rate, but between insulated walls they would have one."""
        if self._inner_energy is None or not self.equation.holds_nodes:
            return gradient
        inner = self._inner_energy.gradient(t, y)
        parts = []
        for name, (start, size) in self.equation.layout.fields.items():
            free = self._masks[name].to(y.device, torch.bool)
            own, other = (g.narrow(y.dim() - 1 - self.equation.dimension, start, size) for g in (gradient, inner))
            parts.append(torch.where(free, own, other))
        return torch.cat(parts, dim=y.dim() - 1 - self.equation.dimension)

    def fields(self, t: Tensor, y: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Per term dE/dy and the rate of its field, ``(*lead, c, *grid)`` each."""
        return self._fields(self._tape, self.energy.gradient(t, y), t, y, held=True)

    def _fields(
        self, tape: Tape, gradient: Tensor, t: Tensor, y: Tensor, *, held: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        equation, axis = self.equation, y.dim() - 1 - self.equation.dimension
        for name, value in zip(self.owners, equation.run_tape(tape, t, y), strict=True):
            start, size = equation.layout.fields[name]
            force = gradient.narrow(axis, start, size)
            rate = torch.as_tensor(value, device=y.device).to(y.dtype)
            yield force, (rate * self._masks[name].to(y.device) if held else rate).expand(force.shape)

    def _powers(self, tape: Tape, gradient: Tensor, t: Tensor, y: Tensor, *, held: bool) -> _Powers:
        axis = y.dim() - 1 - self.equation.dimension
        powers, sizes = [], []
        for name, (force, rate) in zip(self.owners, self._fields(tape, gradient, t, y, held=held), strict=True):
            start, size = self.equation.layout.fields[name]
            power = (force.conj() * rate).real if y.is_complex() else force * rate
            power = power.to(torch.float64).unsqueeze(-1).flatten(start_dim=axis + 1)
            own = power.sum(dim=-1).movedim(-1, 0)  # (c, *lead)
            every = torch.zeros(y.shape[axis], *own.shape[1:], dtype=own.dtype, device=own.device)
            every[start : start + size] = own
            powers.append(every)
            # Not |power|: of complex numbers its real part may vanish everywhere, and round-off would measure itself.
            size_here = (force.abs() * rate.abs()).to(torch.float64).unsqueeze(-1).flatten(start_dim=axis + 1)
            sizes.append(size_here.sum(dim=(-2, -1)))
        return _Powers(powers, sizes)


def _left_side(name: str) -> str:
    """``"du/dt"`` of u, ``"d2u/dt2"`` of its velocity."""
    field = field_name(name)
    return f"d{name}/dt" if field == name else f"d2{field}/dt2"


def _lowered(layout: Layout, terms: list[Node]) -> Tape:
    lowering = Lowering(layout)
    return lowering.finish([lowering.compile(term) for term in terms])


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
