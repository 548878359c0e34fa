"""A right-hand side must return a new tensor each time: the stages of a step are kept side by side."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.methods import METHODS

Y0 = torch.ones(2, dtype=torch.float64)


def options(name: str) -> dict:
    return {"method": name} if METHODS[name].error_order is not None else {"method": name, "dt": 0.05}


@pytest.mark.parametrize("name", METHODS)
def test_a_buffer_that_is_written_again_is_refused(name: str) -> None:
    buffer = torch.zeros(2, dtype=torch.float64)
    if METHODS[name].stages == 1:
        pytest.skip("one stage needs no second tensor")
    with pytest.raises(fs.StateError, match="wrote its result over the one before"):
        fs.solve(lambda t, y: torch.neg(y, out=buffer), Y0, t_span=(0, 1), **options(name))


def test_so_is_one_of_numpy() -> None:
    buffer = np.zeros(2)

    def rate(t: Tensor, y: Tensor) -> Tensor:
        np.negative(y.numpy(), out=buffer)
        return torch.from_numpy(buffer)

    with pytest.raises(fs.StateError, match=r"result\.clone"):
        fs.solve(rate, Y0, t_span=(0, 1))


def test_a_constant_that_is_returned_each_time_is_no_mistake() -> None:
    constant = torch.tensor([1.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(fs.solve(lambda t, y: constant, Y0, t_span=(0, 1)).y[-1], Y0 + constant)


def test_odeint_refuses_it_too() -> None:
    buffer, times = torch.zeros(2, dtype=torch.float64), torch.linspace(0, 1, 5, dtype=torch.float64)
    with pytest.raises(fs.StateError, match="wrote its result over the one before"):
        fs.odeint(lambda t, y: torch.neg(y, out=buffer), Y0, times)
    found = fs.odeint(lambda t, y: torch.neg(y, out=buffer).clone(), Y0, times)
    assert found[-1, 0].item() == pytest.approx(math.exp(-1), rel=1e-6)
