"""Gradient flows in a metric that depends on the state: ``m(u_a) f_a = -dE/du_a``, the energy of Hopfield networks.

J. J. Hopfield, PNAS 81, 3088 (1984); M. A. Cohen and S. Grossberg, IEEE Trans. SMC 13, 815 (1983): for
``du/dt = -u + W g(u) + b`` with symmetric W and monotone g the metric is ``m = g'(u)``, and
``dE/dt = -sum_a m(u_a) f_a^2 <= 0``. Shahshahani's metric ``m = 1/u`` belongs to replicator and Lotka-Volterra systems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .forms import Form, gradient_form
from .formulas import Formulas
from .functionals import density_of_gradient, forced
from .jets import Jets
from .probes import probe
from .samples import generator_of, positive_states
from .system import System


@dataclass(frozen=True)
class Metric:
    """A positive function of one unknown.

    Attributes:
        name: in the equation language, with ``u`` for the unknown.
        of: the same on tensors.
        positive: whether it exists at positive states only.
    """

    name: str
    of: Callable[[Tensor], Tensor]
    positive: bool = False


METRICS = (
    Metric("1 - tanh(u)**2", lambda u: 1 - torch.tanh(u) ** 2),
    Metric("sigmoid(u)*(1 - sigmoid(u))", lambda u: torch.sigmoid(u) * (1 - torch.sigmoid(u))),
    Metric("1/u", lambda u: 1 / u, positive=True),
)


def find_metric(system: System, seed: int) -> tuple[Metric, Form] | None:
    """The first metric of the list in which the system is a gradient flow, with its form."""
    for metric in METRICS:
        weighted = replace(system, at=_weighted(system, metric), equation=None)
        generator = generator_of(seed)
        count = 12 + system.components**2
        states = positive_states(system, count, generator) if metric.positive else None
        form = gradient_form(probe(weighted, generator, states))
        if form is not None and form.kind == "gradient flow":
            return metric, form
    return None


def _weighted(system: System, metric: Metric) -> Callable[[float, Tensor], Tensor]:
    return lambda time, y: metric.of(y) * system.at(time, y)


def energy_of(formulas: Formulas, metric: Metric, form: Form) -> Any | None:
    """The energy as a formula, the potential of ``-f`` in the variables ``x = int m du``; None if SymPy finds none."""
    import sympy

    if formulas.rates is None:
        return None
    jets = Jets((), len(formulas.unknowns))
    x = [jets.symbol(index) for index in range(len(formulas.unknowns))]
    back: dict[Any, Any] = {}
    rates = [rate.subs(formulas.numbers) for rate in formulas.rates]
    for u, own in zip(formulas.unknowns, x, strict=True):
        forth, inverse, outer = _substitution(metric, u, own)
        rates = [sympy.simplify(rate.subs(forth)).subs(u, inverse) for rate in rates]
        back |= {own: outer, inverse: u}
    density = density_of_gradient(jets, forced(rates, form.matrix))
    if density is None:
        return None
    for new, old in reversed(back.items()):
        density = density.subs(new, old)
    return density


def _substitution(metric: Metric, u: Any, x: Any) -> tuple[dict[Any, Any], Any, Any]:
    """What becomes of the terms of f, u in terms of x, and x in terms of u."""
    import sympy

    match metric.name:
        case "1 - tanh(u)**2":
            return {sympy.tanh(u): x}, sympy.atanh(x), sympy.tanh(u)
        case "1/u":
            return {}, sympy.exp(x), sympy.log(u)
    return {sympy.exp(-u): 1 / x - 1}, sympy.log(x / (1 - x)), 1 / (1 + sympy.exp(-u))
