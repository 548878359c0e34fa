"""The variants of the token field: what they conserve, what they lower, and what may change nothing."""

import dataclasses
import math

import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver.errors import OptionError, ParameterError
from fieldsolver.models.wavenet_neuro import Config
from fieldsolver.models.wavenet_neuro.variants import VARIANTS, make_dynamics
from fieldsolver.models.wavenet_neuro.variants.coarse_line import coarse_mask, prolong, restrict, weights
from fieldsolver.models.wavenet_neuro.variants.field_options import FIELD_ONLY, refuse_field_options
from fieldsolver.models.wavenet_neuro.variants.geodesics import (
    acceleration,
    christoffel,
    distance,
    geodesic,
    half_plane,
    half_plane_distance,
    speed_squared,
    sphere,
)
from fieldsolver.models.wavenet_neuro.variants.learned_metric import beltrami, manifold_field
from fieldsolver.models.wavenet_neuro.variants.line import laplacian
from fieldsolver.models.wavenet_neuro.variants.medium import BoundedRate
from fieldsolver.models.wavenet_neuro.variants.multiscale import exchange, exchange_energy

LENGTHS = torch.tensor([11, 6, 1, 0])


def drawn(batch=4, length=11, channels=6, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, length, channels, generator=generator, dtype=dtype)
    return features, torch.arange(length) < LENGTHS[:batch, None]


# -- every variant ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_padding_neighbours_and_batches_change_nothing(name):
    torch.manual_seed(1)
    dynamics = make_dynamics(name, 6, duration=2.0, steps=4).double().eval()
    features, mask = drawn()
    evolved = dynamics(features, mask)
    assert evolved.features.isfinite().all()
    assert (evolved.features[~mask] == 0).all()
    assert evolved.evaluations.shape == (4,)
    spoiled = torch.where(mask[..., None], features, torch.nan)
    assert torch.equal(dynamics(spoiled, mask).features, evolved.features)
    for sample, length in enumerate(LENGTHS[:3].tolist()):
        alone = dynamics(features[sample : sample + 1, :length], mask[sample : sample + 1, :length])
        assert torch.allclose(alone.features[0], evolved.features[sample, :length], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_and_every_token_gets_a_gradient(name):
    torch.manual_seed(1)
    dynamics = make_dynamics(name, 6, duration=2.0, steps=4).double().train()
    features, mask = drawn()
    features.requires_grad_()
    (dynamics(features, mask).features * torch.randn(4, 11, 6).double()).sum().backward()
    for label, value in dynamics.named_parameters():
        assert value.grad is not None, label
        assert value.grad.isfinite().all(), label
        assert value.grad.abs().max() > 0, label
    assert features.grad is not None
    assert (features.grad[mask].abs().amax(-1) > 0).all()
    assert (features.grad[~mask] == 0).all()


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in ("spiking", "stochastic")])
def test_gradients_are_those_of_central_differences(name):
    torch.manual_seed(2)
    dynamics = make_dynamics(name, 2, duration=1.0, steps=2).double().eval()
    features, mask = drawn(3, 5, 2)
    mask[1, 3:] = False
    torch.autograd.gradcheck(lambda x: dynamics(x, mask).features, (features.requires_grad_(),))


@pytest.mark.parametrize("name", VARIANTS)
def test_only_those_that_say_so_are_causal(name):
    torch.manual_seed(3)
    dynamics = make_dynamics(name, 6, duration=2.0, steps=4).double().eval()
    features, _ = drawn(1)
    mask = torch.ones(1, 11, dtype=torch.bool)
    changed = features.clone()
    changed[:, 7:] = features[:, 7:].flip(-1)
    same = (dynamics(features, mask).features - dynamics(changed, mask).features)[:, :7].abs().max() < 1e-12
    assert bool(same) == VARIANTS[name].causal


def test_refusals():
    with pytest.raises(OptionError, match="did you mean 'spiking'"):
        make_dynamics("spikin", 4, duration=1.0, steps=1)
    with pytest.raises(OptionError, match="closed"):
        make_dynamics("spiking", 4, duration=1.0, steps=1, boundary="periodic")
    for bad in ({"duration": 0.0, "steps": 1}, {"duration": 1.0, "steps": 0}, {"duration": math.nan, "steps": 1}):
        with pytest.raises(OptionError, match="at least 1 step"):
            make_dynamics("metric", 4, **bad)


# -- metric ----------------------------------------------------------------------------------------------------------


def test_laplace_beltrami_conserves_the_volume_integral_and_damps():
    features, mask = drawn()
    widths = torch.rand(4, 11, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(5)) + 0.5
    rate = beltrami(features, widths, mask)
    assert (widths * rate * mask[..., None]).sum(1).abs().max() < 1e-13
    assert ((widths * features * rate * mask[..., None]).sum((1, 2)) <= 0).all()
    assert torch.allclose(beltrami(features, torch.ones_like(widths), mask), laplacian(features, mask))
    assert beltrami(torch.ones_like(features), widths, mask).abs().max() == 0


def test_laplace_beltrami_of_a_stretched_line_is_the_flat_one_of_its_arc_length():
    # r = ds/dx with s = x + sin(x)/2, so u = cos(s) has the eigenvalue -1; the error falls with the square of h.
    errors = []
    for n in (100, 200):
        h = 2 * math.pi / n
        x = (torch.arange(n, dtype=torch.float64) + 0.5) * h
        widths = (1 + torch.cos(x) / 2)[None, :, None] * h
        u = torch.cos(x + torch.sin(x) / 2)[None, :, None]
        error = beltrami(u, widths, torch.ones(1, n, dtype=torch.bool)) + u
        errors.append(float(error.abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)


def test_field_on_a_learned_manifold_conserves_and_trains():
    torch.manual_seed(0)
    grid = fs.Grid((8, 6), extent=(2.0, 1.5))
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    equation = manifold_field(grid, network, nn.Linear(2, 2).double(), components=2, boundary=fs.Neumann(0))
    y = torch.randn(2, 8, 6, dtype=torch.float64)
    assert equation.metric is not None
    transport = fs.FieldEquation(
        "dphi/dt = laplacian(phi)",
        grid=grid,
        boundary=fs.Neumann(0),
        components={"phi": 2},
        metric=equation.metric.source,
    )
    assert transport.metric.integral(transport(0.0, y)).abs().max() < 1e-12
    assert (transport.metric.integral(y * transport(0.0, y)) < 0).all()
    equation(0.0, y).square().sum().backward()
    assert all(value.grad is not None and value.grad.abs().max() > 0 for value in network.parameters())


def test_explicit_steps_of_the_bounded_rate_obey_the_maximum_principle():
    rate = BoundedRate(3, dt=0.7)
    with torch.no_grad():
        rate.rho.fill_(1e3)  # as far as training could drive it
    features, mask = drawn(channels=3)
    phi = features
    for _ in range(50):
        new = phi + 0.7 * rate().double().detach() * laplacian(phi, mask)
        assert new[mask].max() <= phi[mask].max() + 1e-12
        assert new[mask].min() >= phi[mask].min() - 1e-12
        phi = new


# -- geodesics -------------------------------------------------------------------------------------------------------


def test_christoffel_symbols_of_the_sphere():
    theta = 0.7
    found = christoffel(sphere, torch.tensor([theta, 0.3], dtype=torch.float64))
    exact = torch.zeros(2, 2, 2, dtype=torch.float64)
    exact[0, 1, 1] = -math.sin(theta) * math.cos(theta)
    exact[1, 0, 1] = exact[1, 1, 0] = math.cos(theta) / math.sin(theta)
    assert torch.allclose(found, exact, atol=1e-14)


def test_geodesics_of_the_sphere_are_great_circles():
    x, velocity = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.4, 0.9]).double()

    def place(x):
        theta, longitude = x[..., 0], x[..., 1]
        return torch.stack([theta.sin() * longitude.cos(), theta.sin() * longitude.sin(), theta.cos()], -1)

    start, direction = torch.func.jvp(place, (x,), (velocity,))
    speed = float(direction.norm())
    errors = []
    for steps in (15, 30):
        way = geodesic(sphere, x, velocity, duration=2.0, steps=steps)
        exact = start * math.cos(2 * speed) + direction / speed * math.sin(2 * speed)
        errors.append(float((place(way.x[-1]) - exact).norm()))
        assert (speed_squared(sphere, way.x, way.velocity) - speed**2).abs().max() < 0.3 / steps**2
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)
    run = fs.solve(  # the second-order form, with the symbols
        lambda t, y: torch.cat([y[2:], acceleration(sphere, y[:2], y[2:])]),
        torch.cat([x, velocity]), t_span=(0, 2), rtol=1e-9, atol=1e-11,
    )  # fmt: skip
    assert (place(run.y[-1, :2]) - exact).norm() < 1e-7


def test_the_speed_of_a_geodesic_does_not_drift():
    x, velocity = torch.tensor([0.0, 1.0]).double(), torch.tensor([0.5, 0.5]).double()
    with pytest.raises(OptionError, match="at least 1 step"):
        geodesic(half_plane, x, velocity, duration=1.0, steps=0)

    def bumpy(point):
        hill = 0.5 * torch.sin(point[0]) * torch.sin(point[1])
        return torch.eye(2, dtype=point.dtype) * torch.exp(2 * hill)

    way = geodesic(bumpy, x, velocity, duration=10.0, steps=50)
    drift = speed_squared(bumpy, way.x, way.velocity) / speed_squared(bumpy, way.x[:1], way.velocity[:1]) - 1
    assert drift[-20:].abs().max() < 2 * drift[:20].abs().max() < 0.02


def test_distance_in_the_half_plane():
    a, b = torch.tensor([0.0, 1.0]).double(), torch.tensor([1.5, 0.8]).double()
    exact = half_plane_distance(a, b)
    errors = []
    for sides in (16, 32):
        length, points = distance(half_plane, a, b, sides=sides)
        errors.append(abs(float(length) - exact))
        assert points.shape == (sides + 1, 2)
    assert errors[1] < 1e-3
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)
    straight = distance(half_plane, a, b, sides=1)[0]
    assert straight > length


def test_distance_needs_a_side():
    with pytest.raises(OptionError, match="at least 1 side"):
        distance(half_plane, torch.ones(2), torch.ones(2), sides=0)


def test_a_geodesic_that_cannot_go_on_says_so():
    with pytest.raises(ParameterError, match="take more steps"):
        geodesic(lambda x: torch.eye(2) * x.sum() * torch.nan, torch.ones(2), torch.ones(2), duration=1.0, steps=1)


# -- multiscale ------------------------------------------------------------------------------------------------------


def masks():
    generator = torch.Generator().manual_seed(4)
    holes = torch.rand(3, 9, generator=generator) < 0.6
    prefix = torch.arange(9) < torch.tensor([9, 4, 1])[:, None]
    return torch.cat([holes, prefix])


def test_restriction_is_the_adjoint_of_prolongation_and_half_its_transpose_inside():
    mask = masks()
    real = coarse_mask(mask)
    generator = torch.Generator().manual_seed(6)
    f = torch.randn(6, 9, 2, dtype=torch.float64, generator=generator) * mask[..., None]
    c = torch.randn(6, 5, 2, dtype=torch.float64, generator=generator) * real[..., None]
    H = weights(mask, f.dtype)
    assert torch.allclose((H * restrict(f, mask) * c).sum((1, 2)), (f * prolong(c, mask)).sum((1, 2)))
    assert torch.allclose(prolong(torch.ones_like(c), mask), mask[..., None].double().expand(-1, -1, 2))
    assert torch.allclose(restrict(torch.ones_like(f), mask), real[..., None].double().expand(-1, -1, 2))
    assert torch.allclose(H.sum((1, 2)), mask.sum(1).double())
    whole = torch.ones(1, 16, dtype=torch.bool)
    assert torch.equal(weights(whole, f.dtype), torch.full((1, 8, 1), 2.0).double())  # R = P^T/2
    x = torch.arange(16, dtype=torch.float64)[None, :, None]
    assert torch.allclose(prolong(restrict(x, whole), whole)[:, 3:-3], x[:, 3:-3])  # linear functions come back


def test_exchange_loses_nothing_and_descends_its_energy():
    mask = masks()
    generator = torch.Generator().manual_seed(7)
    f = torch.randn(6, 9, 2, dtype=torch.float64, generator=generator) * mask[..., None]
    c = torch.randn(6, 5, 2, dtype=torch.float64, generator=generator) * coarse_mask(mask)[..., None]
    H = weights(mask, f.dtype)
    assert (exchange_energy(f, c, mask) >= 0).all()
    f.requires_grad_()
    c.requires_grad_()
    slope_f, slope_c = torch.autograd.grad(exchange_energy(f, c, mask).sum(), (f, c))
    to_fine, to_coarse = exchange(f, c, mask)
    assert torch.allclose(to_fine, -slope_f)
    assert torch.allclose(H * to_coarse, -slope_c)
    assert (to_fine.sum(1) + (H * to_coarse).sum(1)).abs().max() < 1e-12
    flat = exchange(mask[..., None] * torch.ones(2), coarse_mask(mask)[..., None] * torch.ones(2), mask)
    assert all(part.abs().max() < 1e-6 for part in flat)


def test_coarser_lines_carry_a_change_farther():
    features, mask = torch.zeros(1, 64, 4).double(), torch.ones(1, 64, dtype=torch.bool)

    def reach(scales):
        torch.manual_seed(0)
        dynamics = make_dynamics("multiscale", 4, duration=2.0, steps=4, scales=scales).double()
        changed = features.clone()
        changed[0, 32] = 1.0
        difference = dynamics(changed, mask).features - dynamics(features, mask).features
        far = difference.abs().amax(-1)[0].nonzero().flatten()
        return int((far - 32).abs().max())

    assert reach(1) == 4  # one token per step
    assert reach(2) > reach(1)
    assert reach(4) > reach(2)


# -- predictive coding -----------------------------------------------------------------------------------------------


def test_predictive_coding_is_the_gradient_flow_of_its_free_energy():
    torch.manual_seed(0)
    dynamics = make_dynamics("predictive_coding", 4, duration=2.0, steps=20, levels=3).double()
    features, mask = drawn(channels=4)
    features = features * mask[..., None]
    real = dynamics.masks(mask)
    levels = [features, *(torch.randn_like(r, requires_grad=True) for r in dynamics.start(features, real)[1:])]
    levels[1:] = [(r.detach() * m[..., None]).requires_grad_() for r, m in zip(levels[1:], real[1:], strict=True)]
    slopes = torch.autograd.grad(dynamics.free_energy(levels, real).sum(), levels[1:])
    for rate, slope, m in zip(dynamics.rates(levels, real), slopes, real[1:], strict=True):
        assert torch.allclose(rate * m[..., None], -slope * m[..., None])
    levels = [one.detach() for one in levels]
    energies = [dynamics.free_energy(levels, real)]
    for _ in range(200):
        rates = dynamics.rates(levels, real)
        moved = [(r + 0.1 * rate) * m[..., None] for r, rate, m in zip(levels[1:], rates, real[1:], strict=True)]
        levels = [features, *moved]
        energies.append(dynamics.free_energy(levels, real))
    assert (torch.stack(energies).diff(dim=0) <= 1e-12).all()
    assert energies[-1][0] < 0.5 * energies[0][0]


# -- comparison models -----------------------------------------------------------------------------------------------


def test_liquid_states_stay_between_zero_and_A():
    torch.manual_seed(0)
    dynamics = make_dynamics("ltc", 5, duration=20.0, steps=1).double()
    features, mask = drawn(channels=5)
    evolved = dynamics(1e3 * features, mask).features
    assert (evolved <= dynamics.A.clamp(min=0) + 1e-12).all()
    assert (evolved >= dynamics.A.clamp(max=0) - 1e-12).all()


def test_state_space_kernel_is_the_response_of_its_equation():
    torch.manual_seed(0)
    dynamics = make_dynamics("ssm", 2, duration=0.5, steps=1, modes=3).double()
    poles = torch.complex(-dynamics.log_decay.exp(), dynamics.frequency)[0].detach()
    C = torch.view_as_complex(dynamics.C)[0].detach()
    step = float(dynamics.log_step[0].detach().exp())
    run = fs.solve(  # u = 1 during the first token, 0 afterwards
        lambda t, x: poles * x + (1.0 if float(t) < step else 0.0),
        torch.zeros(3, dtype=torch.complex128),
        t_span=(0, step), rtol=1e-11, atol=1e-13,
    )  # fmt: skip
    after = run.y[-1]
    response = torch.stack([2 * (C * after * torch.exp(poles * step * n)).sum().real for n in range(6)])
    assert torch.allclose(dynamics.kernel(6)[0], response, atol=1e-8)


# -- switches of the field -------------------------------------------------------------------------------------------


def test_switches_that_a_variant_would_ignore_are_refused():
    known = {field.name for field in dataclasses.fields(Config)}
    assert set(FIELD_ONLY) <= known
    refuse_field_options(Config(variant="metric", duration=3.0, readout="max"))
    refuse_field_options(Config(geometry="hilbert"))
    changed = dataclasses.replace(Config(geometry="hilbert", diffusivity=0.2))
    object.__setattr__(changed, "variant", "metric")  # past the configuration's own checks
    with pytest.raises(OptionError, match=r"would ignore geometry, diffusivity|would ignore 'geometry', 'diffusivity'"):
        refuse_field_options(changed)
