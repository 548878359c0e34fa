"""The bag of embeddings: words and hashed pairs of words, averaged, one linear map."""

from .config import PRESETS, Config
from .model import BagOfEmbeddings, build

__all__ = ["PRESETS", "BagOfEmbeddings", "Config", "build"]
