"""Starting values of time scales: spread evenly over orders of magnitude.

A field remembers for as long as its slowest time constant, and tells apart what is as far apart as its fastest. If all
channels start with one time constant, training has to find the others; uniform in the logarithm, every scale between
the step and the horizon has its channels from the start.

Source: Gu, Goel, Re, *Efficiently modeling long sequences with structured state spaces*, ICLR 2022 (log-uniform time
steps); Orvieto et al., *Resurrecting recurrent neural networks for long sequences*, ICML 2023, section 3.2.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing, nearest


def log_uniform(
    shape: int | Sequence[int], low: float, high: float, generator: torch.Generator | None = None
) -> Tensor:
    """Numbers between `low` and `high` whose logarithm is uniform, float64, for ``fs.Parameter(..., positive=True)``.

    Args:
        shape: of the result.
        low, high: ``0 < low < high``, in the unit of the parameter.
        generator: random numbers; None draws from torch's own.

    Raises:
        OptionError: an interval that cannot be.
    """
    if not (0 < low < high and math.isfinite(high)):
        raise OptionError(f"log_uniform needs 0 < low < high, got ({low!r}, {high!r})")
    size = (shape,) if isinstance(shape, int) else tuple(shape)
    uniform = torch.rand(size, generator=generator, dtype=torch.float64)
    return (math.log(low) + (math.log(high) - math.log(low)) * uniform).exp()


def log_uniform_(
    module: nn.Module, name: str, low: float, high: float, generator: torch.Generator | None = None
) -> Tensor:
    """Draw the trainable parameter `name` of a layer's equation anew, in place; returns its values as meant.

    Args:
        module: a layer or a `FieldEquation`.
        name: of the parameter, as declared.
        low, high, generator: as in `log_uniform`.

    Raises:
        OptionError: there is no such parameter, or an interval that cannot be.
    """
    equation = _equation(module)
    if name not in equation.raw:
        known = list(equation.raw)
        hint = nearest(name, known)
        raise OptionError(f"there is no trainable parameter {name!r}; trainable: {listing(known)}{hint}")
    stored, transform = equation.raw[name], equation.declared[name].transform
    values = log_uniform(tuple(stored.shape), low, high, generator)
    with torch.no_grad():
        stored.copy_(values if transform is None else transform.inverse(values))
    return equation.parameter_values()[name].detach()


def time_constants(channels: int, horizon: float, fastest: float = 1.0) -> Tensor:
    """One time constant per channel from `fastest` to `horizon`, equidistant in the logarithm, float64.

    Args:
        channels: how many.
        horizon: how long the layer runs, or the length of the sequences times the interval: a channel that is slower
            would hardly move.
        fastest: the interval between inputs, or the shortest time that matters.

    Raises:
        OptionError: no channel, or ``fastest < horizon`` does not hold.
    """
    if channels < 1 or not (0 < fastest < horizon and math.isfinite(horizon)):
        raise OptionError(
            f"time_constants needs channels >= 1 and 0 < fastest < horizon, got {channels!r}, {fastest!r}, {horizon!r}"
        )
    if channels == 1:
        return torch.tensor([math.sqrt(fastest * horizon)], dtype=torch.float64)
    return torch.logspace(math.log10(fastest), math.log10(horizon), channels, dtype=torch.float64)


def _equation(module: nn.Module) -> FieldEquation:
    found = [part for part in module.modules() if isinstance(part, FieldEquation)]
    if len(found) != 1:
        raise OptionError(f"expected a module with one FieldEquation, got {len(found)} in {type(module).__name__}")
    return found[0]
