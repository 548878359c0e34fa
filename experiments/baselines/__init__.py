"""What a model has to beat: the majority, linear classifiers of word counts, a bag of embeddings, a transformer."""

from .linear import CLASSIFIERS, TextClassifier, find_classifier
from .nets import NETS
from .transformer import matched_transformer

__all__ = ["CLASSIFIERS", "NETS", "TextClassifier", "find_classifier", "matched_transformer"]
