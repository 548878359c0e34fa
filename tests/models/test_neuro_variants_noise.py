"""Noise on declared equations: spectra, orders, and Ito against Stratonovich."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.models.wavenet_neuro.variants import make_dynamics
from fieldsolver.models.wavenet_neuro.variants.noise_fields import coloured, ou_spectrum, white_increment
from fieldsolver.models.wavenet_neuro.variants.stochastic_steps import NoisyEquation, integrate


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def ou_field(points, extent, D=1.0, a=0.5, sigma=0.7, noise="white_noise(0)", boundary=None):
    return fs.FieldEquation(
        f"du/dt = D*laplacian(u) - a*u + sigma*{noise}",
        grid=fs.Grid(points, extent=extent),
        boundary=fs.Periodic() if boundary is None else boundary,
        parameters={"D": D, "a": a, "sigma": sigma},
        calculus="ito",
    )


# -- A7: the Ornstein-Uhlenbeck field --------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["euler_maruyama", "implicit_euler_maruyama"])
def test_stationary_spectrum_of_the_ornstein_uhlenbeck_field(scheme):
    points, extent, D, a, sigma, dt = 32, 16.0, 1.0, 0.5, 0.7, 0.02
    h = extent / points
    equation = ou_field(points, extent, D, a, sigma)
    samples = 1500
    y = torch.zeros(samples, 1, points, dtype=torch.float64)
    y = integrate(equation, y, duration=8.0, steps=400, scheme=scheme, generator=generator())
    power = torch.fft.rfft(y[:, 0]).abs().square() * h / points  # (samples, modes); real modes are chi-squared with 1
    modes = torch.arange(points // 2 + 1)
    symbol = (2 * torch.sin(math.pi * modes / points) / h).double()  # of the three-point stencil
    rate = a + D * symbol**2
    exact = sigma**2 / (2 * rate - rate**2 * dt) if scheme == "euler_maruyama" else sigma**2 / (2 * rate + rate**2 * dt)
    freedom = torch.where((modes == 0) | (modes == points // 2), 1, 2)
    error = (power.mean(0) / exact - 1) / torch.sqrt(2.0 / (freedom * samples))
    assert error.abs().max() < 3.5  # of 17 modes: a probability of 1 % if all is well
    slow = modes < 4  # where the step does not show: the spectrum of the continuum
    continuum = ou_spectrum(2 * math.pi * modes[slow] / extent, sigma, a, D)
    error = (power.mean(0)[slow] / continuum - 1) / torch.sqrt(2.0 / (freedom[slow] * samples))
    assert error.abs().max() < 3


def test_white_increments_have_the_variance_of_their_cells():
    drawn = white_increment((200_000,), 0.01, cell=0.25, generator=generator(), dtype=torch.float64)
    assert float(drawn.var()) == pytest.approx(0.04, rel=4 * math.sqrt(2 / 200_000))


@pytest.mark.parametrize("periodic", [True, False])
def test_coloured_noise_has_its_spectrum_and_keeps_it_under_refinement(periodic):
    length, extent = 0.3, 2.0
    variances = []
    for points in (16, 32, 64):
        h = extent / points
        white = white_increment((20_000, points), 1.0, cell=h, generator=generator(), dtype=torch.float64)
        smooth = coloured(white, (h,), length, periodic=periodic)
        if periodic:
            k = 2 * math.pi * torch.fft.fftfreq(points, h, dtype=torch.float64)
            exact = float(((1 + (length * k) ** 2) ** -2).sum() / extent)
            assert float(smooth.square().mean()) == pytest.approx(exact, rel=0.02)
        variances.append(float(smooth.square().mean()))
    assert variances[2] == pytest.approx(variances[1], rel=0.02)
    assert abs(float(white.square().mean()) / variances[2]) > 10


def test_coloured_noise_between_walls_is_made_of_cosines():
    n, h, length = 8, 0.5, 0.7
    x = (torch.arange(n, dtype=torch.float64) + 0.5) * h
    for m in (0, 1, 5):
        k = math.pi * m / (n * h)
        wave = torch.cos(k * x)
        assert torch.allclose(coloured(wave, (h,), length, periodic=False), wave / (1 + (length * k) ** 2))
    plane = torch.outer(torch.cos(math.pi * x / 4), torch.cos(math.pi * x / 2))
    factor = 1 + length**2 * math.pi**2 * (1 / 16 + 1 / 4)
    assert torch.allclose(coloured(plane, (h, h), length, periodic=False), plane / factor)


# -- strong and weak orders ------------------------------------------------------------------------------------------


def strong_slope(equation, exact, scheme, paths=2000, finest=256):
    """Slope of the mean absolute error at t = 1 over steps, on the same Wiener paths."""
    y0 = torch.ones(paths, 1, dtype=torch.float64)
    fine = torch.randn(finest, paths, 1, generator=generator(1), dtype=torch.float64) * math.sqrt(1 / finest)
    errors, counts = [], (8, 16, 32, 64)
    for steps in counts:
        dW = fine.reshape(steps, finest // steps, paths, 1).sum(1)
        y = integrate(equation, y0, duration=1.0, steps=steps, scheme=scheme, increments=[[one] for one in dW])
        errors.append(float((y - exact(fine)).abs().mean()))
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


@pytest.mark.parametrize(
    ("scheme", "calculus", "order"),
    [("euler_maruyama", "ito", 0.5), ("milstein", "ito", 1.0), ("heun", "stratonovich", 1.0)],
)
def test_strong_orders_with_multiplicative_noise(scheme, calculus, order):
    mu, sigma = 0.5, 1.0
    equation = fs.FieldEquation(
        "dx/dt = mu*x + sigma*x*white_noise(0)", parameters={"mu": mu, "sigma": sigma}, calculus=calculus
    )
    drift = mu - sigma**2 / 2 if calculus == "ito" else mu  # Ito's correction: the two calculi differ by exactly it
    slope = strong_slope(equation, lambda dW: torch.exp(drift + sigma * dW.sum(0)), scheme)
    assert slope == pytest.approx(order, abs=0.15)


def test_strong_order_with_additive_noise_is_one():
    equation = fs.FieldEquation("dx/dt = -x**3 + 0.5*white_noise(0)", calculus="ito")

    def exact(dW):  # the same paths, in steps 16 times as fine as the finest that are compared
        y0 = torch.ones(dW.shape[1], 1, dtype=torch.float64)
        return integrate(equation, y0, duration=1.0, steps=len(dW), increments=[[one] for one in dW])

    slope = strong_slope(equation, exact, "euler_maruyama", paths=500, finest=1024)
    assert slope == pytest.approx(1.0, abs=0.15)


def test_weak_order_of_the_mean_is_one():
    equation = fs.FieldEquation("dx/dt = -x + 0.1*x*white_noise(0)", calculus="ito")
    y0 = torch.ones(20_000, 1, dtype=torch.float64)
    errors = []
    for steps in (4, 8):
        y = integrate(equation, y0, duration=1.0, steps=steps, generator=generator(2))
        errors.append(abs(float(y.mean()) - math.exp(-1)))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.25)


# -- what it refuses, and gradients ----------------------------------------------------------------------------------


def test_refusals():
    ito = fs.FieldEquation("dx/dt = -x + x*white_noise(0)", calculus="ito")
    two = fs.FieldEquation("dx/dt = -x + x*white_noise(0) + white_noise(1)", calculus="ito")
    smooth = ou_field(8, 1.0, noise="coloured_noise(0, 0.2)")
    walled = ou_field(8, 1.0, noise="coloured_noise(0, 0.2)", boundary=fs.Dirichlet(0))
    y = torch.ones(1, 1)
    given = {"duration": 1.0, "steps": 2}
    for equation, message, options in (
        (ito, "did you mean 'milstein'", {"scheme": "milstien", "generator": generator()}),
        (ito, "heun solves stratonovich equations", {"scheme": "heun", "generator": generator()}),
        (two, "for one noise, got 2", {"scheme": "milstein", "generator": generator()}),
        (ito, "say where the noise comes from", {}),
        (ito, "as long as the increments", {"increments": [[y]]}),
        (smooth, "white noise only", {"scheme": "milstein", "generator": generator()}),
        (walled, "coloured noise takes", {"generator": generator()}),
        (fs.FieldEquation("dx/dt = -x"), "no noise", {"generator": generator()}),
    ):  # fmt: skip
        with pytest.raises(OptionError, match=message):
            integrate(equation, torch.zeros(1, *equation.state_shape), **given, **options)
    with pytest.raises(OptionError, match="positive length"):
        coloured(torch.zeros(4), (1.0,), 0.0)


def test_gradients_pass_through_the_path_that_was_drawn():
    equation = fs.FieldEquation(
        "dx/dt = -k*x + sigma*x*white_noise(0)",
        parameters={"k": fs.Parameter(1.0), "sigma": fs.Parameter(0.5)},
        calculus="ito",
    )
    y0 = torch.ones(3, 1, dtype=torch.float64)
    dW = [[one] for one in torch.randn(8, 3, 1, generator=generator(), dtype=torch.float64) / math.sqrt(8)]

    def loss():
        return integrate(equation, y0, duration=1.0, steps=8, increments=dW).square().sum()

    slopes = torch.autograd.grad(loss(), tuple(equation.parameters()))
    for parameter, slope in zip(equation.parameters(), slopes, strict=True):
        with torch.no_grad():
            values = []
            for move in (1e-4, -2e-4):
                parameter += move
                values.append(float(loss()))
            parameter += 1e-4
        assert float(slope) == pytest.approx((values[0] - values[1]) / 2e-4, rel=2e-3)


def test_noise_of_a_declared_equation_is_the_same_for_all_components():
    equation = fs.FieldEquation("du/dt = -u + white_noise(0)", components={"u": 3}, calculus="ito")
    y = integrate(equation, torch.zeros(2, 3), duration=1.0, steps=4, generator=generator())
    assert torch.equal(y[:, 0], y[:, 2])
    assert not torch.equal(y[0], y[1])
    assert len(NoisyEquation(equation).sources) == 1


def test_the_stochastic_field_is_noisy_while_it_trains_and_quiet_in_evaluation():
    torch.manual_seed(0)
    features, mask = torch.randn(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)
    dynamics = make_dynamics("stochastic", 4, duration=1.0, steps=4, sigma=0.3)
    quiet = dynamics.eval()(features, mask).features
    assert torch.equal(quiet, dynamics(features, mask).features)
    noisy = dynamics.train()(features, mask).features
    assert not torch.equal(noisy, quiet)
    torch.manual_seed(3)
    again = dynamics(features, mask).features
    torch.manual_seed(3)
    assert torch.equal(again, dynamics(features, mask).features)
    member = make_dynamics("stochastic", 4, duration=1.0, steps=4, sample=True).eval()
    assert not torch.equal(member(features, mask).features, member(features, mask).features)
