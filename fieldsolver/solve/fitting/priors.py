"""Prior densities for `fit`, on the value as meant (not on its stored logarithm)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from fieldsolver.errors import OptionError, listing, nearest

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class Prior(Protocol):
    """A log density, entry by entry."""

    def log_density(self, value: Tensor) -> Tensor:
        """Logarithm of the density at `value`, same shape."""


@dataclass(frozen=True)
class Normal:
    """Normal density. On a positive quantity it is cut off at zero; the constant this adds changes no estimate.

    Args:
        mean: of the value.
        sd: standard deviation of the value.
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _check(self, self.mean, self.sd)

    def log_density(self, value: Tensor) -> Tensor:
        """``log N(value | mean, sd)``."""
        return -0.5 * ((value - self.mean) / self.sd) ** 2 - math.log(self.sd) - HALF_LOG_2PI


@dataclass(frozen=True)
class LogNormal:
    """Density of a positive value whose logarithm is normal.

    Args:
        mean: of the logarithm; the median of the value is ``exp(mean)``.
        sd: standard deviation of the logarithm.
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        _check(self, self.mean, self.sd)

    def log_density(self, value: Tensor) -> Tensor:
        """``log N(log value | mean, sd) - log value``."""
        log = value.log()
        return -0.5 * ((log - self.mean) / self.sd) ** 2 - log - math.log(self.sd) - HALF_LOG_2PI


def assign_priors(priors: Mapping[str, Prior] | None, labels: Sequence[str]) -> dict[str, Prior]:
    """One prior per label; the key ``"sigma"`` means the noise scale of every field.

    Raises:
        OptionError: a key that names nothing unknown, or something that is not a prior.
    """
    assigned: dict[str, Prior] = {}
    for key, prior in (priors or {}).items():
        if not hasattr(prior, "log_density"):
            raise OptionError(
                f"the prior of {key!r} is {prior!r}; give fieldsolver.solve.Normal(mean, sd) or LogNormal(mean, sd)"
            )
        chosen = [label for label in labels if label == key or (key == "sigma" and label.startswith("sigma("))]
        if not chosen:
            raise OptionError(
                f"there is no unknown {key!r} to give a prior; unknown: {listing(labels)}{nearest(key, labels)}"
            )
        assigned.update(dict.fromkeys(chosen, prior))
    return assigned


def _check(prior: Normal | LogNormal, mean: float, sd: float) -> None:
    if not (math.isfinite(mean) and math.isfinite(sd) and sd > 0):
        raise OptionError(f"{type(prior).__name__} needs a finite mean and a positive sd, got ({mean!r}, {sd!r})")
