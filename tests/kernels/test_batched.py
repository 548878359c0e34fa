"""Batches in torch: the values of the compiled sums, gradients of differences, zero where it is zero by definition."""

from __future__ import annotations

import pytest
import torch

from fieldsolver.errors import CurveError, OptionError
from fieldsolver.kernels import (
    gauss_linking_integral,
    gauss_linking_integrals,
    link_barrier,
    linking_number,
    linking_numbers,
    writhe,
    writhes,
)

CLOSED = [(False, False), (True, False), (False, True), (True, True)]


def chains(*sizes: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, n, 3, dtype=torch.float64, generator=generator).requires_grad_() for n in sizes]


@pytest.mark.parametrize("closed", CLOSED)
def test_gauss_integrals(closed: tuple[bool, bool], device: str) -> None:
    a, b = (chain.detach().to(device).requires_grad_() for chain in chains(5, 6))
    values = gauss_linking_integrals(a, b, closed=closed)
    for one, two, value in zip(a, b, values.detach(), strict=True):
        assert float(value) == pytest.approx(gauss_linking_integral(one, two, closed=closed).value, abs=1e-13)
    torch.autograd.gradcheck(lambda a, b: gauss_linking_integrals(a, b, closed=closed), (a, b))
    torch.autograd.gradgradcheck(lambda a, b: gauss_linking_integrals(a, b, closed=closed), (a, b))


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("points", [3, 4, 5, 8])
def test_writhes(points: int, closed: bool) -> None:
    (curve,) = chains(points, seed=points)
    values = writhes(curve, closed=closed)
    for one, value in zip(curve, values.detach(), strict=True):
        assert float(value) == pytest.approx(writhe(one, closed=closed), abs=1e-13)
    torch.autograd.gradcheck(lambda c: writhes(c, closed=closed), (curve,))


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = chains(9, 7)
    whole = gauss_linking_integrals(a, b)
    monkeypatch.setattr("fieldsolver.kernels.topology.batched.ENTRIES", 5)
    torch.testing.assert_close(gauss_linking_integrals(a, b), whole, rtol=0, atol=1e-14)


def test_torch_func() -> None:
    (curve,) = chains(7)
    one_by_one = torch.stack([torch.func.grad(writhes)(sample) for sample in curve.detach()])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(writhes))(curve.detach()), one_by_one)


def test_linking_numbers_have_no_gradient() -> None:
    a, b = chains(20, 15)
    found = linking_numbers(a, b)
    assert found.proved.all()
    assert found.values.tolist() == [linking_number(one, two).value for one, two in zip(a, b, strict=True)]
    (found.values * 3).sum().backward()
    assert a.grad is not None
    assert not a.grad.any()
    assert not b.grad.any()


def test_touching_samples_spoil_no_neighbour() -> None:
    square = torch.tensor([(1.0, 1, 0), (-1, 1, 0), (-1, -1, 0), (1, -1, 0)])
    through = torch.tensor([(0.0, 0, -1), (0, 0, 1), (3, 0, 1), (3, 0, -1)])
    touching = through + torch.tensor([1.0, 0.0, 0.0])
    found = linking_numbers(torch.stack([square, square]), torch.stack([through, touching]))
    assert found.proved.tolist() == [True, False]
    assert found.values[0] == 1
    assert found.values[1].isnan()


def test_the_barrier_is_felt_within_its_reach_alone() -> None:
    line = torch.tensor([(-1.0, 0, 0), (1, 0, 0)], dtype=torch.float64)
    other = torch.tensor([(0.0, -1, 0), (0, 1, 0)], dtype=torch.float64)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)

    def barrier(height: float) -> float:
        return float(link_barrier(line, other + height * up, 0.5, closed=(False, False)))

    assert barrier(0.6) == 0
    assert barrier(0.4) == pytest.approx(-((1 - 0.8) ** 2) * torch.tensor(0.8).double().log().item())
    assert barrier(0.01) > barrier(0.1) > barrier(0.4) > 0
    a, b = chains(4, 5)
    torch.autograd.gradcheck(lambda a, b: link_barrier(a, b, 3.0), (a, b))


def test_descent_keeps_the_link_with_the_barrier() -> None:
    t = torch.linspace(0, 2 * torch.pi, 25, dtype=torch.float64)[:-1]
    a = torch.stack([t.cos(), t.sin(), 0 * t], dim=-1)
    b = torch.stack([1 + t.cos(), 0 * t, t.sin()], dim=-1).requires_grad_()
    before = linking_numbers(a, b).values
    for _ in range(60):  # pulls b away; without the barrier it passes through a
        loss = -b[:, 0].mean() + link_barrier(a, b, 0.3)
        (gradient,) = torch.autograd.grad(loss, b)
        with torch.no_grad():
            b -= 0.02 * gradient / gradient.norm(dim=-1, keepdim=True).clamp_min(1.0)
    after = linking_numbers(a, b)
    assert after.proved
    assert after.values == before != 0


def test_shapes_are_checked() -> None:
    a, b = chains(4, 4)
    with pytest.raises(CurveError, match="one batch shape"):
        gauss_linking_integrals(a, b[0])
    with pytest.raises(CurveError, match="one batch shape"):
        gauss_linking_integrals(a, b.float())
    with pytest.raises(CurveError, match=r"expected \(\*batch, N, 3\)"):
        writhes(a[..., :2])
    with pytest.raises(CurveError, match="floating-point tensor"):
        writhes(torch.zeros(3, 3, dtype=torch.int64))
    with pytest.raises(CurveError, match="floating-point tensor"):
        linking_numbers(a.to(torch.complex128), b.to(torch.complex128))
    with pytest.raises(CurveError, match="floating-point tensor"):
        linking_numbers(a.detach().numpy(), b.detach().numpy())
    with pytest.raises(OptionError, match="reach"):
        link_barrier(a, b, 0.0)
