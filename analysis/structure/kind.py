"""What kind of system it is: every test with its defect, the tolerance, and what it means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from .forms import Form, canonical, find_forms
from .metrics import Metric, find_metric
from .potential import Potential
from .probes import Probes, probe
from .samples import generator_of, smooth_states, spread_states
from .symmetries import Divergence, divergence, reversal, skewness
from .system import System

TOLERANCE = 1e-11
"""Relative defects up to here are round-off."""
STATES = 4


@dataclass(frozen=True)
class Trait:
    """One property of a system.

    Attributes:
        name: ``"gradient flow"``, ``"Hamiltonian"`` and so on.
        defect: relative miss at the worst probe; NaN where the test cannot be made.
        tolerance: what counts as none.
        holds: the verdict.
        detail: the matrix, the metric, the involution; or why the test cannot be made.
    """

    name: str
    defect: float
    tolerance: float
    holds: bool
    detail: str


@dataclass(frozen=True)
class Kind:
    """All traits, the forms and the metric behind them, and what they cost.

    Attributes:
        traits: in a fixed order.
        forms: constant matrices K with K Df symmetric.
        metric: a metric that depends on the state, with its form, or None.
        jacobian_products: how many were computed.
    """

    traits: list[Trait]
    forms: list[Form]
    metric: tuple[Metric, Form] | None
    jacobian_products: int

    @property
    def sentence(self) -> str:
        """The traits that hold, in words."""
        held = [trait.name for trait in self.traits if trait.holds]
        return ", ".join(held) if held else "none of those tested"


def examine(system: System, seed: int) -> Kind:
    """All tests at random states; a few dozen products with the Jacobian."""
    generator = generator_of(seed)
    system(spread_states(system, 1, generator_of(seed)))  # a fault of the right-hand side itself ends the study here
    try:
        probes = probe(system, generator)
    except (RuntimeError, NotImplementedError) as error:
        why = f"the right-hand side has no forward derivative: {str(error).splitlines()[0]}"
        names = ("gradient flow", "Hamiltonian", "damped Hamiltonian", "volume preserving", "skew Jacobian")
        return Kind([Trait(name, math.nan, TOLERANCE, False, why) for name in names], [], None, 0)
    forms = [form for form in find_forms(probes) if not _is_driven(system, form, generator)]
    metric = None
    if not forms and system.components * int(np.prod(system.grid)) <= 200 and system.components > 1:
        metric = find_metric(system, seed)
    y = (smooth_states if system.grid else spread_states)(system, STATES, generator)
    y = y[torch.isfinite(system(y).flatten(1)).all(1)]
    volume = divergence(system, y, generator)
    back = reversal(system, y)
    traits = [
        *_of_forms(system, probes, forms),
        _of_metric(metric),
        _of_volume(volume),
        Trait("reversible", back.defect, TOLERANCE, back.defect <= TOLERANCE, back.description),
        _trait("skew Jacobian", skewness(system, y, generator), "the linearised flow keeps the sum of squares"),
    ]
    return Kind(traits, forms, metric, probes.jacobian_products + volume.products + len(y))


def _is_driven(system: System, form: Form, generator: torch.Generator) -> bool:
    """Whether what friction lowers falls far out instead of rising: then energy is fed in, and nothing is bounded."""
    if form.kind != "damped Hamiltonian":
        return False
    y = spread_states(system, 2 * STATES, generator)
    height = Potential(system, form.matrix, y[0])
    return bool((height(10 * y) + height(-10 * y)).nanmedian() < 0)


def _of_forms(system: System, probes: Probes, forms: Sequence[Form]) -> list[Trait]:
    c = system.components
    tried = {
        "gradient flow": [-np.eye(c)],
        "skew-gradient": [],
        "Hamiltonian": canonical(c)[:2] if c % 2 == 0 else [],
        "damped Hamiltonian": [],
    }
    traits = []
    for name, guesses in tried.items():
        form = next((one for one in forms if one.kind == name), None)
        if form is not None:
            traits.append(replace(_trait(name, form.defect, _words(form)), holds=True))
        else:
            defect = min((probes.twist(guess) for guess in guesses), default=math.nan)
            traits.append(Trait(name, defect, TOLERANCE, False, _absent(name, c)))
    return traits


def _absent(name: str, c: int) -> str:
    if "Hamiltonian" in name and c % 2:
        return "an odd number of components has no regular skew matrix"
    return f"no constant matrix makes the system a {name}" if name != "Hamiltonian" else "no constant symplectic matrix"


def _words(form: Form) -> str:
    rows = "; ".join(", ".join(f"{entry + 0.0:.6g}" for entry in row) for row in form.matrix)
    return (
        f"K f = grad H with K = [{rows}]"
        if len(form.matrix) <= 6
        else f"K f = grad H with K of size {len(form.matrix)}"
    )


def _of_metric(found: tuple[Metric, Form] | None) -> Trait:
    if found is None:
        return Trait("gradient flow in a state metric", math.nan, TOLERANCE, False, "none of the metrics tried")
    metric, form = found
    return Trait("gradient flow in a state metric", form.defect, TOLERANCE, True, f"the metric is m = {metric.name}")


def _of_volume(volume: Divergence) -> Trait:
    tolerance = max(TOLERANCE, 3 * volume.uncertainty)
    how = "summed" if volume.uncertainty == 0 else f"estimated, standard error {volume.uncertainty:.2g}"
    # An estimate whose error is as large as what it measures excludes nothing.
    holds = volume.defect <= tolerance and volume.uncertainty <= 1e-3
    return Trait("volume preserving", volume.defect, tolerance, holds, f"mean divergence {volume.mean:.6g} ({how})")


def _trait(name: str, defect: float, detail: str) -> Trait:
    return Trait(name, defect, TOLERANCE, defect <= TOLERANCE, detail)
