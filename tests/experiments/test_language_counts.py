"""Counts of tokens and pairs: probabilities that add up to 1, a worked example, published losses."""

from __future__ import annotations

import math
import os
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from fieldsolver.experiments.baselines.token_counts import NOTHING, BigramCounts, UnigramCounts
from fieldsolver.experiments.data import load_plain
from fieldsolver.experiments.text import EncodedSplit, fit_tokeniser
from fieldsolver.experiments.training.language_parts import counted, encoded, questions


def texts(*ids: list[int]) -> EncodedSplit:
    return EncodedSplit.of([np.array(one, dtype=np.int32) for one in ids], np.zeros(len(ids)))


def random_texts(vocabulary: int = 12, number: int = 30) -> EncodedSplit:
    random = np.random.default_rng(0)
    return texts(*(random.zipf(1.5, random.integers(0, 20)).clip(1, vocabulary - 2).tolist() for _ in range(number)))


def probabilities(counts: UnigramCounts | BigramCounts, before: int, vocabulary: int) -> np.ndarray:
    words = np.arange(1, vocabulary)
    found: np.ndarray = np.exp(counts.log_probabilities(np.full(len(words), before), words))
    return found


@pytest.mark.parametrize("kind", [UnigramCounts, BigramCounts])
def test_probabilities_of_all_words_add_up_to_one_after_every_word(kind: type[UnigramCounts | BigramCounts]) -> None:
    """The last id was never met: it is not impossible, before or after."""
    for training in (random_texts(), texts([3]), texts([], [2, 2]), texts([1, 2], [2, 1])):
        counts = kind(training, 12)
        for before in (NOTHING, *range(1, 12)):
            found = probabilities(counts, before, 12)
            assert found.sum() == pytest.approx(1, abs=1e-12)
            assert (found > 0).all()


def test_a_worked_example_of_kneser_ney() -> None:
    """By hand: the pairs 23 (twice), 32, 24; D = 2/(2 + 2*1) = 1/2, and 3/4 for the lower order, whose counts are 1."""
    counts = BigramCounts(texts([2, 3, 2, 3], [2, 4]), 5)
    second = np.array([0, 0.25 / 3, 0.25 / 3, 0.25 / 3]) + 0.75 * 3 / 3 / 4
    after_two = np.array([0, 0, 1.5, 0.5]) / 3 + 0.5 * 2 / 3 * second
    np.testing.assert_allclose(probabilities(counts, NOTHING, 5), second, rtol=1e-12)
    np.testing.assert_allclose(probabilities(counts, 2, 5), after_two, rtol=1e-12)
    np.testing.assert_allclose(probabilities(counts, 4, 5), second, rtol=1e-12)  # 4 was only met at an end


def test_pairs_are_counted_as_in_a_plain_loop() -> None:
    training, vocabulary = random_texts(), 12
    pairs = Counter(pair for index in range(len(training)) for pair in pairwise(training[index].tolist()))
    once, twice = (sum(count == number for count in pairs.values()) for number in (1, 2))
    discount = once / (once + 2 * twice)
    lower = probabilities(BigramCounts(training, vocabulary), NOTHING, vocabulary)
    for before in range(1, vocabulary):
        total = sum(count for (first, _), count in pairs.items() if first == before)
        kinds = sum(first == before for first, _ in pairs)
        for word in range(1, vocabulary) if total else ():
            expected = (max(pairs[before, word] - discount, 0) + discount * kinds * lower[word - 1]) / total
            found = BigramCounts(training, vocabulary).log_probabilities(np.array([before]), np.array([word]))
            assert found[0] == pytest.approx(math.log(expected), abs=1e-12)


@pytest.mark.skipif("FIELDSOLVER_DATA" not in os.environ, reason="needs the data packs")
def test_counts_reach_the_known_losses_of_shakespeare() -> None:
    """Karpathy's lecture on nanoGPT trains a table of character pairs to about 2.5 nats on this split."""
    data = load_plain("tiny_shakespeare", validation=0.001)
    tokeniser = fit_tokeniser("characters", data.train, 300)
    assert tokeniser.size == 67  # 65 characters, as published
    test = questions(encoded(tokeniser, data.test), data, "test", tokeniser, predicts="next_token", length=256)
    assert (test.tokens, test.asked) == (111_540, 111_539)  # nanoGPT's "val has 111,540 tokens"
    known = counted(encoded(tokeniser, data.train), tokeniser, test)
    assert known["bigram_loss"] == pytest.approx(2.49, abs=0.02)
    assert known["unigram_loss"] == pytest.approx(3.35, abs=0.02)
