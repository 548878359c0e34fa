"""From texts to batches of token ids: tokenisers, encoded splits, batches of similar length."""

from .batches import batches, shard
from .encoded import EncodedSplit, encode_split
from .fitting import TOKENISERS, fit_tokeniser, load_tokeniser
from .lengths import length_ladder, padded_length
from .token_batch import TokenBatch, collate
from .tokeniser import Tokeniser
from .windows import windows

__all__ = [
    "TOKENISERS",
    "EncodedSplit",
    "TokenBatch",
    "Tokeniser",
    "batches",
    "collate",
    "encode_split",
    "fit_tokeniser",
    "length_ladder",
    "load_tokeniser",
    "padded_length",
    "shard",
    "windows",
]
