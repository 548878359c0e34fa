"""Conserved and decreasing integrals of a field equation: by formulas, then tested on the discrete right-hand side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.grammar import parse_expression
from fieldsolver.errors import BoundaryError, EquationError

from ..budgets.density import scope_of
from .field_formulas import FieldFormulas
from .forms import Form
from .found import CONSERVED, DECREASING, EXACT, STATISTICAL, Found
from .functionals import (
    chemical_potentials,
    conserved_densities,
    densities,
    density_of_gradient,
    forced,
    is_conserved,
)
from .linear_relations import NullSpace, echelon, null_space, rationalised
from .rates import ROUND_OFF, Rates, integral, rates_of
from .samples import generator_of, is_periodic, smooth_states, spread_states
from .system import System

STATES = 6
"""Fresh states of each sort on which a density is tested."""
LEVELS = (-3.0, -1.0, -0.3, 0.3, 1.0, 3.0)
LIBRARY = ("{u}", "{u}**2", "{u}**3", "{u}**4", "gradient_squared({u})")


@dataclass(frozen=True)
class FieldSearch:
    """What was found, and the singular values of the numerical library search (None where formulas did it)."""

    found: list[Found]
    null: NullSpace | None
    rejected: list[str]


class DensityTest:
    """Tests densities on the discrete right-hand side at fresh states: rough, nearly uniform, and smooth."""

    def __init__(self, system: System, seed: int) -> None:
        self.system = system
        generator = generator_of(seed + 1)
        self.rough = torch.cat([spread_states(system, STATES, generator), self._calm(generator)])
        self.smooth = smooth_states(system, STATES, generator)

    def _calm(self, generator: torch.Generator) -> Tensor:
        """Nearly uniform states, where only the walls act: most of what rough states do hides these."""
        level = torch.tensor(LEVELS, dtype=torch.float64).reshape(-1, 1, *[1] * len(self.system.grid))
        return self.system.settle(level + 1e-3 * spread_states(self.system, len(LEVELS), generator))

    def __call__(self, text: str) -> tuple[Rates, Rates]:
        """Rates at rough and at smooth states."""
        quantity = integral(self.system, text)
        return rates_of(self.system, quantity, self.rough), rates_of(self.system, quantity, self.smooth)


def search_fields(system: System, forms: Sequence[Form], seed: int, texts: Sequence[str] | None = None) -> FieldSearch:
    """Everything that can be found for a field equation.

    Args:
        system: of a declared equation with a grid.
        forms: the constant structures that the probes allow.
        seed: of the states.
        texts: densities to combine, in place of the library.
    """
    formulas = FieldFormulas(system)
    test = DensityTest(system, seed)
    found: list[Found] = []
    rejected: list[str] = []
    null = None
    if formulas.rates is not None:
        own = None if texts is None else [_in_jets(formulas, text) for text in texts]
        if own is None:
            for density, kind, route in _structural(formulas, forms):
                _add(found, rejected, formulas, density, kind, route, test)
        for density in conserved_densities(formulas, densities(formulas) if own is None else own):
            _add(found, rejected, formulas, density, CONSERVED, "library of densities", test)
    else:
        null = _numerical(found, system, texts or _default_texts(system), seed, test)
    return FieldSearch(sorted(found, key=lambda one: one.order), null, rejected)


def search_graph(equation: FieldEquation) -> FieldSearch:
    """On a graph no density has a formula: the linear quantities that random states show."""
    if equation.is_complex:
        return FieldSearch([], None, [])
    names = [str(equation.state_symbol(name)) for name in equation.layout.fields]
    found = [
        Found(
            _combined(row, names), CONSERVED, STATISTICAL, "linear, summed over the vertices", ROUND_OFF, discrete=True
        )
        for row in equation.conserved()
        if len(row) == len(names)
    ]
    return FieldSearch(found, None, [])


def is_everywhere_periodic(system: System) -> bool:
    """Whether no axis has walls."""
    return all(is_periodic(system, axis) for axis in range(len(system.grid)))


def proved_conserved(system: System, text: str) -> bool:
    """Whether the integral of a density is conserved by the formulas, between periodic ends."""
    formulas = FieldFormulas(system)
    if formulas.rates is None or not is_everywhere_periodic(system):
        return False
    try:
        return is_conserved(formulas, _in_jets(formulas, text))
    except EquationError:
        return False  # a density without formula, such as one with a convolution


def _in_jets(formulas: FieldFormulas, text: str) -> Any:
    return formulas.in_jets(parse_expression(text, scope_of(formulas.equation)), "")[0]


def _structural(formulas: FieldFormulas, forms: Sequence[Form]) -> list[tuple[Any, str, str]]:
    """Densities that the kind of system brings: the Hamiltonian, the potential of a gradient flow."""
    found = []
    for form in forms:
        if form.kind == "skew-gradient":
            continue
        rates = formulas.rates or ()
        density = density_of_gradient(formulas.jets, forced(rates, form.matrix))
        if density is None:  # K holds numbers, such as a friction, that are symbols in the rates
            density = density_of_gradient(
                formulas.jets, forced([rate.subs(formulas.numbers) for rate in rates], form.matrix)
            )
        kind = CONSERVED if form.kind == "Hamiltonian" else DECREASING
        if density is not None:
            found.append((density, kind, form.kind))
    potentials = chemical_potentials(formulas)
    if potentials is not None:
        density = density_of_gradient(formulas.jets, potentials)
        if density is not None:
            found.append((density, DECREASING, "gradient flow of conserved fields (mu in du/dt = laplacian(mu))"))
    return found


def _add(
    found: list[Found],
    rejected: list[str],
    formulas: FieldFormulas,
    density: Any,
    kind: str,
    route: str,
    test: DensityTest,
) -> None:
    """Test a density in both forms, and keep the better one unless it depends on what is there.

    Between walls the formulas say nothing of what flows through them: there the discrete right-hand side decides.
    """
    tested = [_tested(text, kind, route, test) for text in _texts(formulas, density, kind, test)]
    # The first is the readable one: another must be kept by the grid where that is not.
    best = min(tested, key=lambda one: not one.discrete, default=None)
    if best is None or not (best.discrete or is_everywhere_periodic(test.system)):
        rejected.append(formulas.readable(density))
    elif _is_new([one.expression for one in found if one.expression], best.expression, test):
        found.append(best)


def _texts(formulas: FieldFormulas, density: Any, kind: str, test: DensityTest) -> list[str]:
    """The readable and the symmetric form, as far as the scheme and the walls can compute them.

    A conserved density gets the sign in which rough states count positive.
    """
    texts = _computable(formulas, density, test)
    if kind == CONSERVED and texts and _is_negative(test.system, texts[0], test.rough[:STATES]):
        texts = _computable(formulas, -density, test)
    return texts


def _computable(formulas: FieldFormulas, density: Any, test: DensityTest) -> list[str]:
    texts = dict.fromkeys([formulas.readable(density), formulas.symmetric(density)])
    return [text for text in texts if _can_be_computed(test.system, text)]


def _can_be_computed(system: System, text: str) -> bool:
    try:
        integral(system, text)
    except (BoundaryError, EquationError):
        return False  # a wall that says nothing of this field, an operator that the scheme lacks
    return True


def _is_negative(system: System, text: str, y: Tensor) -> bool:
    """Negative at all states and their mirror images; without a sign, whether a minus is written in front."""
    quantity = integral(system, text)
    even = quantity(y) + quantity(-y)
    definite = bool((even < 0).all() or (even > 0).all())
    return bool(even[0] < 0) if definite else text.startswith("-")


def _tested(text: str, kind: str, route: str, test: DensityTest) -> Found:
    rough, smooth = test(text)
    size = (lambda rates: rates.defect) if kind == CONSERVED else (lambda rates: rates.growth)
    discrete = bool(size(rough) <= ROUND_OFF)
    certificate = EXACT if is_everywhere_periodic(test.system) else STATISTICAL
    return Found(text, kind, certificate, route, size(smooth), discrete)


def _is_new(known: Sequence[str], text: str, test: DensityTest) -> bool:
    """Whether the gradient is no combination of those that are there, at some state."""
    quantities = [integral(test.system, one) for one in (*known, text)]
    slopes = torch.stack([torch.func.grad(lambda y, q=q: q(y).sum())(test.smooth) for q in quantities], dim=1)
    flat = slopes.flatten(2)
    lengths = flat.norm(dim=-1, keepdim=True)
    if bool((lengths[:, -1] <= 1e-12 * lengths.amax()).all()):
        return False  # the integral is the same for every state
    # The library is discretised in more than one way: equal up to the error of the grid is equal.
    ranks = torch.linalg.svdvals(flat / lengths.clamp_min(1e-300))
    return bool(ranks.shape[-1] > len(known) and (ranks[:, len(known)] > 0.02).any())


def _default_texts(system: System) -> list[str]:
    texts = [pattern.format(u=name) for pattern in LIBRARY[:2] for name in system.names]
    for a in range(system.components if system.components <= 8 else 0):
        texts += [f"{system.names[a]}*{system.names[b]}" for b in range(a)]
    return texts + [pattern.format(u=name) for pattern in LIBRARY[2:4] for name in system.names]


def _numerical(found: list[Found], system: System, texts: Sequence[str], seed: int, test: DensityTest) -> NullSpace:
    """The null space of the rates at rough states: what the discrete right-hand side conserves to round-off."""
    y = spread_states(system, 2 * len(texts) + 20, generator_of(seed))
    rates = [rates_of(system, integral(system, text), y) for text in texts]
    matrix = torch.stack([one.rate for one in rates], dim=1)
    sizes = torch.stack([one.size for one in rates], dim=1)
    row = sizes.amax(1, keepdim=True).clamp_min(1e-300)
    null = null_space((matrix / row).numpy(), (sizes / row).square().mean(0).sqrt().numpy())
    if len(null.vectors):
        for vector in echelon(null.vectors, np.arange(len(texts))[::-1]):
            text = _combined(vector, texts)
            if _is_new([one.expression for one in found], text, test):
                found.append(_numerically(text, test))
    return null


def _numerically(text: str, test: DensityTest) -> Found:
    rough, smooth = test(text)
    discrete = rough.defect <= ROUND_OFF
    return Found(text, CONSERVED, STATISTICAL, "library of densities, by numbers", smooth.defect, discrete)


def _combined(vector: np.ndarray, texts: Sequence[str]) -> str:
    whole = rationalised(vector[vector != 0])
    used = [text for text, c in zip(texts, vector, strict=True) if c]
    numbers = vector[vector != 0] / np.abs(vector).max() if whole is None else [int(c) for c in whole]
    return " + ".join(text if c == 1 else f"({c!r})*({text})" for c, text in zip(numbers, used, strict=True))
