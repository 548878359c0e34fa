"""Advection schemes: order, modified wavenumber, symmetry, behaviour at jumps, gradients, and naive references."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fieldsolver.errors import GridError, ParameterError
from fieldsolver.space.advection_schemes import (
    ADVECTION_SCHEMES,
    CENTRAL,
    WENO5,
    LinearScheme,
    advection_scheme,
)

F64 = torch.float64
SCHEMES = [pytest.param(scheme, id=name) for name, scheme in ADVECTION_SCHEMES.items()]
LINEAR = [
    pytest.param(scheme, id=name) for name, scheme in ADVECTION_SCHEMES.items() if isinstance(scheme, LinearScheme)
]


def naive_weno_slope(v):
    """Osher & Fedkiw, Level Set Methods, section 3.4: u_x from five one-sided slopes, the upwind one first."""
    v1, v2, v3, v4, v5, epsilon = *v[:5], v[5]
    candidates = [
        v1 / 3 - 7 * v2 / 6 + 11 * v3 / 6,
        -v2 / 6 + 5 * v3 / 6 + v4 / 3,
        v3 / 3 + 5 * v4 / 6 - v5 / 6,
    ]
    smoothness = [
        13 / 12 * abs(v1 - 2 * v2 + v3) ** 2 + abs(v1 - 4 * v2 + 3 * v3) ** 2 / 4,
        13 / 12 * abs(v2 - 2 * v3 + v4) ** 2 + abs(v2 - v4) ** 2 / 4,
        13 / 12 * abs(v3 - 2 * v4 + v5) ** 2 + abs(3 * v3 - 4 * v4 + v5) ** 2 / 4,
    ]
    # The scheme's IS is 12 times the textbook's, so its ε is too.
    alphas = [g / (s + epsilon / 12) ** 2 for g, s in zip((0.1, 0.6, 0.3), smoothness, strict=True)]
    return sum(a * c for a, c in zip(alphas, candidates, strict=True)) / sum(alphas)


def naive_rate(scheme, u, v, h):
    """v du/dx at each point of the periodic line `u`, from the definition."""
    n, rate = len(u), np.zeros(len(u), dtype=u.dtype)
    for i in range(n):
        if isinstance(scheme, LinearScheme):
            for j, c in zip(range(-scheme.width, scheme.width + 1), scheme.coefficients, strict=True):
                rate[i] += v[i] * float(c) * (u[(i + j) % n] if v[i] > 0 else -u[(i - j) % n]) / h
        else:
            slopes = [(u[(k + 1) % n] - u[k % n]) / h for k in range(i - 3, i + 3)]
            epsilon = 1e-6 * np.mean(np.abs(slopes) ** 2)
            rate[i] = v[i] * naive_weno_slope([*(slopes[:5] if v[i] > 0 else slopes[:0:-1]), epsilon])
    return rate


def line(points, length=2 * np.pi):
    return torch.arange(points, dtype=F64) * length / points


def with_ghosts(u, width, dim=-1):
    n = u.shape[dim]
    return torch.cat([u.narrow(dim, n - width, width), u, u.narrow(dim, 0, width)], dim)


# -- accuracy ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", [F64, torch.complex128])
def test_equals_the_naive_reference(scheme, dtype):
    torch.manual_seed(0)
    u, v, h = torch.randn(13, dtype=dtype), torch.randn(13, dtype=F64), 0.3
    expected = naive_rate(scheme, u.numpy(), v.numpy(), h)
    np.testing.assert_allclose(scheme(u, v, -1, h, periodic=True).numpy(), expected, atol=1e-12, rtol=1e-12)
    for constant in (0.7, -0.7):
        expected = naive_rate(scheme, u.numpy(), np.full(13, constant), h)
        np.testing.assert_allclose(scheme(u, constant, -1, h, periodic=True).numpy(), expected, atol=1e-12, rtol=1e-12)
        np.testing.assert_allclose(
            scheme(u, torch.tensor(constant), -1, h, periodic=True).numpy(), expected, atol=1e-6, rtol=1e-6
        )


def observed_order(scheme, u, slope, points, speed, *, mean=False):
    errors = []
    for n in points:
        h = 1.0 / n
        x = torch.arange(-scheme.width, n + scheme.width, dtype=F64) * h
        inside = x[scheme.width : scheme.width + n]
        error = scheme(u(x), speed, -1, h, periodic=False) - speed * slope(inside)
        errors.append((error.abs().mean() if mean else error.abs().max()).item())
    return np.log2(errors[0] / errors[-1]) / np.log2(points[-1] / points[0])


@pytest.mark.parametrize("speed", [1.5, -1.5])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_order_on_a_field_without_inflections(scheme, speed):
    """WENO5 included: the second derivative of exp never vanishes."""
    points = (16, 32) if scheme.order > 4 else (48, 96)
    points = (48, 96) if scheme is WENO5 else points
    observed = observed_order(scheme, lambda x: torch.exp(2 * x), lambda x: 2 * torch.exp(2 * x), points, speed)
    assert observed == pytest.approx(scheme.order, abs=0.15)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_order_on_a_periodic_field(scheme):
    points = (24, 48) if scheme.order > 5 else (64, 128)
    errors = []
    for n in points:
        x = line(n)
        rate = scheme(torch.sin(x + 0.3), 1.0, -1, 2 * np.pi / n, periodic=True)
        errors.append((rate - torch.cos(x + 0.3)).abs().max().item())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(scheme.order, abs=0.15)


def test_weno_loses_one_order_at_an_inflection_and_two_where_the_third_derivative_vanishes_too():
    def simple(x, p=0.4871):
        return (x - p) ** 3 + (x - p) ** 4 / 4

    def flat(x, p=0.4871):
        return (x - p) ** 4 + (x - p) ** 5 / 5

    simple_order = observed_order(WENO5, simple, lambda x: 3 * (x - 0.4871) ** 2 + (x - 0.4871) ** 3, (32, 512), 1.0)
    flat_order = observed_order(WENO5, flat, lambda x: 4 * (x - 0.4871) ** 3 + (x - 0.4871) ** 4, (32, 512), 1.0)
    assert simple_order == pytest.approx(4, abs=0.25)
    assert flat_order == pytest.approx(3, abs=0.25)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("scheme", LINEAR)
def test_symbol_is_the_eigenvalue_of_the_operator(scheme, positive):
    n, h, speed = 20, 0.25, 1.3 if positive else -1.3
    mode = torch.arange(n, dtype=F64)
    theta = 2 * np.pi * np.arange(n) / n
    waves = torch.exp(1j * torch.outer(torch.as_tensor(theta), mode))
    eigenvalue = speed / h * scheme.symbol(theta, positive=positive)
    rate = scheme(waves, speed, -1, h, periodic=True)
    np.testing.assert_allclose(rate.numpy(), eigenvalue[:, None] * waves.numpy(), atol=1e-12)


@pytest.mark.parametrize("scheme", LINEAR)
def test_waves_never_grow_and_only_dissipative_schemes_damp_them(scheme):
    theta = np.linspace(-np.pi, np.pi, 2001)
    for positive in (True, False):
        decay = (1 if positive else -1) * scheme.symbol(theta, positive=positive).real
        assert decay.min() >= -1e-15
        assert (decay.max() > 0.1) == scheme.dissipative
    assert scheme.dissipative == (scheme not in CENTRAL)


def test_closed_forms_of_the_upwind_symbols():
    theta = np.linspace(-np.pi, np.pi, 41)
    s, c = np.sin(theta), np.cos(theta)
    np.testing.assert_allclose(ADVECTION_SCHEMES["upwind1"].symbol(theta), 1 - c + 1j * s, atol=1e-15)
    third = (1 - c) ** 2 / 3 + 1j * s * (4 - c) / 3
    np.testing.assert_allclose(ADVECTION_SCHEMES["upwind3"].symbol(theta), third, atol=1e-15)


@pytest.mark.parametrize("scheme", LINEAR)
def test_moments_of_the_stencil_in_exact_arithmetic(scheme):
    def moment(m):
        return sum(c * j**m for j, c in zip(range(-scheme.width, scheme.width + 1), scheme.coefficients, strict=True))

    assert [moment(m) for m in range(scheme.order + 1)] == [int(m == 1) for m in range(scheme.order + 1)]
    assert moment(scheme.order + 1) != 0


@pytest.mark.parametrize("scheme", LINEAR)
@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_a_gaussian_returns_after_one_period_as_the_symbol_says(scheme, speed):
    """pde.md 4.8, with the amplification of RK4 in the prediction, so that nothing but round-off is left."""
    n, steps = 64, 400
    h, dt = 1.0 / n, 1.0 / steps
    x = line(n, 1.0)
    u = initial = torch.exp(-(((x - 0.5) / 0.08) ** 2))

    def rate(u):
        return -scheme(u, speed, -1, h, periodic=True)

    for _ in range(steps):
        k1 = rate(u)
        k2 = rate(u + dt / 2 * k1)
        k3 = rate(u + dt / 2 * k2)
        k4 = rate(u + dt * k3)
        u = u + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    z = -speed * dt / h * scheme.symbol(2 * np.pi * np.fft.fftfreq(n), positive=speed > 0)
    growth = 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24
    predicted = np.fft.ifft(np.fft.fft(initial.numpy()) * growth**steps).real
    np.testing.assert_allclose(u.numpy(), predicted, atol=1e-12)
    assert u.max() < initial.max()
    if scheme.name == "upwind1":  # diffusion h/2 for a time 1 widens 0.08^2 by 4 h/2
        assert u.max().item() == pytest.approx(0.08 / np.sqrt(0.08**2 + 2 * h), rel=0.02)


# -- symmetries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_constants_do_not_move(scheme):
    u = torch.full((2, 9), 3.7, dtype=F64, requires_grad=True)
    rate = scheme(u, torch.linspace(-1, 1, 9, dtype=F64), -1, 0.1, periodic=True)
    assert rate.abs().max() < 1e-13
    (gradient,) = torch.autograd.grad(rate.sum(), u)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_mirror_image(scheme):
    torch.manual_seed(1)
    u, v = torch.randn(3, 12, dtype=F64), torch.randn(12, dtype=F64)
    rate = scheme(u, v, -1, 0.2, periodic=True)
    mirrored = scheme(u.flip(-1), -v.flip(-1), -1, 0.2, periodic=True).flip(-1)
    torch.testing.assert_close(mirrored, rate, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("factor", [2.0**-60, -(2.0**40)])
def test_commutes_with_scaling_of_the_field(scheme, factor):
    """Exactly, for powers of two; for WENO this needs an ε that scales too."""
    torch.manual_seed(1)
    u, v = torch.randn(12, dtype=F64), torch.randn(12, dtype=F64)
    rate = scheme(u, v, -1, 0.2, periodic=True)
    assert torch.equal(scheme(factor * u, v, -1, 0.2, periodic=True), factor * rate)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dim", [-1, -2])
def test_ghosts_of_a_periodic_axis_give_the_periodic_result(scheme, dim):
    torch.manual_seed(2)
    u, v = torch.randn(2, 10, 11, dtype=F64), torch.randn(2, 10, 11, dtype=F64)
    expected = scheme(u, v, dim, 0.2, periodic=True)
    torch.testing.assert_close(scheme(with_ghosts(u, scheme.width, dim), v, dim, 0.2, periodic=False), expected)


# -- jumps ------------------------------------------------------------------------------------------------------------


def square_wave(points):
    x = line(points, 1.0)
    return ((x > 0.25) & (x < 0.75)).double()


def advected(scheme, u, speed, *, cfl=0.5):
    """One period, by the third-order strong-stability-preserving Runge-Kutta method."""
    h = 1.0 / len(u)
    dt = cfl * h

    def euler(u):
        return u - dt * scheme(u, speed, -1, h, periodic=True)

    for _ in range(round(1 / dt)):
        second = 0.75 * u + 0.25 * euler(euler(u))
        u = u / 3 + 2 / 3 * euler(second)
    return u


def test_first_order_upwind_with_euler_makes_no_new_extrema():
    scheme, n = ADVECTION_SCHEMES["upwind1"], 50
    torch.manual_seed(3)
    u, v = torch.rand(n, dtype=F64), 2 * torch.rand(n, dtype=F64) - 1
    for _ in range(200):
        low, high = torch.minimum(u.roll(1), u.roll(-1)).minimum(u), torch.maximum(u.roll(1), u.roll(-1)).maximum(u)
        u = u - 1.0 / n * scheme(u, v, -1, 1.0 / n, periodic=True)  # the largest step: |v| dt = h
        assert (u >= low - 1e-15).all()
        assert (u <= high + 1e-15).all()


@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_weno_does_not_ring_at_jumps_where_central_differences_do(speed):
    u = square_wave(100)
    overshoot = {
        name: max(result.max().item() - 1, -result.min().item())
        for name in ("weno5", "upwind1", "central2", "central4")
        for result in [advected(ADVECTION_SCHEMES[name], u, speed)]
    }
    assert overshoot["weno5"] < 1e-2
    assert overshoot["upwind1"] < 1e-14
    assert overshoot["central2"] > 0.1
    assert overshoot["central4"] > 0.1


def test_weno_keeps_a_jump_sharper_than_first_order():
    u = square_wave(100)
    error = {name: (advected(ADVECTION_SCHEMES[name], u, 1.0) - u).abs().mean() for name in ("weno5", "upwind1")}
    assert error["weno5"] < 0.3 * error["upwind1"]


# -- transformations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", [F64, torch.complex128])
def test_gradients_and_their_gradients(scheme, dtype):
    torch.manual_seed(4)
    u = torch.randn(7, dtype=dtype, requires_grad=True)
    v = torch.tensor([0.8, -0.6, 1.1, -0.4, 0.9, 0.7, -1.2], dtype=F64, requires_grad=True)

    def rate(u, v):
        return scheme(u, v, -1, 0.5, periodic=True)

    assert torch.autograd.gradcheck(rate, (u, v), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(rate, (u, v))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_where_the_speed_vanishes_its_derivative_is_the_mean_of_both_sides(scheme):
    torch.manual_seed(5)
    u, h = torch.randn(9, dtype=F64), 0.5
    (at_zero,) = torch.autograd.grad(
        scheme(u, v := torch.zeros(9, dtype=F64, requires_grad=True), -1, h, periodic=True).sum(), v
    )
    sides = (scheme(u, 1.0, -1, h, periodic=True) - scheme(u, -1.0, -1, h, periodic=True)) / 2
    torch.testing.assert_close(at_zero, sides)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_samples_are_independent_and_map(scheme):
    torch.manual_seed(6)
    u, v = torch.randn(4, 3, 8, dtype=F64), torch.randn(4, 1, 1, dtype=F64)
    together = scheme(u, v, -1, 0.1, periodic=True)
    mapped = torch.func.vmap(lambda u, v: scheme(u, v, -1, 0.1, periodic=True))(u, v)
    torch.testing.assert_close(mapped, together, rtol=1e-14, atol=1e-14)
    for sample in range(4):
        assert torch.equal(scheme(u[sample], v[sample], -1, 0.1, periodic=True), together[sample])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_single_precision_stays_single(scheme, dtype):
    torch.manual_seed(7)
    u, v = torch.randn(16, dtype=dtype), torch.randn(16, dtype=F64)
    rate = scheme(u, v, -1, 0.1, periodic=True)
    assert rate.dtype == dtype
    wide = scheme(u.to(torch.complex128 if dtype.is_complex else F64), v, -1, 0.1, periodic=True)
    torch.testing.assert_close(rate.to(wide.dtype), wide, rtol=0, atol=2e-5 * wide.abs().max().item())
    for factor in (1e-12, 1e12):  # squares of squares of these leave the range of float32
        scaled = scheme(u * factor, v, -1, 0.1, periodic=True) / factor
        torch.testing.assert_close(scaled, rate, rtol=0, atol=1e-4 * rate.abs().max().item())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_compiles_in_one_graph(scheme):
    torch.manual_seed(8)
    u, v = torch.randn(2, 8, dtype=F64), torch.randn(8, dtype=F64)

    def rate(u, v):
        return scheme(u, v, -1, 0.1, periodic=True)

    torch.testing.assert_close(torch.compile(rate, fullgraph=True, backend="eager")(u, v), rate(u, v))


# -- the list ---------------------------------------------------------------------------------------------------------


def test_registry():
    assert list(ADVECTION_SCHEMES) == [
        "central2", "central4", "central6", "central8", "upwind1", "upwind3", "weno5",
    ]  # fmt: skip
    for name, scheme in ADVECTION_SCHEMES.items():
        assert advection_scheme(name) is scheme
        assert name.endswith(str(scheme.order))
    assert [scheme.width for scheme in ADVECTION_SCHEMES.values()] == [1, 2, 3, 4, 1, 2, 3]
    assert advection_scheme("central4").stencil == "(2/3 (u_(i+1) - u_(i-1)) - 1/12 (u_(i+2) - u_(i-2)))/h"


def test_refusals():
    with pytest.raises(GridError, match=r"one of central2, .*, weno5; got 'weno'; did you mean 'weno5'\?"):
        advection_scheme("weno")
    with pytest.raises(GridError, match="got 3"):
        advection_scheme(3)
    u = torch.zeros(8, dtype=F64)
    for scheme in ADVECTION_SCHEMES.values():
        for speed in (1j, torch.tensor(1j)):
            with pytest.raises(ParameterError, match=r"v\.real"):
                scheme(u, speed, -1, 0.1, periodic=True)
    with pytest.raises(GridError, match="at least 3 points along a periodic axis, got 2"):
        WENO5(u[:2], 1.0, -1, 0.1, periodic=True)
