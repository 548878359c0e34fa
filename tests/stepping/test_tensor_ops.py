"""The torch namespace of step-size control means what NumPy means, for every special value and for numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from fieldsolver.stepping import tensor_ops

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.5, 1e-308, 5e-324, -5e-324, 1e308, math.pi, math.inf, -math.inf, math.nan]
NUMBERS = [0.0, 1.0, 0.2, -3.0, 10.0, math.inf, -math.inf, math.nan]
PAIRS = ["maximum", "minimum", "fmax", "fmin"]
UNARY = ["abs", "arctan", "isfinite", "zeros_like"]

A, B = (values.ravel() for values in np.meshgrid(np.array(SPECIAL), np.array(SPECIAL)))


def same(got: torch.Tensor, expected: np.ndarray, ulps: int = 0) -> None:
    assert got.dtype == torch.from_numpy(expected).dtype
    got = got.cpu().numpy()
    if ulps:
        np.testing.assert_array_max_ulp(got, expected, ulps)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", PAIRS)
def test_two_tensors(name: str, device: torch.device) -> None:
    got = getattr(tensor_ops, name)(torch.from_numpy(A).to(device), torch.from_numpy(B).to(device))
    same(got, getattr(np, name)(A, B))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_tensor_and_a_number_in_either_order(name: str, number: float, device: torch.device) -> None:
    ours, theirs, tensor = (
        getattr(tensor_ops, name),
        getattr(np, name),
        torch.tensor(SPECIAL, dtype=torch.float64, device=device),
    )
    values = np.array(SPECIAL)
    same(ours(tensor, number), theirs(values, number))
    same(ours(number, tensor), theirs(number, values))


@pytest.mark.parametrize("name", PAIRS)
def test_integers_meet_numbers_as_in_numpy(name: str) -> None:
    ours, theirs, values = getattr(tensor_ops, name), getattr(np, name), np.arange(5)
    same(ours(torch.from_numpy(values), 2), theirs(values, 2))
    same(ours(torch.from_numpy(values), 2.5), theirs(values, 2.5))


@pytest.mark.parametrize("name", PAIRS)
def test_two_numbers_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="expected a tensor and a number"):
        getattr(tensor_ops, name)(1.0, 2.0)


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_tensor(name: str, device: torch.device) -> None:
    values = np.array(SPECIAL)
    same(getattr(tensor_ops, name)(torch.from_numpy(values).to(device)), getattr(np, name)(values), name == "arctan")


def test_full_like(device: torch.device) -> None:
    same(tensor_ops.full_like(torch.zeros(3, dtype=torch.float64, device=device), 0.1), np.full_like(np.zeros(3), 0.1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_spacing(dtype: type, device: torch.device) -> None:
    largest = float(np.finfo(dtype).max)
    values = np.array([0.0, 1.0, 1.5, 2.0, 1e-30, 1e30, math.pi, largest / 2, math.inf, math.nan], dtype=dtype)
    values = np.concatenate((values, -values[1:]))  # NumPy gives the one 0 no sign
    with np.errstate(invalid="ignore"):
        expected = np.spacing(values)
    same(tensor_ops.spacing(torch.from_numpy(values).to(device)), expected)


CONDITION = np.array([True, False, True])
BRANCHES: dict[str, tuple] = {
    "two numbers": (1.0, 0.1),
    "array and number": (np.array([1.0, 2.0, 3.0]), 0.1),
    "number and array": (0.1, np.array([1.0, 2.0, math.nan])),
    "two arrays": (np.array([1.0, 2.0, 3.0]), np.array([4.0, math.inf, math.nan])),
    "integers and a whole number": (np.array([1, 2, 3]), 7),
    "integers and a number": (np.array([1, 2, 3]), 0.5),
    "a number and integers": (0.5, np.array([1, 2, 3])),
    "single precision and a number": (np.array([1, 2, 3], dtype=np.float32), 0.5),
}


@pytest.mark.parametrize("case", BRANCHES)
def test_where(case: str, device: torch.device) -> None:
    def on_device(value: float | np.ndarray) -> float | torch.Tensor:
        return torch.from_numpy(value).to(device) if isinstance(value, np.ndarray) else value

    x, y = BRANCHES[case]
    got = tensor_ops.where(torch.from_numpy(CONDITION).to(device), on_device(x), on_device(y))
    same(got, np.where(CONDITION, x, y))


@pytest.mark.parametrize("name", PAIRS)
def test_nothing_depends_on_values(name: str) -> None:
    x = torch.empty(4, dtype=torch.float64, device="meta")
    for result in (getattr(tensor_ops, name)(x, 0.3), tensor_ops.where(x > 0.5, 1.0, 0.1), tensor_ops.spacing(x)):
        assert (result.shape, result.dtype) == (x.shape, x.dtype)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_nothing_is_read_back_from_the_device() -> None:
    x = torch.rand(4, dtype=torch.float64, device="cuda")
    calls: list[Callable[[], object]] = [
        lambda: tensor_ops.where(x > 0.5, 1.0, 0.1),
        lambda: tensor_ops.spacing(x),
        lambda: tensor_ops.full_like(x, 0.1),
        *(lambda name=name: getattr(tensor_ops, name)(x, 0.3) for name in PAIRS),
        *(lambda name=name: getattr(tensor_ops, name)(x) for name in UNARY),
    ]
    torch.cuda.set_sync_debug_mode("error")
    try:
        for call in calls:
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")
