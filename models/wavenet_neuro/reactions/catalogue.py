"""The trained reactions by name: how each is made, and what it hears besides the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

import fieldsolver as fs

from .bounded import BoundedReaction
from .consensus import ConsensusReaction
from .gradient import GradientReaction
from .mean_field import MeanFieldReaction
from .perceptron import Perceptron

if TYPE_CHECKING:
    from fieldsolver.models.wavenet_neuro.config import Config


@dataclass(frozen=True)
class Reaction:
    """A trained reaction.

    Attributes:
        make: from a configuration, the width of the hidden layer and the number of axes.
        hears: what its arguments are besides the field, in their order: ``"slopes"`` (where the configuration wants
            them), ``"mean"`` of the text, ``"source"``.
    """

    make: Callable[[Config, int, int], nn.Module]
    hears: tuple[str, ...] = ()


def _mlp(config: Config, hidden: int, axes: int) -> nn.Module:
    more = config.channels * axes if config.slopes else 0
    return Perceptron(config.channels, hidden, more=more, norm=config.norm, gain=config.gain)


def _bounded(config: Config, hidden: int, axes: int) -> nn.Module:
    return BoundedReaction(config.channels, hidden, limit=config.limit)


def _gradient(config: Config, hidden: int, axes: int) -> nn.Module:
    return GradientReaction(config.channels, hidden)


def _contractive(config: Config, hidden: int, axes: int) -> nn.Module:
    return fs.nn.Contractive(config.channels, hidden=(hidden,), margin=config.margin, strength=config.strength)


def _mean_field(config: Config, hidden: int, axes: int) -> nn.Module:
    return MeanFieldReaction(config.channels, hidden, margin=config.margin, strength=config.strength)


def _consensus(config: Config, hidden: int, axes: int) -> nn.Module:
    return ConsensusReaction(config.channels, hidden, margin=config.margin, strength=config.strength)


REACTIONS: dict[str, Reaction] = {
    "mlp": Reaction(_mlp, ("slopes",)),
    "bounded": Reaction(_bounded),
    "gradient": Reaction(_gradient),
    "contractive": Reaction(_contractive),
    "mean_field": Reaction(_mean_field, ("mean", "source")),
    "consensus": Reaction(_consensus, ("mean",)),
}


def hears(reaction: str, what: str) -> bool:
    """Whether the reaction of this name has ``"slopes"``, ``"mean"`` or ``"source"`` among its arguments."""
    return reaction in REACTIONS and what in REACTIONS[reaction].hears
