"""What users of batched curves met: digits lost in float32, and reaches beyond the range of products."""

from __future__ import annotations

import pytest
import torch

from fieldsolver.kernels import gauss_linking_integrals, link_barrier, writhes

ALONG = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)


def across(gap: float) -> torch.Tensor:
    return torch.tensor([[0.0, -1.0, gap], [0.0, 1.0, gap]], dtype=torch.float64)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("gap", [1e-2, 1e-3, 2.0**-12])
def test_float32_loses_no_more_than_its_points(offset: float, gap: float) -> None:
    """Products in float32 missed segments that nearly touch by 2e-4 of 0.5."""
    a, b = (ALONG + offset).float(), (across(gap) + offset).float()
    single, double = gauss_linking_integrals(a, b), gauss_linking_integrals(a.double(), b.double())
    assert single.dtype == torch.float32
    assert float(single) == float(double.float())


def test_float32_writhe_and_gradient_are_those_of_its_points() -> None:
    generator = torch.Generator().manual_seed(0)
    curve = torch.randn(20, 3, generator=generator) + 1000
    for function in (writhes, lambda one: gauss_linking_integrals(one[:9], one[9:])):
        single, double = curve.clone().requires_grad_(), curve.double().requires_grad_()
        values = function(single), function(double)
        assert values[0].item() == values[1].float().item()
        (gradient,), (reference,) = torch.autograd.grad(values[0], single), torch.autograd.grad(values[1], double)
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, reference.float(), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("reach", "value"), [(1e300, 693.0781129912), (1e-300, 0.0), (5e-324, 0.0), (0.2, 0.1732867951)]
)
def test_a_barrier_of_any_reach_is_a_number(dtype: torch.dtype, reach: float, value: float) -> None:
    """A reach of 1e300 gave inf, one of 1e-300 nan; -(1 - x)^2 log x with x = 0.1 / reach."""
    a, b = ALONG.to(dtype).clone().requires_grad_(), across(0.1).to(dtype)
    wall = link_barrier(a, b, reach, closed=(False, False))
    assert wall.item() == pytest.approx(value, rel=1e-6)
    (gradient,) = torch.autograd.grad(wall, a)
    assert gradient.isfinite().all()


def test_a_touching_sample_spoils_no_other_of_the_barrier() -> None:
    a = torch.stack([ALONG, ALONG]).requires_grad_()
    walls = link_barrier(a, torch.stack([across(0.1), across(0.0)]), 0.5, closed=(False, False))
    assert walls.isinf().tolist() == [False, True]
    (gradient,) = torch.autograd.grad(walls.sum(), a)
    assert gradient[0].isfinite().all()
    assert gradient[1].isnan().all()


def test_the_barrier_does_not_depend_on_the_unit() -> None:
    for unit in (2.0**-900, 2.0**900):
        wall = link_barrier(unit * ALONG, unit * across(0.1), 0.2 * unit, closed=(False, False))
        assert float(wall) == pytest.approx(0.1732867951, rel=1e-9)
