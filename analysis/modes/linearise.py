"""A declared equation at uniform states: its rates, and its linearisation as a polynomial in the operators.

One walk over the graph computes both. A field is ``u0 + w`` with a small plane wave ``w``; every node knows its value
at ``u0`` and its first-order `Response`. Differential operators vanish on the uniform part, a convolution multiplies it
by the integral of its kernel. A complex field brings its conjugate along as a second wave, so that ``abs(A)**2*A`` is
differentiable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.coordinates import METRIC
from fieldsolver.equations.graph import Depends, Node, Sum, walk
from fieldsolver.equations.knowledge.domains import weights as domain_weights
from fieldsolver.errors import ParameterError, listing, nearest

from .refusals import NoPlaneWaves
from .response import Response, joined
from .rules import evaluate
from .values import Pair, Values


class Linearised:
    """The linearisation of an equation at uniform states.

    Args:
        equation: a declared equation.
        parameters: values in the place of the declared ones, by name.
        t: the time at which coefficients are taken.

    Attributes:
        waves: number W of waves: the components, and behind them the conjugates of the complex ones.
        mirror: which wave is the conjugate of which, ``(W,)``.
        frozen: whether the equation depends on the time explicitly.
        kernels: samples of the kernels, as `Kernel.samples` gives them.
        integrals: of the kernels.
        evaluations: number of calls of `at`.

    Raises:
        NoPlaneWaves: plane waves are no solutions of the linearised equation; names the term.
        ParameterError: `parameters` names none of the equation, or is not a number.
    """

    def __init__(
        self, equation: FieldEquation, *, parameters: Mapping[str, float] | None = None, t: float = 0.0
    ) -> None:
        self.equation = equation
        _refuse_domain(equation)
        self.size = equation.components
        self.mirror = _mirror(equation)
        self.waves = len(self.mirror)
        self.frozen = any(
            not node.operands and node.depends & Depends.TIME for node in walk(*equation.right_sides.values())
        )
        self.dtype = torch.complex128 if equation.is_complex else torch.float64
        self.evaluations = 0
        self._time = t
        self._parameters = _parameter_values(equation, parameters or {})
        self.kernels = {name: values.detach() for name, values in equation.kernel_values().items()}
        self.integrals = {name: _integral(equation, name, values) for name, values in self.kernels.items()}
        self._volume = _volume(equation)
        self._modules = {name: _exact(module) for name, module in equation.submodules.items()}

    def at(self, states: Tensor, *, strict: bool = False) -> tuple[Tensor, Response]:
        """Rates ``(S, W)`` and their response to the waves at uniform `states` ``(S, C)``.

        Args:
            states: one or more uniform states.
            strict: refuse states at which a function has no derivative.
        """
        self.evaluations += 1
        values = self._values(states.to(self.dtype), strict=strict)
        rates, rows = [], []
        with torch.no_grad():
            for name, node in self.equation.right_sides.items():
                value, response = _named(node, name, values)
                size = self.equation.layout.fields[name][1]
                rates.append(value.to(self.dtype).expand(len(states), size))
                rows.append((response, size))
            return self._with_conjugates(torch.cat(rates, dim=1), values.join(rows))

    def rates(self, state: Tensor, given: Mapping[str, Tensor]) -> Tensor:
        """Rates ``(C,)`` of one uniform state ``(C,)``, differentiable by the state and by the parameters `given`."""
        values = self._values(state[None].to(self.dtype), parameters=given, waves=False)
        rates = []
        for name, node in self.equation.right_sides.items():
            value, _ = _named(node, name, values)
            rates.append(value.to(self.dtype).expand(1, self.equation.layout.fields[name][1])[0])
        return torch.cat(rates)

    def _values(
        self,
        states: Tensor,
        *,
        strict: bool = False,
        parameters: Mapping[str, Tensor] | None = None,
        waves: bool = True,
    ) -> Values:
        return Values(
            states=states,
            offsets={name: self.equation.layout.fields[name] for name in self.equation.fields},
            mirror=self.mirror,
            parameters={**self._parameters, **(parameters or {})},
            integrals=self.integrals,
            modules=self._modules,
            nonlocal_modules=self.equation.layout.nonlocal_modules,
            time=self._time,
            volume=self._volume,
            dimension=self.equation.layout.dimension,
            strict=strict,
            waves=waves,
        )

    def _with_conjugates(self, rates: Tensor, response: Response) -> tuple[Tensor, Response]:
        """The rates of the conjugate waves are the conjugates of those of the complex components."""
        partner = self.mirror[self.size :]
        if not len(partner):
            return rates, response
        conjugate = response.conjugate(self.mirror).mapped(lambda matrix: matrix[:, partner])
        rates = torch.cat([rates, rates[:, partner].conj().resolve_conj()], dim=1)
        parts = [(response, self.size), (conjugate, len(partner))]
        return rates, joined(parts, len(rates), self.waves, rates)


def _named(node: Node, row: str, values: Values) -> Pair:
    """Value and response of a right-hand side; a refusal names the term that is to blame."""
    try:
        return evaluate(node, values)
    except NoPlaneWaves as refusal:
        part = refusal.node
        raise (refusal if part is None else refusal.within(term_of(node, part), row)) from None


def term_of(row: Node, part: Node) -> Node:
    """The additive term of a right-hand side that contains a node."""
    if isinstance(row, Sum):
        for term in row.operands:
            if any(node is part for node in walk(term)):
                return term_of(term, part)
    return row


def _mirror(equation: FieldEquation) -> Tensor:
    conjugates: list[int] = []
    for name in equation.complex_fields:
        first, size = equation.layout.fields[name]
        conjugates.extend(range(first, first + size))
    total = equation.components
    mirror = list(range(total)) + conjugates
    for position, partner in enumerate(conjugates):
        mirror[partner] = total + position
    return torch.tensor(mirror)


def _parameter_values(equation: FieldEquation, given: Mapping[str, float]) -> dict[str, Tensor]:
    values = {name: value.detach() for name, value in equation.parameter_values().items()}
    for name, value in given.items():
        require_scalar(equation, name)
        if not (isinstance(value, (int, float)) and math.isfinite(value)):
            raise ParameterError(f"parameters={{{name!r}: ...}} takes a finite number, got {value!r}")
        values[name] = torch.tensor(float(value), dtype=torch.float64)
    return values


def require_scalar(equation: FieldEquation, name: str) -> float:
    """The value of a scalar parameter.

    Raises:
        ParameterError: there is no such parameter, or it is not one number.
    """
    known: Sequence[str] = tuple(equation.declared)
    if name not in known:
        raise ParameterError(
            f"the equation has no parameter {name!r}; it has {listing(known)}{nearest(str(name), known)}"
        )
    value = equation.parameter_values()[name].detach()
    if value.numel() != 1 or value.is_complex():
        raise ParameterError(f"{name!r} must be one real number to be varied; it has the shape {tuple(value.shape)}")
    return float(value)


def _integral(equation: FieldEquation, kernel: str, samples: Tensor) -> Tensor:
    return samples.sum() * math.prod(equation.layout.kernel_grid(kernel).spacing)


def _exact(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """A module in float64 and without gradients of its weights, because steady states are found to round-off."""
    weights = {
        name: value.detach().to(torch.complex128 if value.is_complex() else torch.float64)
        if value.is_floating_point() or value.is_complex()
        else value.detach()
        for name, value in (*module.named_parameters(), *module.named_buffers())
    }
    return lambda inputs: torch.func.functional_call(module, weights, (inputs,))


def _volume(equation: FieldEquation) -> float:
    layouts = [equation.layout.of(name) for name in equation.fields] if equation.layout.domains else [equation.layout]
    if equation.layout.dimension == 0:
        return 1.0
    return float(domain_weights(equation, layouts[0]).sum())


def _refuse_domain(equation: FieldEquation) -> None:
    layout = equation.layout
    if layout.coordinates == METRIC or (layout.grid is not None and layout.is_curved):
        raise NoPlaneWaves("plane waves are no solutions in curved coordinates or with a metric")
    for name, item in equation.declared.items():
        if item.place == "per sample":
            raise NoPlaneWaves(f"{name!r} differs between samples, and an analysis is of one system; give it one value")
