"""What a token does by itself: pointwise right-hand sides, components last."""

from .bounded import BoundedReaction
from .gradient import GradientReaction
from .mean_field import MeanFieldReaction, TextMean
from .perceptron import Perceptron

__all__ = ["BoundedReaction", "GradientReaction", "MeanFieldReaction", "Perceptron", "TextMean"]
