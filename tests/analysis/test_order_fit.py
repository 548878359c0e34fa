"""The order of synthetic ladders whose law is known exactly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsolver.analysis import fit_order
from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict

H = 2.0 ** -np.arange(2, 9)


def test_an_exact_square_law_passes_with_no_width():
    fit = fit_order(H, H**2, expected=2)
    assert fit.status is Verdict.PASS
    assert fit.order == pytest.approx(2, abs=1e-9)
    assert fit.order_hi - fit.order_lo < 1e-7
    assert fit.fit.model.name == "pure"


@pytest.mark.parametrize("expected", [1, 2, 3])
@pytest.mark.parametrize("levels", [slice(0, 4), slice(0, 5), slice(3, 7), slice(0, 7)])
def test_a_law_that_changes_its_order_never_passes(expected, levels):
    """physverify 0.6 passes this ladder as order 2; the slopes run from 2.98 to 1.2."""
    fit = fit_order(H[levels], (1e-3 * H + 5 * H**3)[levels], expected=expected)
    assert fit.status in (Verdict.PRE_ASYMPTOTIC, Verdict.INCONCLUSIVE, Verdict.FAIL)
    assert fit.status is not Verdict.FAIL or expected == 3


def test_the_order_behind_a_next_order_term_is_extrapolated():
    fit = fit_order(H, 1e-3 * H + 5 * H**3)
    assert fit.status is Verdict.PRE_ASYMPTOTIC
    assert fit.order == pytest.approx(1, abs=1e-6)
    assert fit.fit.next_coefficient == pytest.approx(5000, rel=1e-5)
    assert "run h = 0.00195" in fit.reason


def test_once_the_slopes_have_settled_the_same_law_passes_at_its_true_order_only():
    h = 2.0 ** -np.arange(2, 13)
    errors = 1e-3 * h + 5 * h**3
    assert fit_order(h, errors, expected=1).status is Verdict.PASS
    assert fit_order(h, errors, expected=2).status is Verdict.FAIL


def test_a_floor_is_found_and_the_order_above_it():
    fit = fit_order(H, H**4 + 1e-9, expected=4)
    assert fit.status is Verdict.ROUNDOFF_LIMITED
    assert fit.order == pytest.approx(4, abs=1e-3)
    assert fit.floor == pytest.approx(1e-9, rel=1e-3)


def test_a_declared_floor_is_permission_to_ignore_it():
    fit = fit_order(H, H**4 + 1e-9, expected=4, floor=1e-9)
    assert fit.status is Verdict.PASS
    assert not fit.used[-1]


def test_a_floor_does_not_hide_a_lower_order():
    assert fit_order(H, H**4 + 1e-9, expected=5).status is Verdict.FAIL


@pytest.mark.parametrize("seed", range(6))  # at 0 the finest error is small by chance
def test_scattered_round_off_is_left_out_of_the_fit(seed):
    h = 2.0 ** -np.arange(2, 14)
    noise = 1e-13 * np.random.default_rng(seed).standard_normal(h.size)
    fit = fit_order(h, np.abs(1e-2 * h**4 + noise), expected=4)
    assert fit.status is Verdict.ROUNDOFF_LIMITED
    assert fit.order == pytest.approx(4, abs=0.05)


def test_a_clearly_lower_order_fails():
    fit = fit_order(H, 3 * H, expected=2)
    assert fit.status is Verdict.FAIL
    assert "clearly lower than 2" in fit.reason


def test_a_higher_order_does_not_prove_the_claim():
    fit = fit_order(H, H**4, expected=2)
    assert fit.status is Verdict.INCONCLUSIVE
    assert "higher than 2" in fit.reason


@pytest.mark.parametrize("errors", [0 * H + 0.1, 0.1 + H**2, 1 / H])
def test_errors_that_do_not_tend_to_zero_fail(errors):
    fit = fit_order(H, errors, expected=2)
    assert fit.status is Verdict.FAIL
    assert "stop decreasing" in fit.reason


@pytest.mark.parametrize("errors", [0 * H, 0 * H + 1e-15])
def test_errors_at_round_off_measure_nothing(errors):
    assert fit_order(H, errors, expected=2).status is Verdict.ROUNDOFF_LIMITED


def test_exact_zeros_at_the_fine_end_are_a_floor():
    fit = fit_order(H, [1e-3, 1e-4, 1e-5, 1e-6, 0, 0, 0])
    assert fit.status is Verdict.ROUNDOFF_LIMITED
    assert fit.used.tolist() == [True] * 4 + [False] * 3


@pytest.mark.parametrize("levels", [1, 2])
def test_too_few_levels_say_what_to_run_next(levels):
    fit = fit_order(H[:levels], H[:levels] ** 2, expected=2)
    assert fit.status is Verdict.INCONCLUSIVE
    assert "3 are needed" in fit.reason
    assert "next" in fit.reason
    assert math.isnan(fit.order)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_failed_run_is_named(bad):
    fit = fit_order(H, np.where(H > 0.2, bad, H**2), expected=2)
    assert fit.status is Verdict.INCONCLUSIVE
    assert "h = 0.25" in fit.reason


def test_large_noise_is_too_wide_to_decide():
    noise = np.exp(0.5 * np.random.default_rng(1).standard_normal(H.size))
    assert fit_order(H, H**2 * noise, expected=2).status is Verdict.INCONCLUSIVE


def test_a_series_is_extrapolated_to_its_leading_order():
    """tan h - h = h^3/3 (1 + 2 h^2/5 + ...)."""
    fit = fit_order(H, np.tan(H) - H, expected=3)
    assert fit.status is Verdict.PASS
    assert fit.order == pytest.approx(3, abs=1e-3)
    assert fit.fit.coefficient == pytest.approx(1 / 3, rel=1e-3)
    assert fit.fit.next_coefficient == pytest.approx(2 / 5, rel=0.05)


@given(
    p=st.floats(0.5, 8),
    coefficient=st.floats(1e-3, 1e3),
    ratio=st.floats(1.3, 3),
    scale=st.floats(1e-3, 1e3),
)
def test_the_order_of_a_power_law_is_found_whatever_the_units(p, coefficient, ratio, scale):
    h = scale * ratio ** -np.arange(6.0)
    fit = fit_order(h, coefficient * (h / scale) ** p, floor=0.0)
    assert fit.order == pytest.approx(p, abs=1e-6)
    assert fit.status in (Verdict.PASS, Verdict.ROUNDOFF_LIMITED)


@pytest.mark.parametrize(
    ("h", "errors", "options", "sentence"),
    [
        ([0.1, 0.2], [1, 2], {}, "must decrease"),
        ([0.2, 0.2], [1, 2], {}, "no repeats"),
        ([0.2, 0.1], [1], {}, "one number per level"),
        ([0.2, -0.1], [1, 1], {}, "positive and finite"),
        ([0.2, 0.1], [1, -1], {}, "cannot be negative"),
        ([0.2, 0.1], ["a", 1], {}, "sequences of numbers"),
        ([0.2, 0.1], [1, 0.5], {"expected": -1}, "claimed order"),
        ([0.2, 0.1], [1, 0.5], {"floor": -1}, "not negative"),
        ([0.2, 0.1], [1, 0.5], {"confidence": 95}, "between 0 and 1"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(h, errors, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        fit_order(h, errors, **options)
