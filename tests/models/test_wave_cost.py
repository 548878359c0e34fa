"""What a wave costs: numbers made and products formed grow with the length of the text, not with its square."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from fieldsolver.models.catalogue import build

LENGTHS = [2**k for k in range(7, 12)]


class Written(TorchDispatchMode):
    """Counts the numbers that operations return."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        returned = result if isinstance(result, (tuple, list)) else [result]
        self.count += sum(one.numel() for one in returned if isinstance(one, torch.Tensor))
        return result


def slopes(preset: str, **changes) -> tuple[float, float]:
    """Of the numbers written and of the products, over the length, in doubly logarithmic scales."""
    torch.manual_seed(0)
    model = build("wave_network", preset, vocabulary=30, dim=8, bigrams=50, **changes).eval()
    written, products = [], []
    for length in LENGTHS:
        ids = torch.ones(1, length, dtype=torch.int64)
        with torch.no_grad(), Written() as writing, FlopCounterMode(display=False) as counting:
            model(ids)
        written.append(writing.count)
        products.append(counting.get_total_flops())
    one, other = (np.polyfit(np.log(LENGTHS), np.log(counts), 1)[0] for counts in (written, products))
    return float(one), float(other)


@pytest.mark.parametrize("preset", ["paper", "best", "learnable", "nls", "continuous"])
def test_waves_cost_in_proportion_to_the_text(preset: str) -> None:
    assert slopes(preset) == pytest.approx((1.0, 1.0), abs=0.1)


def test_sums_that_forget_cost_a_logarithm_more() -> None:
    written, products = slopes("causal", mode="interference", pool="mean")
    assert products == pytest.approx(1.0, abs=0.1)
    assert written < 1.2


def test_attention_does_not() -> None:
    assert slopes("hybrid")[0] > 1.5
