"""Real data: packs in a folder, files in the user's cache, or a download; split without overlap, checked."""

from .catalogue import CORPORA, DATASETS, find_dataset
from .dataset import Dataset
from .load import load_corpus, load_text
from .plain import PlainTexts, load_plain
from .splits import Corpus, TextData, TextSplit

__all__ = [
    "CORPORA",
    "DATASETS",
    "Corpus",
    "Dataset",
    "PlainTexts",
    "TextData",
    "TextSplit",
    "find_dataset",
    "load_corpus",
    "load_plain",
    "load_text",
]
