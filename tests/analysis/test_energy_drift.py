"""Intervals of the drift cover what they promise; oscillation and random walk are told from a drift."""

import numpy as np
import pytest

from fieldsolver.analysis.budgets.drift import growth_exponent, linear_drift
from fieldsolver.analysis.budgets.oscillation import find_oscillation


def autoregressive(rho, n, rng):
    white = rng.standard_normal(n + 300)
    series = np.zeros(n + 300)
    for i in range(1, n + 300):
        series[i] = rho * series[i - 1] + white[i]
    return series[300:]


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_interval_covers_the_slope_of_coloured_noise(rho):
    """120 series with a true slope: 95 % intervals cover it in at least 90 % (three standard errors below)."""
    rng = np.random.default_rng(int(100 * rho))
    t, n, runs = np.arange(300.0), 300, 120
    slope = 0.02
    found = [linear_drift(t, slope * t + autoregressive(rho, n, rng), 0.95) for _ in range(runs)]
    covered = np.mean([one.lo <= slope <= one.hi for one in found])
    assert covered >= 0.89
    slopes, halves = np.array([one.slope for one in found]), np.array([(one.hi - one.lo) / 2 for one in found])
    assert np.median(halves) < 2.5 * 1.96 * slopes.std()  # not by being endlessly wide


def test_an_ordinary_regression_would_not_cover():
    """The reason for all this: under rho = 0.9 its 95 % intervals cover less than two thirds."""
    rng = np.random.default_rng(7)
    t, covered = np.arange(300.0), []
    centred = t - t.mean()
    for _ in range(120):
        values = autoregressive(0.9, 300, rng)
        slope = centred @ values / (centred @ centred)
        rest = values - values.mean() - slope * centred
        covered.append(abs(slope) <= 1.97 * np.sqrt(rest @ rest / 298 / (centred @ centred)))
    assert np.mean(covered) < 2 / 3


@pytest.mark.parametrize("phase", [0.0, 0.7, 2.0, 3.9])
@pytest.mark.parametrize("frequency", [0.2, 1.0, 2.0, 7.3])
def test_an_oscillation_is_no_drift(frequency, phase):
    t = np.linspace(0, 40, 401)
    found = linear_drift(t, 1e-3 * np.sin(frequency * t + phase), 0.95)
    assert found.lo <= 0 <= found.hi
    if frequency * 40 / (2 * np.pi) >= 2:  # of less than two periods no oscillation is claimed
        assert found.amplitude == pytest.approx(1e-3, rel=2e-2)
        assert found.period == pytest.approx(2 * np.pi / frequency, rel=1e-3)


def test_spikes_once_a_period_are_an_oscillation():
    """As of an eccentric orbit under a symplectic method."""
    t = np.linspace(0, 100, 1001)
    found = linear_drift(t, 1e-3 / (1.3 + np.cos(1.1 * t)) - 2e-6 * t, 0.95)
    assert found.period == pytest.approx(2 * np.pi / 1.1, rel=1e-3)
    assert found.slope == pytest.approx(-2e-6, rel=0.05)
    assert found.is_secular


def test_growth_exponents_tell_drift_walk_and_bounded():
    rng = np.random.default_rng(3)
    steps = rng.standard_normal(4000)
    assert growth_exponent(np.cumsum(steps)) == pytest.approx(0.5, abs=0.12)  # round-off: Brouwer's law
    assert growth_exponent(np.arange(4000.0)) == pytest.approx(1, abs=1e-9)
    assert growth_exponent(steps) == pytest.approx(0, abs=0.05)


def test_a_random_walk_of_round_off_is_no_drift():
    rng = np.random.default_rng(5)
    walks = [linear_drift(np.arange(400.0), 1e-16 * np.cumsum(rng.standard_normal(400)), 0.95) for _ in range(40)]
    assert np.mean([one.is_secular for one in walks]) <= 0.25


def test_noise_has_no_period_and_short_series_no_interval():
    rng = np.random.default_rng(1)
    t = np.arange(200.0)
    assert find_oscillation(t, rng.standard_normal(200)) is None
    assert find_oscillation(t, np.zeros(200)) is None
    short = linear_drift(t[:5], 2 * t[:5], 0.95)
    assert short.slope == pytest.approx(2)
    assert np.isnan(short.lo)
    assert np.isnan(linear_drift(t[:1], t[:1], 0.95).slope)


def test_long_series_are_averaged_first():
    t = np.linspace(0, 100, 20_001)
    found = linear_drift(t, 1e-3 * np.sin(3 * t) + 1e-5 * t, 0.95)
    assert found.slope == pytest.approx(1e-5, rel=1e-2)


def test_a_constant_has_no_drift_beyond_its_rounding():
    found = linear_drift(np.arange(50.0), np.full(50, 0.3), 0.95)
    assert found.lo < 0 < found.hi
    assert abs(found.slope) < 1e-16
