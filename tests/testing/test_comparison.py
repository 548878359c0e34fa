"""Comparisons: relative to the right scale, and never blind to NaN."""

from __future__ import annotations

import math

import pytest
import torch

from fieldsolver.errors import OptionError
from fieldsolver.testing.comparison import (
    change,
    change_per_sample,
    gradient_change,
    norm_change,
    relative,
    threshold_for,
    worst,
)
from fieldsolver.testing.layer_result import Part, judged


def test_nan_is_the_worst_wherever_it_stands() -> None:
    for values in ([math.nan, 1.0], [1.0, math.nan], [0.0, math.nan, 2.0]):
        assert math.isnan(worst(values))
    assert worst([1.0, 3.0, 2.0]) == 3.0
    assert worst([]) == 0.0


def test_nothing_by_nothing_is_nothing() -> None:
    assert relative(0.0, 0.0) == 0.0
    assert relative(1e-300, 0.0) == math.inf
    assert relative(1.0, 4.0) == 0.25
    assert math.isnan(relative(math.nan, 1.0))


def test_scales() -> None:
    before = torch.tensor([[1.0, 2.0], [100.0, 200.0]])
    now = before + torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert change(now, before) == pytest.approx(1 / 200)
    assert change_per_sample(now, before) == pytest.approx(1 / 2)
    assert norm_change(now, before) == pytest.approx(1 / math.sqrt(1 + 4 + 1e4 + 4e4))


def test_gradients_of_round_off_are_not_compared_with_themselves() -> None:
    large, nothing = torch.tensor([1.0, 2.0]), torch.tensor([1e-9])
    assert gradient_change([large, -nothing], [large, nothing]) == pytest.approx(2e-9 / (0.01 * 2.0))
    assert gradient_change([large * 1.001, nothing], [large, nothing]) == pytest.approx(1e-3, rel=1e-3)
    small = torch.tensor([0.1])
    assert gradient_change([large, small * 1.1], [large, small]) == pytest.approx(0.1)


@pytest.mark.parametrize(("dtype", "expected"), [(torch.float32, 1e-5), (torch.complex128, 1e-10)])
def test_thresholds(dtype: torch.dtype, expected: float) -> None:
    assert threshold_for(torch.zeros(1, dtype=dtype), None) == expected
    assert threshold_for(torch.zeros(1, dtype=dtype), 0.5) == 0.5
    with pytest.raises(OptionError, match="threshold is a positive number, got nan"):
        threshold_for(torch.zeros(1, dtype=dtype), math.nan)


def test_a_part_that_is_nan_holds_on_neither_side() -> None:
    for above in (False, True):
        part = Part("lost", math.nan, 1.0, above)
        assert not part.holds
        result = judged("check", [Part("fine", 0.0, 1.0), part], "good", "bad", {})
        assert result.reason.startswith("bad: lost nan")
        assert math.isnan(float(result["measured"]))


def test_the_worst_part_is_shown() -> None:
    parts = [Part("a", 0.2, 1.0), Part("b", 3.0, 1.0), Part("c", 30.0, 20.0), Part("d", 5.0, 4.0, above=True)]
    result = judged("check", parts, "good", "bad", {})
    assert result.reason == "bad: b 3, allowed: 1 (2 of 4 parts fail)"
    least = judged("check", [Part("d", 5.0, 4.0, above=True), Part("e", 9.0, 4.0, above=True)], "good", "bad", {})
    assert least.reason == "good (least of 2: d 5, needed: more than 4)"
