"""Intervals that cover, tests that keep their size, corrections that keep the family's: on synthetic numbers."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from fieldsolver.errors import OptionError
from fieldsolver.experiments.compare.statistics import (
    holm,
    p_signs,
    paired_test,
    rank_correlation,
    sampling_error,
    slope,
    summary,
)

REPETITIONS = 2000


def test_an_interval_covers_the_truth_in_95_of_100_experiments():
    generator = np.random.default_rng(1)
    covered = 0
    for values in generator.normal(0.9, 0.01, (REPETITIONS, 5)):
        found = summary(values)
        covered += found.low <= 0.9 <= found.high
    assert covered / REPETITIONS == pytest.approx(0.95, abs=0.015)  # 3 standard errors


def test_the_paired_t_test_keeps_its_size_and_its_p_value_is_uniform():
    generator = np.random.default_rng(2)
    common = generator.normal(0, 1, (REPETITIONS, 5))  # what the seeds share cancels
    first, second = common + generator.normal(0, 0.1, common.shape), common + generator.normal(0, 0.1, common.shape)
    p_values = np.array([paired_test(*pair).p_t for pair in zip(first, second, strict=True)])
    assert (p_values < 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_the_sign_flip_test_keeps_its_size_exactly():
    generator = np.random.default_rng(3)
    p_values = np.array([p_signs(row) for row in generator.standard_t(2, (REPETITIONS, 6))])
    for level in (2 / 64, 4 / 64, 8 / 64):
        assert (p_values <= level + 1e-12).mean() == pytest.approx(level, abs=3 * math.sqrt(level / REPETITIONS))


@pytest.mark.parametrize("number", [1, 3, 7])
def test_sign_flips_are_counted_as_by_hand(number):
    differences = np.random.default_rng(4).normal(0.3, 1, number)
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=number)]
    assert p_signs(differences) == np.mean(np.array(sums) >= abs(differences.sum()) - 1e-12)


def test_many_pairs_are_sampled_and_agree_with_scipy():
    differences = np.random.default_rng(5).normal(0.25, 1, 40)
    theirs = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(0)
    ).pvalue
    assert p_signs(differences) == pytest.approx(theirs, abs=0.01)


def test_five_seeds_cannot_give_a_sign_flip_p_value_below_one_sixteenth():
    found = paired_test([0.91, 0.92, 0.93, 0.94, 0.95], [0.1, 0.2, 0.1, 0.2, 0.1])
    assert found.p_signs == found.least_p_signs == 2 / 32
    assert found.p == found.p_t < 1e-4


def test_a_pair_is_compared_seed_by_seed():
    first, second = np.array([0.5, 0.7, 0.9]), np.array([0.49, 0.688, 0.89])
    theirs = stats.ttest_rel(first, second)
    found = paired_test(first, second)
    assert found.p_t == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx(theirs.confidence_interval(0.95))
    assert found.p_t < 0.05 < stats.ttest_ind(first, second).pvalue


def test_where_the_t_test_is_not_defined_the_permutations_decide():
    alike = paired_test([0.5, 0.6, 0.7], [0.25, 0.35, 0.45])
    assert math.isnan(alike.p_t)
    assert alike.p == alike.p_signs == 0.25
    assert paired_test([0.5, 0.6], [0.5, 0.6]).p == 1.0
    single = paired_test([0.5], [0.4])
    assert single.p == 1.0
    assert math.isinf(single.high)


def test_holm_by_hand_and_it_keeps_the_error_of_the_family():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # Holm 1979, section 3
    assert holm([]) == []
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    wrong = [min(holm(list(row))) < 0.05 for row in np.random.default_rng(6).uniform(size=(REPETITIONS, 6))]
    assert np.mean(wrong) <= 0.05 + 0.015


def test_the_test_sets_share_is_binomial():
    draws = np.random.default_rng(7).binomial(7600, 0.91, 20_000) / 7600
    assert sampling_error(0.91, 7600) == pytest.approx(draws.std(), rel=0.02)


def test_rank_correlation_is_spearmans_and_finds_nothing_in_noise():
    generator = np.random.default_rng(8)
    first = generator.normal(size=200)
    second = np.exp(first) + generator.normal(0, 1, 200)
    found, p = rank_correlation(first, second)
    assert found == pytest.approx(stats.spearmanr(first, second).statistic)
    assert p == 1 / 2001
    assert rank_correlation(first, generator.permutation(second))[1] > 0.05
    assert rank_correlation(first, np.ones(200)) == (0.0, 1.0)


def test_a_slope_is_found_with_its_interval():
    sizes = 2.0 ** np.arange(9, 15)
    found = slope(sizes, 3e-5 * sizes**1.5 * np.exp(np.random.default_rng(9).normal(0, 0.05, 6)))
    assert found.low < 1.5 < found.high
    assert found.high - found.low < 0.3
    with pytest.raises(OptionError, match="at least 3 points, got 2"):
        slope([1.0, 2.0], [1.0, 2.0])


@pytest.mark.parametrize("values", [[], [float("nan")], [[1.0, 2.0]]])
def test_what_is_no_list_of_numbers_is_refused(values):
    with pytest.raises(OptionError, match="finite numbers"):
        summary(values)
    with pytest.raises(OptionError, match="same seeds, got 2 and 1"):
        paired_test([1.0, 2.0], [1.0])
