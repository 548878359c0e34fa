"""Linear classifiers on counts of words and of pairs of neighbouring words (needs scikit-learn)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fieldsolver.errors import MissingDependencyError, OptionError

FEATURES = 200_000
WORD = r"(?u)\b\w+\b"
"""Single letters are words too: "i" and the "t" of "don't" carry sentiment in pairs."""


class TfidfLogistic:
    """Logistic regression on TF-IDF of words and pairs of words.

    Args:
        features: the most frequent ones that are kept.
        strength: C, the inverse of the ridge penalty.
    """

    def __init__(self, features: int = FEATURES, strength: float = 10.0) -> None:
        _needs_sklearn()
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        self.counter = TfidfVectorizer(ngram_range=(1, 2), max_features=features, sublinear_tf=True, token_pattern=WORD)
        self.classifier = LogisticRegression(C=strength, max_iter=1000)

    def fit(self, texts: Sequence[str], labels: np.ndarray) -> None:
        """Weights of the words and of the classes."""
        self.classifier.fit(_counted(self.counter, texts), labels)

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Decision values (n, K)."""
        return _two_sided(self.classifier.decision_function(self.counter.transform(texts)))

    @property
    def parameters(self) -> int:
        """Weights, biases, and the weight of each word."""
        return int(self.classifier.coef_.size + self.classifier.intercept_.size + len(self.counter.vocabulary_))


class NBSVM:
    """Naive-Bayes log-count ratios times presence, then a linear SVM, pulled towards its mean weight.

    S. Wang, C. D. Manning, Baselines and bigrams: simple, good sentiment and topic classification, ACL 2012:
    f = presence, r = log(p / |p|_1) - log(q / |q|_1) with p and q = alpha + the sums of f inside and outside the class,
    w' = (1 - beta) mean|w| + beta w, with alpha = 1, beta = 0.25. Several classes: one against the rest.

    Args:
        classes: K.
        features: the most frequent words and pairs that are kept.
        strength: C of the SVM (squared hinge loss), 1 in the paper's code for long reviews.
        smoothing: alpha.
        interpolation: beta.
    """

    def __init__(
        self,
        classes: int,
        features: int = FEATURES,
        strength: float = 1.0,
        smoothing: float = 1.0,
        interpolation: float = 0.25,
    ) -> None:
        _needs_sklearn()
        from sklearn.feature_extraction.text import CountVectorizer

        self.classes, self.strength = classes, strength
        self.smoothing, self.interpolation = smoothing, interpolation
        self.counter = CountVectorizer(
            ngram_range=(1, 2), max_features=features, binary=True, token_pattern=WORD, dtype=np.float64
        )
        self.weights = np.zeros((0, 0))
        self.biases = np.zeros(0)

    def fit(self, texts: Sequence[str], labels: np.ndarray) -> None:
        """One linear classifier per class; of two classes one that serves both."""
        presence = _counted(self.counter, texts)
        targets = [1] if self.classes == 2 else range(self.classes)
        fitted = [self._fit_one(presence, labels == target) for target in targets]
        self.weights = np.stack([weights for weights, _ in fitted])
        self.biases = np.array([bias for _, bias in fitted])

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Decision values (n, K)."""
        found = self.counter.transform(texts) @ self.weights.T + self.biases
        return _two_sided(found[:, 0] if self.classes == 2 else found)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights.size + self.biases.size

    def _fit_one(self, presence: Any, positive: np.ndarray) -> tuple[np.ndarray, float]:
        from sklearn.svm import LinearSVC

        ratio = self._log_ratio(presence, positive)
        machine = LinearSVC(C=self.strength, random_state=0)
        machine.fit(presence.multiply(ratio).tocsr(), positive)
        weights = machine.coef_[0]
        pulled = (1 - self.interpolation) * np.abs(weights).mean() + self.interpolation * weights
        prior = np.log(positive.sum() / (~positive).sum())
        bias = (1 - self.interpolation) * prior + self.interpolation * float(machine.intercept_[0])
        return pulled * ratio, float(bias)

    def _log_ratio(self, presence: Any, positive: np.ndarray) -> np.ndarray:
        inside = self.smoothing + np.asarray(presence[np.flatnonzero(positive)].sum(0)).ravel()
        outside = self.smoothing + np.asarray(presence[np.flatnonzero(~positive)].sum(0)).ravel()
        return np.log(inside / inside.sum()) - np.log(outside / outside.sum())


def _counted(counter: Any, texts: Sequence[str]) -> Any:
    try:
        return counter.fit_transform(texts)
    except ValueError as error:
        raise OptionError(f"no word can be counted in {len(texts)} texts: {error}") from None


def _two_sided(scores: np.ndarray) -> np.ndarray:
    return np.stack((-scores, scores), axis=1) if scores.ndim == 1 else scores


def _needs_sklearn() -> None:
    try:
        import sklearn  # noqa: F401  # only asks whether it is there
    except ImportError:
        raise MissingDependencyError(
            "classifiers of word counts need scikit-learn; pip install 'fieldsolver[experiments]'"
        ) from None
