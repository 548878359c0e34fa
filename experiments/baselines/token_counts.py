"""Counts of tokens and of pairs of tokens: what a model of language has to beat."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fieldsolver.experiments.text import EncodedSplit

NOTHING = -1
"""Stands before the first token of a text or window."""
DISCOUNT = 0.75
"""Where the counts give no estimate of it, as in H. Ney, U. Essen, R. Kneser 1994 for large corpora."""


class TokenCounts(Protocol):
    """Probabilities of tokens from counts."""

    def log_probabilities(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Natural logarithms of the probabilities of the tokens `after`, given those `before` them; all (n,)."""


class UnigramCounts:
    """How often each token occurs, and one more (Laplace); padding never occurs.

    Args:
        texts: encoded, of the training part.
        vocabulary: number of ids.
    """

    def __init__(self, texts: EncodedSplit, vocabulary: int) -> None:
        counts = np.bincount(texts.ids, minlength=vocabulary)
        self._log = np.log((counts + 1) / (texts.tokens + vocabulary - 1))

    def log_probabilities(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """See `TokenCounts`; the tokens before do not matter."""
        logs: np.ndarray = self._log[after]
        return logs


class BigramCounts:
    """Interpolated Kneser-Ney: pairs less a discount, and for the rest, in how many pairs a token comes second.

    p(w | v) = (max(c(v, w) - D, 0) + D N(v, .) q(w)) / c(v), where N(v, .) is the number of different tokens after v,
    and q(w) the same formula one order lower: from N(., w), over a uniform distribution (S. F. Chen, J. Goodman, An
    empirical study of smoothing techniques for language modeling, Computer Speech and Language 13, 1999, sections 2.7
    and 4.1). D = n1/(n1 + 2 n2), with n1 and n2 the numbers of counts that are 1 and 2 (Ney, Essen, Kneser 1994).

    Args:
        texts: encoded, of the training part.
        vocabulary: number of ids.
    """

    def __init__(self, texts: EncodedSplit, vocabulary: int) -> None:
        self._vocabulary = vocabulary
        inside = np.ones(max(texts.tokens - 1, 0), dtype=bool)
        starts = texts.offsets[1:-1]  # the token there is no neighbour of the one before
        inside[starts[(starts > 0) & (starts < texts.tokens)] - 1] = False
        first, second = texts.ids[:-1][inside].astype(np.int64), texts.ids[1:][inside].astype(np.int64)
        self._pairs, self._counts = np.unique(first * vocabulary + second, return_counts=True)
        heads, tails = self._pairs // vocabulary, self._pairs % vocabulary
        self._total = np.bincount(heads, self._counts, vocabulary)
        self._different = np.bincount(heads, minlength=vocabulary)
        self._discount = _discount(self._counts)
        self._second = _continuations(np.bincount(tails, minlength=vocabulary))

    def log_probabilities(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """See `TokenCounts`; a token before that was never met, or `NOTHING`, leaves the lower order alone."""
        known = before >= 0
        before = np.where(known, before, 0).astype(np.int64)
        total = np.where(known, self._total[before], 0)
        seen = np.maximum(self._counts_of(before * self._vocabulary + after) - self._discount, 0)
        left = self._discount * self._different[before]
        mixed = (seen + left * self._second[after]) / np.maximum(total, 1)
        logs: np.ndarray = np.log(np.where(total > 0, mixed, self._second[after]))
        return logs

    def _counts_of(self, pairs: np.ndarray) -> np.ndarray:
        if not len(self._pairs):
            return np.zeros(len(pairs))
        place = np.minimum(np.searchsorted(self._pairs, pairs), len(self._pairs) - 1)
        return np.where(self._pairs[place] == pairs, self._counts[place], 0)


def _discount(counts: np.ndarray) -> float:
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else DISCOUNT


def _continuations(kinds: np.ndarray) -> np.ndarray:
    """q: probabilities of all ids but padding, from the numbers of different tokens before each, (V,)."""
    words = len(kinds) - 1
    if not (pairs := kinds.sum()):
        return np.full(len(kinds), 1 / words)
    discount = _discount(kinds[kinds > 0])
    rest = discount * np.count_nonzero(kinds) / pairs
    spread: np.ndarray = np.maximum(kinds - discount, 0) / pairs + rest / words
    return spread
