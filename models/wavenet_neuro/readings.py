"""What training made of a field, in a few numbers that outlive its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fieldsolver.models.parts import UNKNOWN

from .dynamics import FieldDynamics
from .kinetics import KINETICS
from .rest import rest_of
from .variants.learned_metric import LearnedMetricField

if TYPE_CHECKING:
    from .model import WaveNetNeuro

SHARES = (0, 25, 50, 75, 100)
"""Percentiles."""
COMMON = 100
"""The most frequent words have the lowest ids, behind the reserved ones."""
NUMBERS = ("D", "a", "b", "k")
"""Diffusivities, speeds along both axes, rates of decay."""


def readings(model: WaveNetNeuro, ids: Tensor, mask: Tensor) -> dict[str, float]:
    """Percentiles of the trained numbers over the channels, and what can be said of rest and of a learned metric.

    ``D_50`` is the median of the diffusivities, ``a_`` are speeds, ``k_`` rates of decay. Of fields that run to rest in
    fixed steps: the `contraction` per step, evaluations `predicted` and `counted`, means over the texts that are not
    at rest when they start, and `prediction_error`, the root mean square of their relative difference. Of
    ``variant="metric"``: percentiles ``width_`` of the distances, and the means of ``log2`` of them over the most
    `common` words, `rare` words, the `ends` of texts (a tenth at either side) and their `middle`; words outside the
    vocabulary are neither common nor rare.

    Args:
        model: trained.
        ids, mask: (B, N), texts to read rest and metric from.
    """
    with torch.no_grad():
        dynamics = model.dynamics
        if isinstance(dynamics, LearnedMetricField):
            return _percentiles("D", dynamics.diffusivity()) | _metric(model, dynamics, ids, mask)
        if not isinstance(dynamics, FieldDynamics):
            return {}
        found: dict[str, float] = {}
        if dynamics.config.reaction not in KINETICS:  # which have numbers of their own by these names
            values = dynamics.equation.parameter_values()
            for name in (one for one in NUMBERS if one in values):
                found |= _percentiles(name, values[name])
        if dynamics.config.stopping == "steady" and dynamics.config.step:
            found |= _rest(model, ids, mask)
        return found


def _percentiles(name: str, values: Tensor) -> dict[str, float]:
    found = torch.quantile(values.detach().flatten().double().cpu(), torch.tensor(SHARES, dtype=torch.float64) / 100)
    return {f"{name}_{share}": value for share, value in zip(SHARES, found.tolist(), strict=True)}


def _rest(model: WaveNetNeuro, ids: Tensor, mask: Tensor) -> dict[str, float]:
    found = rest_of(*model.prepared(ids, mask))
    contraction, predicted, counted = (values[~found.contraction.isnan()] for values in found)
    if not len(counted):
        return {}
    return {
        "contraction": float(contraction.mean()),
        "predicted": float(predicted.mean()),
        "counted": float(counted.mean()),
        "prediction_error": float(((predicted - counted) / counted).square().mean().sqrt()),
    }


def _metric(model: WaveNetNeuro, dynamics: LearnedMetricField, ids: Tensor, mask: Tensor) -> dict[str, float]:
    widths = dynamics.widths(model.vectors(ids, mask))[..., 0]
    place = (mask.cumsum(1) - 0.5) / mask.sum(1, keepdim=True).clamp(min=1)
    at_ends = (place <= 0.1) | (place > 0.9)
    parts = {"common": (ids > UNKNOWN) & (ids < COMMON), "rare": ids >= COMMON, "ends": at_ends, "middle": ~at_ends}
    means = {name: float(widths[mask & part].log2().mean()) for name, part in parts.items() if (mask & part).any()}
    return _percentiles("width", widths[mask]) | means
