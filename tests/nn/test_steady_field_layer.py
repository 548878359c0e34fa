"""`SteadyFieldLayer`: closed forms, gradients of the root, samples by themselves, certificates."""

import math

import pytest
import torch

import fieldsolver as fs

TIGHT = {"rtol": 1e-9, "atol": 1e-11}


def cubic(**options):
    """0 = a - y - y^3 has one real root."""
    equation = fs.FieldEquation("dy/dt = a - k*y - y**3", parameters={"a": 0.0, "k": fs.Parameter(1.0, positive=True)})
    until = fs.SteadyState(atol=1e-12, rtol=1e-12, max_time=100.0)
    return fs.nn.SteadyFieldLayer(equation, **{"until": until, "inputs": "a", "initial": 0.0, **TIGHT, **options})


def contractive(margin=2.0, diffusion="D*laplacian(phi) + ", **options):
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        f"dphi/dt = {diffusion}net(phi, drive)",
        grid=fs.Grid(6, extent=1.0),
        boundary=fs.Neumann(0),
        components={"phi": 3},
        parameters={"drive": torch.zeros(2)} | ({"D": 0.01} if "D" in diffusion else {}),
        modules={"net": fs.nn.Contractive(3, inputs=2, hidden=(8,), margin=margin, strength=2.0)},
    ).double()
    until = fs.SteadyState(atol=1e-9, rtol=1e-9, max_time=100.0)
    return fs.nn.SteadyFieldLayer(equation, **{"until": until, "inputs": "drive", "initial": 0.0, "dt": 0.1, **options})


def root(a):
    """Of y + y^3 = a, by Cardano."""
    a = a.double()
    r = torch.sqrt(a**2 / 4 + 1 / 27)
    real_cbrt = lambda v: v.sign() * v.abs() ** (1 / 3)  # noqa: E731 - one line of mathematics
    return real_cbrt(a / 2 + r) + real_cbrt(a / 2 - r)


def test_root_and_gradient_in_closed_form():
    """dy/da = 1/(1 + 3 y^2), dy/dlog k = -k y/(1 + 3 y^2)."""
    layer = cubic()
    a = torch.tensor([[-3.0], [0.2], [1.0], [10.0]], dtype=torch.float64, requires_grad=True)
    y = layer(a)
    torch.testing.assert_close(y.detach(), root(a.detach()), rtol=1e-9, atol=1e-10)
    y.sum().backward()
    slope = 1 / (1 + 3 * y.detach() ** 2)
    torch.testing.assert_close(a.grad, slope, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(layer.equation.raw["k"].grad, -(y.detach() * slope).sum(), rtol=1e-8, atol=1e-9)


def test_implicit_is_the_gradient_of_a_long_run():
    x = torch.randn(2, 2, dtype=torch.float64)
    gradients = []
    for mode in ("implicit", "direct"):
        layer = contractive(gradient=mode, readout={"phi": [0, 2]})
        output = layer(x)
        assert output.shape == (2, 2, 6)
        output.pow(2).sum().backward()
        gradients.append([p.grad for p in layer.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_neighbours_change_neither_state_nor_gradient():
    layer = cubic()
    a = torch.tensor([[0.3], [50.0], [-0.01]], dtype=torch.float64, requires_grad=True)
    y = layer(a)
    (gradient,) = torch.autograd.grad(y.sum(), a)
    for sample in range(3):
        alone = a[sample : sample + 1].detach().requires_grad_()
        single = layer(alone)
        torch.testing.assert_close(single[0], y[sample], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(torch.autograd.grad(single.sum(), alone)[0][0], gradient[sample], rtol=1e-10, atol=0)


def test_the_start_does_not_matter_where_contraction_is_proved():
    layer = contractive()
    assert fs.nn.contraction_rate(layer.equation, ["drive"]) == pytest.approx(2.0)
    x = torch.randn(3, 2, dtype=torch.float64)
    for scale in (0.1, 10.0):
        start = scale * torch.randn(3, 3, 6, dtype=torch.float64)
        torch.testing.assert_close(layer(x, start), layer(x), rtol=1e-8, atol=1e-8)


def test_what_is_not_proved():
    layer = contractive()
    rate = fs.nn.contraction_rate
    assert rate(layer.equation, ["drive", "D"]) is None  # a diffusivity that is fed may be negative
    assert rate(contractive(diffusion="").equation) == pytest.approx(2.0)
    assert rate(contractive(diffusion="-phi + ").equation) == pytest.approx(3.0)
    assert rate(contractive(diffusion="1.5*phi + ").equation) == pytest.approx(0.5)
    assert rate(contractive(diffusion="2.1*phi + ").equation) is None
    assert rate(contractive(diffusion="-phi**3 + ").equation) is None
    assert rate(contractive(diffusion="d_dx(phi) + ").equation) is None
    assert rate(cubic().equation) is None
    net = fs.nn.Contractive(2)
    for text in ("dphi/dt = net(-phi)", "dphi/dt = -net(phi)", "dphi/dt = net(net(phi))", "dphi/dt = 2*net(phi)"):
        assert rate(fs.FieldEquation(text, components={"phi": 2}, modules={"net": net})) is None
    hidden = fs.nn.Contractive(2, inputs=2)
    looped = fs.FieldEquation("dphi/dt = net(phi, phi)", components={"phi": 2}, modules={"net": hidden})
    assert rate(looped) is None


def test_masked_samples():
    layer = cubic()
    a = torch.tensor([[1.0], [math.nan], [2.0]], dtype=torch.float64, requires_grad=True)
    y = layer(a, mask=torch.tensor([True, False, True]))
    y.sum().backward()
    assert y[1].item() == a.grad[1].item() == 0.0
    torch.testing.assert_close(y.detach()[[0, 2]], root(a.detach()[[0, 2]]), rtol=1e-9, atol=1e-10)


def test_solution_says_how_it_went():
    layer = cubic()
    found = layer.solution(torch.tensor([[1.0], [2.0]], dtype=torch.float64))
    assert (found.stats.residual <= 1).all()
    assert (found.stats.time_to_converge < 100).all()


def test_who_does_not_come_to_rest_is_said():
    equation = fs.FieldEquation("du/dt = v; dv/dt = -u")
    layer = fs.nn.SteadyFieldLayer(equation, until=fs.SteadyState(max_time=3.0))
    with pytest.raises(fs.SolveFailed, match="1 of 1"):
        layer(torch.ones(1, 2))


def test_report():
    report = contractive().report(torch.randn(2, 2, dtype=torch.float64))
    assert report.contraction == pytest.approx(2.0)
    assert report.spectrum.rightmost.real <= -2.0 + 1e-9
    text = str(report)
    assert "dphi/dt = D*laplacian(phi) + net(phi, drive)" in text
    assert "proved, at the rate 2" in text
    assert "not proved" in str(cubic().report(torch.ones(1, 1, dtype=torch.float64)))


def test_until_must_say_when_to_give_up():
    for until in (fs.SteadyState(), 3.0, None):
        with pytest.raises(fs.OptionError, match="when to give up"):
            cubic(until=until)


def test_steady_under_torch_func_makes_its_fixed_steps():
    layer = cubic(dt=0.05, method="heun", until=fs.SteadyState(atol=1e-12, rtol=1e-12, max_time=30.0))
    a = torch.tensor([[0.5]], dtype=torch.float64)
    slope = torch.func.grad(lambda value: layer(value).sum())(a)
    torch.testing.assert_close(slope, 1 / (1 + 3 * layer(a).detach() ** 2), rtol=1e-6, atol=0)
