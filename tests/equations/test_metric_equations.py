"""Equations on curved spaces: Laplacians, integrals and gradients of a given or learned Riemannian metric."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch

import fieldsolver as fs

TAU = 2 * math.pi


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def square(n=7, centring="cell"):
    return fs.Grid((n, n + 1), extent=(1.0, 1.3), centring=centring)


def wavy(x, y):
    bump = 1 + 0.5 * torch.sin(3 * x) * torch.cos(2 * y)
    slant = 0.3 * torch.sin(x + y)
    return [[bump, slant], [slant, 1.2]]


def flat(x, y):
    return [[1.0, 0.0], [0.0, 1.0]]


class Linear(torch.nn.Module):
    """A linear layer on ``(x, y, 1)``, zero at first: the flat metric."""

    def __init__(self, outputs=3):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3, outputs, dtype=torch.float64))

    def forward(self, x):
        return torch.cat([x, torch.ones_like(x[..., :1])], -1) @ self.weight


# -- against the flat space -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", [fs.Neumann(0.3), fs.Dirichlet("sin(x + y)"), fs.Robin(1, 2, 0.1), fs.Periodic()])
@pytest.mark.parametrize(
    "right", ["laplacian(u)", "diffusion(2.5, u)", "gradient_squared(u)", "u*integral(u) - mean(u)"]
)
def test_a_flat_metric_changes_nothing(boundary, right):
    text, u = f"du/dt = {right}", randn(2, 1, 7, 8)
    plain = fs.FieldEquation(text, grid=square(), boundary=boundary)
    curved = fs.FieldEquation(text, grid=square(), boundary=boundary, metric=flat)
    scale = plain(0.0, u).abs().max().item()
    torch.testing.assert_close(curved(0.0, u), plain(0.0, u), rtol=0, atol=1e-12 * scale)


def test_a_metric_may_be_a_tensor_a_function_a_module_or_made_before():
    grid, u = square(), randn(1, 7, 8)
    function = fs.Metric(wavy, grid)

    class Module(torch.nn.Module):
        def forward(self, x, y):
            return torch.stack([torch.stack([e + 0 * x for e in row]) for row in wavy(x, y)])

    rates = [
        fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=fs.Neumann(0), metric=metric)(0.0, u)
        for metric in (wavy, function, function.components(), Module())
    ]
    for other in rates[1:]:
        torch.testing.assert_close(other, rates[0], rtol=1e-13, atol=1e-12)


# -- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_the_total_over_the_volume_is_conserved(centring):
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + diffusion(1 + u**2, u)",
        grid=square(centring=centring),
        boundary=fs.Neumann(0),
        metric=wavy,
    )
    volumes = equation.layout.weights()
    torch.testing.assert_close(volumes.sum(), equation.metric.integral(torch.ones(7, 8).double()))
    flow = equation(0.0, randn(1, 7, 8))[0] * volumes
    assert abs(flow.sum()) < 1e-12 * flow.abs().sum()
    assert equation.conserved().shape == (1, 1)
    means = fs.FieldEquation(
        "du/dt = mean(u) - integral(u)", grid=square(centring=centring), boundary=fs.Neumann(0), metric=wavy
    )
    u = randn(1, 7, 8)
    total = (u[0] * volumes).sum()
    torch.testing.assert_close(means(0.0, u), (total / volumes.sum() - total).expand(1, 7, 8))


def test_the_squared_gradient_has_the_energy_of_the_laplacian():
    """``∫ |grad u|² + u Δu = 0``, to second order."""
    defects = []
    for n in (16, 32):
        grid = fs.Grid((n, n), extent=(TAU, TAU))
        equation = fs.FieldEquation(
            "du/dt = integral(gradient_squared(u) + u*laplacian(u))", grid=grid, boundary=fs.Periodic(),
            metric=lambda x, y: [[1.5 + torch.sin(x), 0.2 * torch.cos(y)], [0.2 * torch.cos(y), 1.0]],
        )  # fmt: skip
        x, y = grid.coordinates()
        defects.append(equation(0.0, (torch.sin(x) * torch.cos(y) + torch.cos(x))[None]).abs().max().item())
    assert np.log2(defects[0] / defects[1]) == pytest.approx(2, abs=0.15)


# -- against the coordinates that have names --------------------------------------------------------------------------


def test_a_belt_of_the_sphere_by_its_metric_and_by_its_name():
    """The mode ``l = 2`` decays on both; the difference is of second order."""
    differences = []
    for n in (8, 16):
        bounds = ((1.0, math.pi - 1.0), (0, TAU))
        named = fs.Grid((n, 2 * n), bounds=bounds, coordinates="sphere")
        plain = fs.Grid((n, 2 * n), bounds=bounds)
        theta, phi = plain.coordinates()
        start = theta.sin() ** 2 * torch.cos(2 * phi)
        text, ends = "du/dt = laplacian(u) + 0.1*gradient_squared(u) + mean(u)", []
        for grid, axes, metric in (
            (named, ("theta", "phi"), None),
            (plain, ("x", "y"), lambda t, p: [[1.0, 0.0], [0.0, torch.sin(t) ** 2]]),
        ):
            boundary = {axes[0]: fs.Neumann(0), axes[1]: fs.Periodic()}
            equation = fs.FieldEquation(text, grid=grid, boundary=boundary, metric=metric)
            ends.append(fs.solve(equation, {"u": start}, t_span=(0, 0.05), rtol=1e-8, atol=1e-10)["u"][-1])
        differences.append((ends[0] - ends[1]).abs().max().item())
    assert differences[1] < 1e-3
    assert np.log2(differences[0] / differences[1]) == pytest.approx(2, abs=0.3)


def test_a_conformal_metric_slows_diffusion_down():
    """``g = s² 1`` in the plane: ``Δ_g = Δ/s²``."""
    grid, u = square(), randn(1, 7, 8)
    slow = fs.FieldEquation(
        "du/dt = laplacian(u)", grid=grid, boundary=fs.Dirichlet(0), metric=lambda x, y: [[1 + x, 0.0], [0.0, 1 + x]]
    )
    plain = fs.FieldEquation("du/dt = laplacian(u)/(1 + x)", grid=grid, boundary=fs.Dirichlet(0))
    torch.testing.assert_close(slow(0.0, u), plain(0.0, u), rtol=1e-12, atol=1e-10)


# -- learning ---------------------------------------------------------------------------------------------------------


def learned(grid, seed=None):
    network = Linear()
    if seed is not None:
        network.weight.data = 0.3 * randn(3, 3, seed=seed)
    return fs.FieldEquation(
        "du/dt = laplacian(u)", grid=grid, boundary=fs.Neumann(0), metric=fs.LearnedMetric(network, 2)
    )


def test_the_weights_of_a_metric_travel_through_the_pure_function():
    grid, u = square(5), randn(1, 5, 6)
    equation, other = learned(grid, 1), learned(grid, 2)
    assert [name for name, _ in equation.named_parameters()] == ["metric.source.network.weight"]
    function, own = equation.pure()
    _, theirs = other.pure()
    t = torch.tensor(0.0, dtype=torch.float64)
    torch.testing.assert_close(function(own, t, u), equation(0.0, u))
    torch.testing.assert_close(function(theirs, t, u), other(0.0, u))
    (weight,) = own

    def rates(weight):
        return function((weight,), t, u)

    assert torch.autograd.gradcheck(rates, weight.detach().requires_grad_())
    mapped = torch.func.vmap(rates)(torch.stack([own[0].detach(), theirs[0].detach()]))
    torch.testing.assert_close(mapped, torch.stack([equation(0.0, u), other(0.0, u)]).detach())


def test_the_metric_is_evaluated_once_per_right_hand_side():
    calls = []

    class Counting(fs.LearnedMetric):
        def forward(self, *coordinates):
            calls.append(1)
            return super().forward(*coordinates)

    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + gradient_squared(u) + diffusion(u, u) - mean(u)",
        grid=square(5),
        boundary=fs.Neumann(0),
        metric=Counting(Linear(), 2),
    )
    calls.clear()
    equation(0.0, randn(1, 5, 6))
    assert len(calls) == 1


def test_a_conformal_factor_is_recovered_from_data():
    """A metric ``(1 + a x)² 1`` from two states of diffusion: the relative error of the learned volume falls."""
    grid = fs.Grid((5, 5), extent=1.0)
    x, y = grid.coordinates()

    class Conformal(torch.nn.Module):
        def __init__(self, slope):
            super().__init__()
            self.slope = torch.nn.Parameter(torch.tensor(slope, dtype=torch.float64))

        def forward(self, x, y):
            factor = (1 + self.slope * x) ** 2
            return torch.stack([torch.stack([factor, 0 * x]), torch.stack([0 * x, factor])])

    def equation(metric):
        return fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=fs.Neumann(0), metric=metric)

    start = {"u": torch.cos(math.pi * x) + torch.cos(2 * math.pi * y) + torch.sin(x * y)}
    options = {"t_span": (0.0, 0.02), "dt": 0.005, "method": "rk4"}
    data = fs.solve(equation(Conformal(0.8)), start, **options)["u"][-1].detach()
    guess = equation(Conformal(0.0))
    optimiser = torch.optim.LBFGS(guess.parameters(), max_iter=8, line_search_fn="strong_wolfe")

    def misfit():
        optimiser.zero_grad()
        loss = 1e3 * (fs.solve(guess, start, **options, gradient="direct")["u"][-1] - data).square().mean()
        loss.backward()
        return loss

    optimiser.step(misfit)
    assert guess.metric.source.slope.item() == pytest.approx(0.8, abs=1e-3)


# -- knowledge and views ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("boundary", [fs.Neumann(0), fs.Dirichlet(0), fs.Robin(1, 2), fs.Robin(-0.5, 1)])
@pytest.mark.parametrize(
    "right", ["laplacian(u)", "3*diffusion(1.5 + sin(x), u)", "laplacian(u) + gradient_squared(u)"]
)
def test_bounds_and_patterns_hold_what_is_there(centring, boundary, right):
    equation = fs.FieldEquation(f"du/dt = {right}", grid=square(6, centring), boundary=boundary, metric=wavy)
    zero, u = torch.zeros(1, 6, 7, dtype=torch.float64), randn(1, 6, 7)
    spectrum, bound = np.linalg.eigvals(equation.jacobian().dense(0.0, zero).numpy()), equation.linear_part().bound
    slack = 1e-8 * bound.radius
    assert bound.lowest - slack <= spectrum.real.min()
    assert spectrum.real.max() <= bound.highest + slack
    assert np.abs(spectrum.imag).max() <= bound.imaginary + slack
    jacobian = equation.jacobian()
    torch.testing.assert_close(torch.from_numpy(jacobian.sparse(0.0, u).toarray()), jacobian.dense(0.0, u))


def test_linearisation_of_the_squared_gradient():
    grid = square(5)
    equation = fs.FieldEquation("du/dt = gradient_squared(u)", grid=grid, boundary=fs.Neumann(0), metric=wavy)
    s = fs.Symbols(grid, metric=wavy)
    pair = fs.FieldEquation(
        {s.field("u"): 0 * s.field("delta_u"), s.field("delta_u"): equation.jacobian().blocks["u", "u"]},
        grid=grid,
        boundary=fs.Neumann(0),
        metric=wavy,
    )
    u, v = randn(1, 5, 6), randn(1, 5, 6, seed=1)
    expected = equation.jacobian().product(0.0, u, v)
    torch.testing.assert_close(pair(0.0, torch.cat([u, v]))[1:], expected, rtol=1e-10, atol=1e-9)


def test_an_equation_with_a_metric_can_be_copied_and_written():
    equation = learned(square(5), 3)
    u = randn(1, 5, 6)
    for same in (copy.deepcopy(equation), pickle.loads(pickle.dumps(equation))):
        torch.testing.assert_close(same(0.0, u), equation(0.0, u))
        same.metric.source.network.weight.data.zero_()
        assert not torch.allclose(same(0.0, u), equation(0.0, u))
    assert str(equation) == "du/dt = laplacian(u)"
    assert equation(0.0, u.float()).dtype == torch.float32
    other = learned(square(5))
    other.load_state_dict(equation.state_dict())
    torch.testing.assert_close(other(0.0, u), equation(0.0, u))


def test_a_system_on_a_metric():
    class Heat(fs.System):
        u = fs.Field()

        def rates(self, s):
            return {"u": s.laplacian(self.u)}

    grid, u = square(5), randn(1, 5, 6)
    one = Heat.equation(grid=grid, boundary=fs.Neumann(0), metric=wavy)
    two = fs.FieldEquation("du/dt = laplacian(u)", grid=grid, boundary=fs.Neumann(0), metric=wavy)
    assert torch.equal(one(0.0, u), two(0.0, u))


# -- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "message"),
    [
        ("gradient(u)[0]", "gradient is not defined with a metric, which has laplacian, diffusion, gradient_squared"),
        ("d_dx(u)", "d_dx is not defined with a metric"),
        ("biharmonic(u)", "biharmonic is not defined with a metric"),
        ("divergence(v)", "divergence is not defined with a metric"),
        ("advection(v, u)", "advection is not defined with a metric"),
        ("diffusion(K, u)", "diffusion takes a scalar coefficient with a metric, not a matrix"),
        ("convolve(w, u)", "convolve is not defined with a metric"),
    ],
)
def test_words_that_cannot_be(right, message):
    options = {
        "parameters": {"K": [[1.0, 0.0], [0.0, 1.0]]} if "K" in right else {},
        "kernels": {"w": fs.Kernel(lambda x, y: torch.exp(-(x**2) - y**2), edge="zero")} if "(w" in right else {},
        "components": {"v": 2},
    }
    with pytest.raises(fs.EquationError, match=message):
        fs.FieldEquation(f"du/dt = {right}; dv/dt = -v", grid=square(), boundary=fs.Neumann(0), metric=wavy, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space_order": 4}, "equations in a metric are discretised by central differences of order 2"),
        ({"scheme": fs.Spectral()}, "discretised by central differences of order 2"),
        ({"grid": fs.Grid((4, 8), bounds=((0.5, 1), (0, 6)), coordinates="polar")}, "a metric is given on a uniform"),
        ({"grid": fs.Grid((4, 8), extent=1, nodes={"x": fs.Clustered("chebyshev")})}, "a metric is given on a uniform"),
        ({"metric": fs.Metric(wavy, fs.Grid((7, 8), extent=2))}, "the metric was made on Grid"),
        ({"grid": None, "boundary": None}, "metric= needs one grid"),
    ],
)
def test_grids_and_schemes_that_cannot_be(options, message):
    text = "du/dt = laplacian(u)" if options.get("grid", True) is not None else "du/dt = -u"
    given = {"grid": square(), "boundary": fs.Neumann(0), "metric": wavy} | options
    with pytest.raises(fs.GridError, match=message):
        fs.FieldEquation(text, **given)


def test_views_that_cannot_be():
    equation = fs.FieldEquation("du/dt = laplacian(u)", grid=square(), boundary=fs.Neumann(0), metric=wavy)
    with pytest.raises(fs.EquationError, match="a metric is known on grid points only"):
        equation.manufactured({"u": "exp(-t)*cos(x)"})
    with pytest.raises(fs.EquationError, match="has no Fourier symbol"):
        equation.symbol([1.0, 2.0])
    with pytest.raises(fs.GridError, match="not defined on the anti-periodic axis"):
        fs.FieldEquation("du/dt = laplacian(u)", grid=square(), boundary=fs.AntiPeriodic(), metric=wavy)
