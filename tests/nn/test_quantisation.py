"""Weights of eight bits: integers multiplied exactly, the drop measured, samples left alone by their neighbours."""

import copy

import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.nn.int8_layers import Int8Convolution, Int8Linear, rounded
from fieldsolver.nn.quantisation import quantised


def layer(seed=0, hidden=16):
    torch.manual_seed(seed)
    equation = fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi) + stir(phi)",
        grid=fs.Grid((6, 5), extent=(6.0, 5.0)),
        boundary=fs.Neumann(0),
        components={"phi": 4},
        parameters={"D": fs.Parameter(torch.full((4,), 0.1), positive=True)},
        modules={
            "react": nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 4)),
            "stir": fs.Nonlocal(nn.Conv2d(4, 4, 3, padding=1)),
        },
    )
    return fs.nn.FieldLayer(equation, duration=0.3, dt=0.1)


def states(samples=5, seed=1):
    return torch.randn(samples, 4, 6, 5, generator=torch.Generator().manual_seed(seed))


def test_rounding_is_off_by_half_a_scale_at_most():
    rows = torch.randn(7, 33, dtype=torch.float64) * torch.logspace(-6, 6, 7, dtype=torch.float64).unsqueeze(1)
    rows[3] = 0
    q, scale = rounded(rows)
    assert q.dtype == torch.int8
    assert ((q * scale - rows).abs() <= 0.5000001 * scale).all()
    assert (q.abs().amax(1) == torch.tensor([127, 127, 127, 0, 127, 127, 127])).all()


def test_the_linear_layer_is_the_product_of_the_rounded_numbers():
    linear, x = nn.Linear(33, 9).double(), torch.randn(4, 3, 33, dtype=torch.float64)
    weight, row = (q * scale for q, scale in (rounded(linear.weight.detach()), rounded(x.reshape(-1, 33))))
    expected = (row @ weight.t() + linear.bias).reshape(4, 3, 9)
    torch.testing.assert_close(Int8Linear(linear)(x), expected.detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(4, 6, (3, 1), stride=2, dilation=2, bias=False),
        nn.Conv1d(4, 8, 3, padding="same", groups=2),
        nn.Conv3d(4, 2, 2),
    ],
)
def test_a_convolution_keeps_all_but_its_weight(convolution):
    x = torch.randn(2, 4, *[7] * (convolution.weight.dim() - 2))
    small, coarse = Int8Convolution(convolution), copy.deepcopy(convolution)
    q, scale = rounded(convolution.weight.detach().flatten(1))
    coarse.weight.data = (q * scale).reshape(convolution.weight.shape)
    torch.testing.assert_close(small(x), coarse(x), rtol=1e-5, atol=1e-6)
    assert small.weight.dtype == torch.int8


def test_a_layer_loses_little_and_the_report_says_how_much():
    whole, x = layer(), states()
    small, report = quantised(whole, x, score=lambda module: module(x).square().mean().item())
    assert report.converted == (
        "equation.submodules.react.0",
        "equation.submodules.react.2",
        "equation.submodules.stir.module",
    )
    assert report.kept == ()
    expected = (small(x) - whole(x)).flatten(1).norm(dim=1) / whole(x).flatten(1).norm(dim=1)
    torch.testing.assert_close(report.change, expected.detach())
    assert 1e-5 < report.change.max() < 0.02
    assert report.score_before == pytest.approx(whole(x).square().mean().item())
    assert report.score_after == pytest.approx(report.score_before, rel=0.02)
    assert "relative change of the output: median" in str(report)
    assert "score: " in str(report)


def test_large_weights_shrink_to_a_quarter():
    _, report = quantised(nn.Sequential(nn.Linear(256, 256), nn.Linear(256, 256)), torch.randn(2, 256))
    assert report.bytes_after < 0.27 * report.bytes_before


def test_neighbours_change_nothing():
    small, _ = quantised(layer(), states())
    x = states()
    together = small(x)
    x[1:] *= 100
    torch.testing.assert_close(small(x)[0], together[0], rtol=1e-6, atol=1e-7)


def test_the_layer_itself_is_as_it_was():
    whole, x = layer().train(), states()
    before = whole(x)
    quantised(whole, x)
    assert torch.equal(whole(x), before)
    assert whole.training
    assert all(parameter.is_floating_point() for parameter in whole.parameters())


def test_computed_and_shared_weights_are_left_alone():
    bounded = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
    tied = nn.Linear(4, 4)
    twin = nn.Linear(4, 4)
    twin.weight = tied.weight
    _, report = quantised(nn.Sequential(bounded, tied, twin, nn.Linear(4, 4)), torch.randn(3, 4))
    assert report.converted == ("3",)
    assert report.kept == ("0", "1", "2")
    assert "left alone: 0, 1, 2" in str(report)


def test_nothing_to_quantise_is_refused():
    decay = fs.nn.FieldLayer(fs.FieldEquation("dx/dt = -x", components={"x": 2}), duration=0.1)
    with pytest.raises(fs.OptionError, match=r"no nn\.Linear or convolution .* in FieldLayer"):
        quantised(decay, torch.ones(1, 2))


def test_quantised_layers_can_be_exported():
    from fieldsolver.nn.export import export

    small, _ = quantised(layer(), states())
    torch.testing.assert_close(export(small, states()).module()(states(2)), small(states(2)), rtol=1e-5, atol=1e-5)
