"""Which terms of an equation a method with two parts treats in which way, and what its noise multiplies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations.graph import Treatment, walk
from fieldsolver.equations.knowledge.affine import LinearTerm
from fieldsolver.equations.knowledge.affine import split as split_affine
from fieldsolver.errors import OptionError, listing, nearest

from ..budgets.budget import additive_terms
from ..schemes.scheme import Complex, Scheme
from .modes import Modes
from .rates import Rates, RightHandSide

FIRST = ("implicit", "linear", "first")
"""Names of the part that the linear terms of the equation belong to."""


@dataclass(frozen=True)
class Parts:
    """Eigenvalues of the parts of a method, one array ``(N,)`` for each.

    Attributes:
        eigenvalues: in the order of `Scheme.parts`.
        exact: the parts share their modes, so that these are eigenvalues of each.
    """

    eigenvalues: tuple[Complex, ...]
    exact: bool


class Splitter:
    """Splits the eigenvalues of modes between the parts of methods.

    Args:
        rates: the right-hand side.
        modes: its modes.
        split: terms that the implicit, or exactly treated, part consists of: positions or labels; None takes those that
            are marked by ``implicit(...)``, and without marks all terms that are linear in the state.

    Raises:
        OptionError: a term does not exist.
    """

    def __init__(self, rates: Rates, modes: Modes, split: Sequence[int | str] | None) -> None:
        self._rates, self._modes = rates, modes
        self.first = linear_terms(rates) if split is None else _chosen(rates, split)
        self._linear: tuple[Complex, bool] | None = None
        self._noise: tuple[Complex, Complex, bool] | None = None

    @property
    def labels(self) -> str:
        """The terms of the implicit part, as words."""
        return "; ".join(self._rates.labels[position] for position in self.first) or "none"

    def __call__(self, scheme: Scheme) -> Parts | str:
        """The parts for a method, or why there are none."""
        equation = self._rates.equation
        if equation is not None and equation.noises and "noise" not in scheme.parts:
            return (
                "the equation has noise and this method takes none: ask for euler_maruyama, milstein or theta_maruyama"
            )
        if len(scheme.parts) == 1:
            return Parts((self._modes.eigenvalues,), exact=True)
        if self._modes.projected is None:
            return f"the {self._modes.route} route does not tell the parts of the right-hand side apart"
        if "noise" in scheme.parts:
            return self._drift_and_noise(scheme)
        if not self.first:
            return "the equation has no linear terms that an implicit or exponential part could take"
        if self._linear is None:
            self._linear = self._modes.projected(self._rates.sum_of(self.first))
        linear, exact = self._linear
        rest = self._modes.eigenvalues - linear
        rest = np.where(np.abs(rest) <= 1e-12 * np.abs(linear), 0.0, rest)
        order = [linear if name in FIRST else rest for name in scheme.parts]
        return Parts(tuple(order), exact)

    def _drift_and_noise(self, scheme: Scheme) -> Parts | str:
        equation = self._rates.equation
        if equation is None or not equation.noises:
            return "the equation has no noise"
        if self._noise is None:
            self._noise = _noise(self._rates, self._modes)
        strength, squares, exact = self._noise
        drift = self._modes.eigenvalues
        if equation.calculus == "stratonovich":
            drift = drift + squares / 2  # the same process in the sense of Ito
        return Parts(tuple(strength if name == "noise" else drift for name in scheme.parts), exact)


def linear_terms(rates: Rates) -> tuple[int, ...]:
    """Positions of the terms marked ``implicit(...)``; without any mark, of those that are linear in the state."""
    equation = rates.equation
    if equation is None:
        return ()
    owned = [(row, term) for row, node in equation.right_sides.items() for term in additive_terms(node)]
    marks = [next((n.content[0] for n in walk(term) if isinstance(n, Treatment)), None) for _, term in owned]
    if "implicit" in marks:
        return tuple(i for i, mark in enumerate(marks) if mark == "implicit")
    chosen = []
    for position, (row, term) in enumerate(owned):
        linear, rest = split_affine(row, term, equation.layout)
        if linear and all(r.is_source for r in rest) and marks[position] is None and _all(linear):
            chosen.append(position)
    return tuple(chosen)


def _all(terms: Sequence[LinearTerm]) -> bool:
    return all(term.treatment != "explicit" for term in terms)


def _chosen(rates: Rates, split: Sequence[int | str]) -> tuple[int, ...]:
    positions = []
    for entry in [split] if isinstance(split, (str, int)) else split:
        found = [i for i, label in enumerate(rates.labels) if entry in (i, label, label.partition(": ")[2])]
        if not found:
            raise OptionError(
                f"split names the terms of the implicit part; there is no term {entry!r}, the terms are "
                f"{listing(rates.labels)}{nearest(str(entry), rates.labels)}"
            )
        positions.extend(found)
    return tuple(dict.fromkeys(positions))


def _noise(rates: Rates, modes: Modes) -> tuple[Complex, Complex, bool]:
    """``sum_i |mu_i|^2`` and ``sum_i mu_i^2`` per mode, mu_i the factor of noise i, and whether they are exact.

    Independent noise in every cell adds the squares of all modes: no mode then grows faster, in the mean square, than
    the bound with the strength of one cell, ``|mu|^2 / h^d``.
    """
    equation = rates.equation
    if equation is None or modes.projected is None:
        return np.zeros(modes.eigenvalues.size, dtype=complex), np.zeros(modes.eigenvalues.size, dtype=complex), False
    sources = list(equation.noise_amplitudes(rates.t, rates.state))
    gridless = equation.grid is None or equation.layout.graph is not None
    cell = 1.0 if gridless else float(np.prod(equation.layout.required_grid().spacing))
    total, squares = np.zeros(modes.eigenvalues.size), np.zeros(modes.eigenvalues.size, dtype=complex)
    exact = equation.grid is None and len(sources) == 1
    for source in sources:
        factor, commutes = modes.projected(_amplitude(equation.noise_amplitudes, source))
        total, squares = total + np.abs(factor) ** 2 / cell, squares + factor**2 / cell
        exact &= commutes
    return total.astype(np.complex128), squares, exact


def _amplitude(amplitudes: Callable[..., dict], source: object) -> RightHandSide:
    def rate(t: Tensor, y: Tensor) -> Tensor:
        value: Tensor = amplitudes(t, y)[source]
        return value if value.requires_grad or value.shape == y.shape else torch.broadcast_to(value, y.shape)

    return rate
