"""What a token does by itself: pointwise right-hand sides, components last."""

from .bounded import BoundedReaction
from .gradient import GradientReaction
from .perceptron import Perceptron

__all__ = ["BoundedReaction", "GradientReaction", "Perceptron"]
