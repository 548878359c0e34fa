"""Smooth curves that were linked otherwise than equal steps showed, and work without end."""

from __future__ import annotations

import numpy as np
import pytest

from fieldsolver.errors import CurveError, OptionError
from fieldsolver.kernels import SmoothCurve, smooth_linking_number
from fieldsolver.kernels.topology import refined_curve, smooth, smooth_curve
from fieldsolver.results import Verdict


def core(acceleration: float | None = None) -> SmoothCurve:
    return SmoothCurve(lambda t: np.stack([np.cos(t), np.sin(t), 0 * t], axis=1), acceleration=acceleration)


def winding(times: int, acceleration: float | None = None) -> SmoothCurve:
    """Around the core so many times, at a distance of 0.3: the linking number is -times."""

    def points(t: np.ndarray) -> np.ndarray:
        radius = 1 + 0.3 * np.cos(times * t)
        return np.stack([radius * np.cos(t), radius * np.sin(t), 0.3 * np.sin(times * t)], axis=1)

    return SmoothCurve(points, acceleration=acceleration)


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> int:
    """As many samples in equal steps as the windings of the tests: they all see the same place of the winding."""
    for module in (smooth_curve, refined_curve):
        monkeypatch.setattr(module, "SAMPLES", 256)
    return 256


@pytest.mark.parametrize("factor", [1, 2])
def test_a_winding_that_fits_into_the_steps_is_seen(few_samples: int, factor: int) -> None:
    """It was PASS with 0: corners and samples in equal steps lie on one circle."""
    found = smooth_linking_number(winding(factor * few_samples), core())
    assert (found.status, found.value) == (Verdict.PASS, -factor * few_samples)


@pytest.mark.slow  # 70 million pairs of segments
def test_a_winding_that_fits_into_all_2048_steps_is_seen() -> None:
    assert smooth_linking_number(winding(2048), core()).value == -2048


def test_a_winding_too_fine_to_resolve_has_no_number(few_samples: int) -> None:
    """The more often points between the corners contradict the estimate, the larger it gets, up to the limits."""
    found = smooth_linking_number(winding(1000 * few_samples), core(), most_segments=2000)
    assert found.status is Verdict.UNRESOLVED
    assert "raise most_segments" in found.reason


def test_a_wrong_acceleration_that_fits_into_the_steps_is_refused() -> None:
    """Samples in equal steps see a circle with |r''| = 1.3."""
    for times in (2048, 4096):
        with pytest.raises(CurveError, match=r"acceleration=1\.5 is no bound of the second derivative of a"):
            smooth_linking_number(winding(times, 1.5), core(1.0))


def test_points_between_the_corners_lie_in_no_equal_steps() -> None:
    seen: list[np.ndarray] = []
    curve = SmoothCurve(lambda t: (seen.append(t), core().function(t))[1])
    polygon = refined_curve.RefinedCurve(curve, "a")
    assert not polygon.corrected()
    places = np.sort(np.mod(seen[-1], curve.period)) / curve.period
    assert len(places) >= smooth_curve.SAMPLES
    for waves in (64, 128, 2048, 4096):  # that every corner sees in the same phase: here phases cover the circle
        assert abs(np.exp(2j * np.pi * waves * places).mean()) < 0.05


@pytest.mark.parametrize("acceleration", [1e9, 1e300])
def test_a_huge_acceleration_ends_soon(monkeypatch: pytest.MonkeyPatch, acceleration: float) -> None:
    """It ran for minutes: every pair of 65,536 segments was looked at, and summed for a result that had no number."""
    pairs, sums = [], []
    look, link = smooth._close, smooth.linking_result
    monkeypatch.setattr(smooth, "_close", lambda one, two: (pairs.append(one.size * two.size), look(one, two))[1])
    monkeypatch.setattr(smooth, "linking_result", lambda one, two: (sums.append(one), link(one, two))[1])
    curves = SmoothCurve(core().function, acceleration=acceleration), core(1.0)
    found = smooth_linking_number(*curves, most_pairs=10**7)
    assert found.status is Verdict.UNRESOLVED
    assert "raise most_pairs" in found.reason
    assert max(pairs) <= 10**7
    assert not sums  # of more pairs than are summed for nothing
    assert np.isnan(float(found["min_distance"]))
    assert int(found["segments_a"]) * int(found["segments_b"]) > 10**7


def test_chords_that_are_plainly_too_close_are_so_by_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes only save work: what they call too close, the search over all pairs calls so too."""
    upright = SmoothCurve(lambda t: core().function(t)[:, [0, 2, 1]] + [1.999, 0, 0], acceleration=1.0)
    one, two = refined_curve.RefinedCurve(core(1.0), "a"), refined_curve.RefinedCurve(upright, "b")
    whole = smooth._close(one, two)
    monkeypatch.setattr(smooth, "FEW_PAIRS", 1)
    for few in (64, 8):
        monkeypatch.setattr(smooth, "PROBES", few)
        for probed, near in zip(smooth._close(one, two), whole, strict=True):
            assert probed.any()
            assert not (probed & ~near).any()
            assert not near.all()


@pytest.mark.parametrize("value", ["ab", None, 0, 4095, np.nan, 1e9, True])
def test_most_pairs_is_a_whole_number(value: object) -> None:
    with pytest.raises(OptionError, match="most_pairs is a whole number"):
        smooth_linking_number(core(1.0), core(1.0), most_pairs=value)
