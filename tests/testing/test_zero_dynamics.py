"""Zero dynamics: a gain needs an error bar, and standing still is the baseline."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict
from fieldsolver.testing import check_zero_dynamics


class Decay(nn.Module):
    """exp(-duration) x."""

    def __init__(self) -> None:
        super().__init__()
        self.duration = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return x * math.exp(-self.duration)


X = torch.linspace(0.5, 2, 6).reshape(6, 1)


def errors(target: float):
    """How far each sample's output is from a multiple of its input."""

    def metric(layer: nn.Module) -> Tensor:
        with torch.no_grad():
            return (layer(X) - target * X).abs().flatten()

    return metric


def test_dynamics_that_are_needed() -> None:
    """exp(-1) x is wanted, and standing still gives x."""
    layer = Decay()
    result = check_zero_dynamics(layer, errors(math.exp(-1)), better="lower")
    assert result.status is Verdict.PASS, result.reason
    assert "with dynamics" in result.reason
    assert layer.duration == 1.0
    nested = check_zero_dynamics(nn.Sequential(layer), errors(math.exp(-1)), better="lower")
    assert nested.status is Verdict.PASS


def test_dynamics_that_harm_or_do_nothing() -> None:
    assert check_zero_dynamics(Decay(), errors(1.0), better="lower").status is Verdict.FAIL
    same = check_zero_dynamics(Decay(), lambda layer: [1.0, 2.0, 3.0], better="higher")
    assert same.status is Verdict.FAIL
    assert "the dynamics earn nothing; every score is the same in every digit" in same.reason


def test_a_field() -> None:
    equation = fs.FieldEquation("dx/dt = -k*x", parameters={"k": fs.Parameter(1.0)})
    moving, still = (fs.nn.FieldLayer(equation, duration=duration) for duration in (1.0, 0.0))
    result = check_zero_dynamics(moving, errors(math.exp(-1)), ablated=still, better="lower")
    assert result.status is Verdict.PASS, result.reason


class Sealed(nn.Module):
    @property
    def duration(self) -> float:
        return 1.0


def scores(with_dynamics: list[float], without: list[float]):
    layer, still = nn.Linear(1, 1), nn.Linear(1, 1)
    return layer, lambda one: with_dynamics if one is layer else without, still


def test_a_gain_within_the_noise_is_inconclusive() -> None:
    layer, metric, still = scores([0.70, 0.74, 0.68, 0.72], [0.69, 0.70, 0.71, 0.70])
    result = check_zero_dynamics(layer, metric, ablated=still, better="higher")
    assert result.status is Verdict.INCONCLUSIVE
    assert "use more seeds" in result.reason


def test_the_interval_is_that_of_paired_differences() -> None:
    """Differences 1, 2, 3: mean 2, half width t(0.975, 2) / sqrt(3) = 4.302653 / 1.732051."""
    layer, metric, still = scores([11.0, 102.0, 1003.0], [10.0, 100.0, 1000.0])
    result = check_zero_dynamics(layer, metric, ablated=still, better="higher")
    assert float(result["measured"]) == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)
    narrow = check_zero_dynamics(layer, metric, ablated=still, better="higher", confidence=0.5)
    assert narrow.status is Verdict.PASS


def test_a_single_number_needs_a_margin() -> None:
    layer, metric, still = scores([0.8], [0.7])
    with pytest.raises(OptionError, match="one number, which has no error bar"):
        check_zero_dynamics(layer, metric, ablated=still, better="higher")
    decided = {
        margin: check_zero_dynamics(layer, metric, ablated=still, better="higher", margin=margin).status
        for margin in (0.05, 0.2)
    }
    assert decided == {0.05: Verdict.PASS, 0.2: Verdict.FAIL}


def test_bad_input() -> None:
    layer, metric, still = scores([0.8, 0.9], [0.7])
    with pytest.raises(OptionError, match="2 scores with dynamics and 1 without"):
        check_zero_dynamics(layer, metric, ablated=still, better="higher")
    with pytest.raises(OptionError, match="no part of the layer has a duration"):
        check_zero_dynamics(layer, metric, better="higher")
    with pytest.raises(OptionError, match="the duration of Sealed cannot be set; pass ablated="):
        check_zero_dynamics(Sealed(), metric, better="higher")
    with pytest.raises(OptionError, match="better is 'higher' or 'lower', got 'more'"):
        check_zero_dynamics(layer, metric, ablated=still, better="more")
    with pytest.raises(OptionError, match="expected finite numbers"):
        check_zero_dynamics(layer, lambda one: [math.nan, 1.0], ablated=still, better="higher")
    with pytest.raises(OptionError, match="metric returns a number or a list of numbers"):
        check_zero_dynamics(layer, lambda one: "good", ablated=still, better="higher")
    with pytest.raises(OptionError, match="confidence lies between 0 and 1"):
        check_zero_dynamics(layer, metric, ablated=still, better="higher", confidence=95)
