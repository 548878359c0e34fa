"""What the reference architectures share: the shape of a text model, token batches, masked pooling, presets."""

from .adoption import adopt
from .answer import Answer
from .attention import MaskedAttention, in_heads
from .checks import check_between, check_choice, check_not_negative, check_positive, check_share, check_whole
from .generation import generate
from .masking import masked_batch
from .pairs import pair_ids
from .pooling import POOLS, masked_max, masked_mean, pooled
from .prediction import CLASSES, MASKED_TOKEN, NEXT_TOKEN, prediction_of
from .presets import Preset, configured
from .sinusoids import sinusoids
from .text_model import TextModel
from .token_loss import IGNORED, token_loss
from .tokens import PAD, UNKNOWN, checked_tokens
from .training import Training

__all__ = [
    "CLASSES",
    "IGNORED",
    "MASKED_TOKEN",
    "NEXT_TOKEN",
    "PAD",
    "POOLS",
    "UNKNOWN",
    "Answer",
    "MaskedAttention",
    "Preset",
    "TextModel",
    "Training",
    "adopt",
    "check_between",
    "check_choice",
    "check_not_negative",
    "check_positive",
    "check_share",
    "check_whole",
    "checked_tokens",
    "configured",
    "generate",
    "in_heads",
    "masked_batch",
    "masked_max",
    "masked_mean",
    "pair_ids",
    "pooled",
    "prediction_of",
    "sinusoids",
    "token_loss",
]
