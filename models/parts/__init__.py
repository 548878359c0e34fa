"""What the reference architectures share: the shape of a text model, token batches, masked pooling, presets."""

from .answer import Answer
from .pairs import pair_ids
from .pooling import masked_max, masked_mean
from .presets import Preset, configured
from .text_model import TextModel
from .tokens import PAD, UNKNOWN, checked_tokens
from .training import Training

__all__ = [
    "PAD",
    "UNKNOWN",
    "Answer",
    "Preset",
    "TextModel",
    "Training",
    "checked_tokens",
    "configured",
    "masked_max",
    "masked_mean",
    "pair_ids",
]
