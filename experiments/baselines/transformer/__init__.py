"""The transformer of the same size."""

from .config import PRESETS, Config
from .matching import matched_transformer
from .model import Transformer, build

__all__ = ["PRESETS", "Config", "Transformer", "build", "matched_transformer"]
