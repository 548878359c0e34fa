"""What a token does by itself, or with the mean of its text: pointwise right-hand sides, components last."""

from .bounded import BoundedReaction
from .catalogue import REACTIONS, Reaction, hears
from .consensus import ConsensusReaction
from .gradient import GradientReaction
from .mean_field import MeanFieldReaction
from .perceptron import Perceptron
from .text_mean import TextMean

__all__ = [
    "REACTIONS",
    "BoundedReaction",
    "ConsensusReaction",
    "GradientReaction",
    "MeanFieldReaction",
    "Perceptron",
    "Reaction",
    "TextMean",
    "hears",
]
