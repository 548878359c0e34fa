"""The variants by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fieldsolver.errors import OptionError, listing, nearest

from .dynamics import Dynamics
from .hybrid import HybridField
from .learned_metric import LearnedMetricField
from .liquid import LiquidField
from .multiscale import MultiscaleField
from .predictive_coding import PredictiveCodingField
from .spiking import SpikingField
from .state_space import StateSpaceField
from .stochastic import StochasticField


@dataclass(frozen=True)
class Variant:
    """One line of the list of variants.

    Attributes:
        make: its class, a `Dynamics`.
        about: one line.
        causal: whether it reads from left to right only.
    """

    make: Callable[..., Dynamics]
    about: str
    causal: bool = False


VARIANTS: dict[str, Variant] = {
    "hybrid": Variant(HybridField, "attention beside a far and a near field, weighted by a softmax"),
    "ltc": Variant(LiquidField, "liquid time constants, recurrent along the text; for comparison", causal=True),
    "metric": Variant(LearnedMetricField, "the distance of neighbours is learned: Laplace-Beltrami in flux form"),
    "multiscale": Variant(MultiscaleField, "lines of N, N/2, N/4 tokens that exchange what they hold"),
    "predictive_coding": Variant(PredictiveCodingField, "coarser and coarser beliefs descend the error they predict"),
    "spiking": Variant(SpikingField, "integrate-and-fire neurons that talk through spikes"),
    "ssm": Variant(StateSpaceField, "a diagonal linear state-space model; for comparison", causal=True),
    "stochastic": Variant(StochasticField, "noise of trained strength while it trains"),
}


def make_dynamics(
    name: str, channels: int, *, duration: float, steps: int, boundary: str = "neumann", **options: Any
) -> Dynamics:
    """The dynamics of a variant with fresh weights, drawn from torch's generator.

    Args:
        name: of the variant.
        channels: C.
        duration, steps: fixed steps.
        boundary: the ends of the line; variants have closed ones, ``"neumann"``.
        options: further arguments of its class.

    Raises:
        OptionError: no such variant, other ends, or values that it refuses.
    """
    if name not in VARIANTS:
        raise OptionError(f"there is no variant {name!r}; known: {listing(VARIANTS)}{nearest(name, VARIANTS)}")
    if boundary != "neumann":
        raise OptionError(f"the ends of a variant's line are closed, boundary='neumann', got {boundary!r}")
    return VARIANTS[name].make(channels, duration=duration, steps=steps, **options)
