"""Fields on grids of their own: against one-grid equations with the transfers of `space.coupling` between them."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import fieldsolver as fs
from fieldsolver import analysis
from fieldsolver.equations.grammar import parse_expression
from fieldsolver.errors import EquationTypeError
from fieldsolver.solve import explain
from fieldsolver.space.coupling import prolong, restrict

DOUBLE = torch.float64
EXCHANGE = "du/dt = D*laplacian(u) + k*(restrict(v) - u); dv/dt = laplacian(v) - k*(v - prolong(u))"
PARAMETERS = {"D": 0.3, "k": 2.0}


def grids(coarse, fine, **options):
    options = {"extent": 1.0, **options}
    return {"u": fs.Grid(coarse, **options), "v": fs.Grid(fine, **options)}


def exchange(boundary=None, text=EXCHANGE, shapes=((6, 4), (12, 12)), parameters=PARAMETERS, **options):
    return fs.FieldEquation(
        text, grid=grids(*shapes, **options), boundary=boundary or fs.Periodic(), parameters=parameters
    )


def random_state(equation, *batch, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*batch, *equation.state_shape, dtype=DOUBLE, generator=generator)


def integrals(equation, rates):
    return sum(
        (values * equation.grid[name].weights()).flatten(-equation.layout.dimension).sum(-1)
        for name, values in equation.unpack(rates).items()
    )


# -- the same as one grid ------------------------------------------------------------------------------------------


def test_equal_grids_are_one_grid_to_the_bit():
    text = "du/dt = laplacian(u) - u*v; dv/dt = 0.1*laplacian(v) + u*v + x"
    one, each = (
        fs.FieldEquation(text, grid=grid, boundary=fs.Neumann(0))
        for grid in (fs.Grid((8, 6), extent=1.0), grids((8, 6), (8, 6)))
    )
    assert each.grid == one.grid
    assert each.state_shape == (2, 8, 6)
    y = random_state(one, 3)
    assert torch.equal(one(0.0, y), each(0.0, y))
    assert each.fingerprint() == one.fingerprint()
    assert repr(each) == repr(one)


@pytest.mark.parametrize("shapes", [((8,), (24,)), ((6, 4), (12, 12))])
@pytest.mark.parametrize(
    ("centring", "boundary"),
    [
        ("cell", fs.Periodic()),
        ("cell", fs.Neumann(0)),
        ("cell", {"u": fs.Dirichlet("1 + t"), "v": fs.Neumann("x")}),
        ("node", {"u": fs.Dirichlet("1 + t"), "v": fs.Neumann(0.5)}),
        ("node", {"u": fs.Robin(1, 2, "t"), "v": fs.Dirichlet(0)}),
    ],
)
def test_rates_are_those_of_one_grid_equations_with_transfers_between(shapes, centring, boundary):
    if centring == "node":
        shapes = tuple(tuple(n + 1 for n in shape) for shape in shapes)
    if len(shapes[0]) == 1:
        boundary = {"u": fs.Dirichlet("1 + t"), "v": fs.Neumann(0)} if isinstance(boundary, dict) else boundary
    equation = exchange(boundary, shapes=shapes, centring=centring)
    single = {
        name: fs.FieldEquation(
            f"d{name}/dt = {rate}",
            grid=equation.grid[name],
            boundary=boundary[name] if isinstance(boundary, dict) else boundary,
            parameters={"D": 0.3} if name == "u" else {},
        )
        for name, rate in (("u", "D*laplacian(u)"), ("v", "laplacian(v)"))
    }
    y, t = random_state(equation, 2), torch.tensor([0.3, 0.7], dtype=DOUBLE)
    held = equation.unpack(equation.project(t, y))
    periodic = equation.grid["u"].axes if isinstance(boundary, fs.Periodic) else ()
    coarse, fine = equation.grid["u"], equation.grid["v"]
    on_u, on_v = restrict(held["v"], fine, coarse, periodic), prolong(held["u"], coarse, fine, periodic)
    rates = equation.unpack(equation(t, y))
    for name, transferred in (("u", on_u), ("v", on_v)):
        alone = single[name]
        expected = alone(t, held[name].unsqueeze(1)).squeeze(1)
        free = (alone.project(t, torch.full_like(expected, math.pi).unsqueeze(1)).squeeze(1) == math.pi).double()
        expected = expected + free * 2.0 * (transferred - held[name])
        torch.testing.assert_close(rates[name], expected, rtol=1e-12, atol=1e-11)


def test_batched_rates_are_those_of_the_samples_and_the_state_is_flat():
    equation = exchange()
    y = random_state(equation, 3)
    assert equation.state_shape == (24 + 144,)
    assert equation.dimension == 0
    assert torch.equal(torch.stack([equation(0.0, each) for each in y]), equation(0.0, y))
    fields = equation.unpack(y)
    assert fields["u"].shape == (3, 6, 4)
    assert fields["v"].shape == (3, 12, 12)
    assert torch.equal(equation.pack(fields), y)
    mixed = equation.pack({"u": 1.0, "v": torch.zeros(5, 12, 12)})
    assert mixed.shape == (5, 168)
    assert mixed.dtype == torch.float32
    assert mixed[:, :24].eq(1).all()


def test_fields_on_equal_grids_share_a_domain():
    coarse, fine = fs.Grid(4, extent=1.0), fs.Grid(8, extent=1.0)
    equation = fs.FieldEquation(
        "du/dt = w + restrict(v); dv/dt = prolong(u*w); dw/dt = u - restrict(v**2)",
        grid={"v": fine, "u": coarse, "w": fs.Grid(4, extent=1.0)},
        boundary=fs.Periodic(),
    )
    y = random_state(equation)
    f = equation.unpack(y)
    rates = equation.unpack(equation(0.0, y))
    assert list(f) == ["u", "v", "w"]
    assert list(equation.grid) == ["u", "v", "w"]
    torch.testing.assert_close(rates["u"], f["w"] + restrict(f["v"], fine, coarse))
    torch.testing.assert_close(rates["v"], prolong(f["u"] * f["w"], coarse, fine, ("x",)))
    torch.testing.assert_close(rates["w"], f["u"] - restrict(f["v"] ** 2, fine, coarse))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
def test_precision_components_and_complex_fields(dtype):
    complex_fields = ("u", "v") if dtype.is_complex else ()
    equation = fs.FieldEquation(
        "du/dt = restrict(v)[0] - u; dv/dt = laplacian(v) + prolong(u)*K",
        grid=grids((4, 4), (8, 8)),
        boundary=fs.Neumann(0),
        parameters={"K": torch.tensor([1.0, 2.0])},
        components={"v": 2},
        complex_fields=complex_fields,
    )
    y = random_state(equation, 2).to(dtype)
    assert y.shape[1:] == (16 + 128,)
    rates = equation(0.0, y)
    assert rates.dtype == dtype
    assert rates.shape == y.shape
    f, r = equation.unpack(y), equation.unpack(rates)
    assert f["v"].shape == (2, 2, 8, 8)
    torch.testing.assert_close(r["u"], restrict(f["v"][:, 0], equation.grid["v"], equation.grid["u"]) - f["u"])


# -- what the exchange keeps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("text", [EXCHANGE, "du/dt = restrict(laplacian(v) - v**3); dv/dt = v**3"])
def test_the_total_integral_is_conserved(text, centring):
    shapes = ((6, 4), (12, 12)) if centring == "cell" else ((7, 5), (13, 13))
    parameters = PARAMETERS if text == EXCHANGE else {}
    equation = exchange(fs.Neumann(0), text, shapes, parameters, centring=centring)
    rates = equation(0.0, random_state(equation, 4))
    assert integrals(equation, rates).abs().max() < 1e-12 * integrals(equation, rates.abs()).max()
    np.testing.assert_allclose(equation.conserved(), [[1.0, 1.0]], rtol=1e-9)
    torch.testing.assert_close(integrals(equation, torch.ones_like(rates)), torch.full((4,), 2.0, dtype=DOUBLE))


@pytest.mark.parametrize(("centring", "shapes"), [("cell", ((5, 4), (10, 12))), ("node", ((5, 4), (9, 10)))])
def test_linear_functions_pass_in_both_directions(centring, shapes):
    text = "du/dt = restrict(v) - (1 + 2*x - 3*y); dv/dt = prolong(u) - (1 + 2*x - 3*y)"
    equation = exchange(fs.Neumann(0), text, shapes, {}, centring=centring)
    linear = {name: 1 + 2 * x - 3 * y for name, (x, y) in ((n, g.coordinates()) for n, g in equation.grid.items())}
    rates = equation.unpack(equation(0.0, equation.pack(linear)))
    assert rates["v"].abs().max() < 1e-13
    inside = rates["u"] if centring == "cell" else rates["u"][1:-1, 1:-1]  # full weighting is a mean, one-sided at ends
    assert inside.abs().max() < 1e-13


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_a_coupled_problem_with_a_known_solution_is_of_second_order(centring):
    text = """
    du/dt = 0.05*d2_dx2(u) + restrict(v) + (0.2*pi**2 - 2)*exp(-2*t)*cos(2*pi*x) - exp(-t)*cos(pi*x)
    dv/dt = 0.05*d2_dx2(v) + prolong(u**2) + (0.05*pi**2 - 1)*exp(-t)*cos(pi*x) - exp(-4*t)*cos(2*pi*x)**2
    """
    errors = []
    for points in (12, 24, 48):
        shapes = (points, 2 * points) if centring == "cell" else (points + 1, 2 * points + 1)
        equation = exchange(fs.Neumann(0), text, shapes, {}, centring=centring)
        x = {name: grid.coordinates()[0] for name, grid in equation.grid.items()}
        start = {"u": torch.cos(2 * math.pi * x["u"]), "v": torch.cos(math.pi * x["v"])}
        solution = fs.solve(equation, start, t_span=(0, 0.2), rtol=1e-6, atol=1e-8)
        exact = {"u": math.exp(-0.4) * start["u"], "v": math.exp(-0.2) * start["v"]}
        errors.append(max(float((solution[name][-1] - exact[name]).abs().max()) for name in exact))
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert all(abs(order - 2) < 0.2 for order in orders), (errors, orders)


# -- everything that follows a grid --------------------------------------------------------------------------------


def test_coordinates_integrals_parameters_and_kernels_are_those_of_their_row():
    coarse, fine = fs.Grid(6, extent=2.0), fs.Grid(12, extent=2.0)
    generator = torch.Generator().manual_seed(1)
    a = torch.rand(6, dtype=DOUBLE, generator=generator)
    b = torch.rand(12, dtype=DOUBLE, generator=generator)
    equation = fs.FieldEquation(
        "du/dt = a*x*u + integral(restrict(v)); dv/dt = b*x*v + mean(v) + convolve(w, v) + c*s",
        grid={"u": coarse, "v": fine},
        boundary=fs.Periodic(),
        parameters={
            "a": fs.Spatial(a),
            "b": fs.Spatial(b),
            "c": fs.PerSample([1.0, 2.0]),
            "s": fs.Signal([0.0, 1.0], [0.0, 4.0]),
        },
        kernels={"w": fs.Kernel(lambda x: torch.exp(-(x**2)), edge="periodic")},
    )
    y, t = random_state(equation, 2), torch.tensor([0.25, 0.5], dtype=DOUBLE)
    f, rates = equation.unpack(y), equation.unpack(equation(t, y))
    x = {"u": coarse.coordinate(0), "v": fine.coordinate(0)}
    total = (f["v"] * fine.weights()).sum(-1, keepdim=True)
    torch.testing.assert_close(rates["u"], a * x["u"] * f["u"] + total)
    alone = fs.FieldEquation(
        "dv/dt = convolve(w, v)",
        grid=fine,
        boundary=fs.Periodic(),
        kernels={"w": fs.Kernel(lambda x: torch.exp(-(x**2)), edge="periodic")},
    )(0.0, f["v"].unsqueeze(1)).squeeze(1)
    source = torch.tensor([[1.0], [4.0]], dtype=DOUBLE)
    torch.testing.assert_close(rates["v"], b * x["v"] * f["v"] + total / 2 + alone + source)


def test_modules_are_called_on_the_grid_of_their_row():
    class Smooth(nn.Module):
        def forward(self, fields):
            return fields.mean(dim=(-2, -1), keepdim=True).expand_as(fields)[:, :1]

    class Only(nn.Module):  # knows its grid
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(8, 8, dtype=DOUBLE))

        def forward(self, fields):
            return fields * self.weight

    equation = fs.FieldEquation(
        "du/dt = net(u, restrict(v)); dv/dt = smooth(v, prolong(u)) + only(v)",
        grid=grids((4, 4), (8, 8)),
        boundary=fs.Periodic(),
        modules={"net": nn.Linear(2, 1).double(), "smooth": fs.Nonlocal(Smooth()), "only": fs.Nonlocal(Only())},
    )
    y = random_state(equation, 3)
    f, rates = equation.unpack(y), equation.unpack(equation(0.0, y))
    on_u = restrict(f["v"], equation.grid["v"], equation.grid["u"])
    expected = equation.submodules["net"](torch.stack([f["u"], on_u], dim=-1)).squeeze(-1)
    torch.testing.assert_close(rates["u"], expected)
    torch.testing.assert_close(rates["v"], f["v"].mean((-2, -1), keepdim=True) + f["v"])


def test_stencils_reach_over_transfers_on_periodic_axes():
    equation = exchange(fs.Periodic(), "du/dt = d_dx(restrict(v)); dv/dt = laplacian(prolong(u))", parameters={})
    y = random_state(equation)
    f, rates = equation.unpack(y), equation.unpack(equation(0.0, y))
    coarse, fine = equation.grid["u"], equation.grid["v"]
    on_u = restrict(f["v"], fine, coarse)
    torch.testing.assert_close(rates["u"], (on_u.roll(-1, 0) - on_u.roll(1, 0)) * 6 / 2)
    on_v = prolong(f["u"], coarse, fine, ("x", "y"))
    around = sum(on_v.roll(step, axis) for step in (1, -1) for axis in (0, 1))
    torch.testing.assert_close(rates["v"], (around - 4 * on_v) * 144)


def test_one_field_may_close_with_a_change_of_sign_and_the_other_without():
    boundary = {"u": fs.Periodic(), "v": fs.AntiPeriodic()}
    equation = exchange(boundary, "du/dt = -u; dv/dt = prolong(u)", (4, 8), {})
    y = random_state(equation)
    f, rates = equation.unpack(y), equation.unpack(equation(0.0, y))
    assert torch.equal(rates["v"], prolong(f["u"], equation.grid["u"], equation.grid["v"], ("x",)))


def test_noise_has_amplitudes_on_the_grid_of_its_row():
    equation = fs.FieldEquation(
        "du/dt = restrict(v) + x*white_noise(0); dv/dt = -v + restrict(w)*white_noise(0); dw/dt = w",
        grid={**grids(4, 8), "w": fs.Grid(16, extent=1.0)},
        boundary=fs.Neumann(0),
        calculus="ito",
    )
    y = random_state(equation, 2)
    (amplitude,) = equation.noise_amplitudes(0.0, y).values()
    f, own = equation.unpack(y), equation.unpack(amplitude)
    assert torch.equal(own["u"], equation.grid["u"].coordinate(0).expand(2, 4))
    assert not own["w"].any()
    torch.testing.assert_close(own["v"], restrict(f["w"], equation.grid["w"], equation.grid["v"]))


def test_a_spectral_scheme_and_a_transfer_live_together():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + restrict(v); dv/dt = d_dx(v) + prolong(u)",
        grid=grids(8, 16, extent=2 * math.pi),
        boundary=fs.Periodic(),
        scheme=fs.Spectral(),
    )
    x = equation.grid["v"].coordinate(0)
    rates = equation.unpack(equation(0.0, equation.pack({"u": 0.0, "v": torch.sin(x)})))
    torch.testing.assert_close(rates["v"], torch.cos(x))


def test_second_order_in_time_has_velocities_on_the_grid_of_their_field():
    equation = fs.FieldEquation(
        "d2u/dt2 = laplacian(u) + restrict(v) - d_dt(u); dv/dt = laplacian(v) + prolong(d_dt(u))",
        grid=grids(8, 16),
        boundary={"u": fs.Absorbing(1.0), "v": fs.Neumann(0)},
    )
    assert equation.fields == ("u", "du/dt", "v")
    assert equation.state_shape == (8 + 8 + 16,)
    y = random_state(equation)
    f, rates = equation.unpack(y), equation.unpack(equation(0.0, y))
    assert torch.equal(rates["u"], f["du/dt"])
    alone = fs.FieldEquation("dv/dt = laplacian(v)", grid=equation.grid["v"], boundary=fs.Neumann(0))
    expected = alone(0.0, f["v"].unsqueeze(0)).squeeze(0) + prolong(f["du/dt"], equation.grid["u"], equation.grid["v"])
    torch.testing.assert_close(rates["v"], expected)
    solution = fs.solve(equation, {"u": 0.0, "du/dt": 0.0, "v": torch.ones(16, dtype=DOUBLE)}, t_span=(0, 0.1))
    assert solution["du/dt"].shape == (2, 8)
    assert solution["u"][-1].mean() > 0


# -- solving and training ------------------------------------------------------------------------------------------


def trainable(k=2.0):
    return exchange(fs.Neumann(0), shapes=((4, 3), (8, 6)), parameters={"D": 0.3, "k": fs.Parameter(k, positive=True)})


def test_gradients_agree_between_modes_and_with_differences():
    start = {"u": torch.linspace(0, 1, 24, dtype=DOUBLE).reshape(2, 4, 3), "v": torch.ones(8, 6, dtype=DOUBLE)}

    def loss(equation, mode, u0):
        solution = fs.solve(equation, {**start, "u": u0}, t_span=(0, 0.05), dt=1e-3, method="rk4", gradient=mode)
        return (solution["u"][-1] ** 2).sum() + (solution["v"][-1] ** 3).mean()

    found = {}
    for mode in ("direct", "checkpointed"):
        equation, u0 = trainable(), start["u"].clone().requires_grad_()
        loss(equation, mode, u0).backward()
        found[mode] = (equation.raw["k"].grad, u0.grad)
    for one, other in zip(*found.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
    step = 1e-6
    high, low = (loss(trainable(math.exp(math.log(2.0) + s)), "none", start["u"]) for s in (step, -step))
    torch.testing.assert_close(found["direct"][0], (high - low) / (2 * step), rtol=1e-7, atol=0)
    direction = torch.randn(start["u"].shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    high, low = (loss(trainable(), "none", start["u"] + s * direction) for s in (step, -step))
    torch.testing.assert_close((found["direct"][1] * direction).sum(), (high - low) / (2 * step), rtol=1e-7, atol=0)


def test_a_layer_trains_and_its_weights_are_saved(tmp_path):
    layer = fs.nn.FieldLayer(trainable(), duration=0.05, method="tsit5")
    y = random_state(layer.equation, 2)
    out = layer(y)
    assert out.shape == y.shape
    out.square().sum().backward()
    assert layer.equation.raw["k"].grad.abs() > 0
    layer.save(tmp_path / "weights.safetensors")
    other = fs.nn.FieldLayer(trainable(5.0), duration=0.05, method="tsit5")
    other.load_weights(tmp_path / "weights.safetensors")
    assert torch.equal(other(y), out)
    elsewhere = fs.nn.FieldLayer(exchange(parameters={"D": 0.3, "k": fs.Parameter(2.0, positive=True)}), duration=0.05)
    with pytest.raises(fs.FileFormatError):
        elsewhere.load_weights(tmp_path / "weights.safetensors")


@pytest.mark.slow
def test_a_parameter_is_fitted_to_data_on_both_grids():
    truth = exchange(fs.Neumann(0), shapes=(4, 8), parameters={"D": 0.3, "k": 3.0})
    start = {"u": torch.linspace(0, 1, 4, dtype=DOUBLE), "v": torch.linspace(2, 1, 8, dtype=DOUBLE)}
    t = torch.linspace(0, 0.3, 4, dtype=DOUBLE)
    solution = fs.solve(truth, start, t_span=(0, 0.3), save_at=t, rtol=1e-9, atol=1e-11)
    generator = torch.Generator().manual_seed(0)
    noisy = {n: solution[n] + 1e-3 * torch.randn(solution[n].shape, dtype=DOUBLE, generator=generator) for n in "uv"}
    data = {"t": t, **noisy}
    model = exchange(fs.Neumann(0), shapes=(4, 8), parameters={"D": 0.3, "k": fs.Parameter(1.0, positive=True)})
    result = fs.fit(model, data, initial=start, noise="normal")
    assert result.estimates["k"] == pytest.approx(3.0, rel=0.05)
    assert result.to_xarray()["fitted_v"].dims == ("time", "x_v")
    result.plot()


def test_solutions_know_the_grid_of_every_field(tmp_path):
    equation = exchange()
    solution = fs.solve(equation, random_state(equation, 2), t_span=(0, 0.01), save_at=torch.linspace(0, 0.01, 3))
    assert solution["u"].shape == (3, 2, 6, 4)
    assert solution["v"].shape == (3, 2, 12, 12)
    dataset = solution.to_xarray()
    assert dataset["u"].dims == ("time", "batch", "x_u", "y_u")
    assert dataset["v"].dims == ("time", "batch", "x_v", "y_v")
    np.testing.assert_array_equal(dataset["x_v"], equation.grid["v"].coordinate(0))
    dataset.to_netcdf(tmp_path / "solution.nc")
    assert len(solution.plot().axes) == 4  # two pictures and their bars of colour
    assert solution.animate(tmp_path / "v.gif", field="v").stat().st_size > 0


# -- what is known -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [EXCHANGE, "du/dt = D*laplacian(u) - restrict(v); dv/dt = x*k*v + 3*prolong(u)"])
@pytest.mark.parametrize("boundary", [fs.Periodic(), fs.Neumann(0), fs.Dirichlet(0)])
def test_the_bound_holds_the_spectrum(text, boundary):
    equation = exchange(boundary, text, shapes=((4, 3), (8, 6)))
    linear = equation.linear_part()
    eigenvalues = torch.linalg.eigvals(equation.jacobian().dense(0.0, random_state(equation)))
    bound = linear.bound
    assert bound.kind == "upper"
    assert linear.eigenvalues is None
    assert linear.transform == ("none", "none")
    assert bound.lowest <= eigenvalues.real.min()
    assert eigenvalues.real.max() <= bound.highest
    assert eigenvalues.imag.abs().max() <= bound.imaginary
    assert bound.lowest > 1.5 * eigenvalues.real.min() - 20  # and is no empty statement
    assert "nonlocal" in {term.kind for term in linear.terms}


def test_explain_and_describe_name_every_grid():
    equation = exchange()
    page = str(explain(equation, dt=1e-4))
    assert "u on Grid(shape=(6, 4)" in page
    assert "v on Grid(shape=(12, 12)" in page
    assert "Conserved" in page
    assert "+1*u +1*v" in page
    assert "a transfer between grids" in page
    assert "  u on Grid(shape=(6, 4)" in repr(equation)
    assert "  v on Grid(shape=(12, 12)" in repr(equation)
    assert equation.fingerprint() != exchange(shapes=((6, 4), (12, 24))).fingerprint()
    with pytest.warns(fs.FieldSolverWarning, match="known to be stable"):
        fs.solve(equation, random_state(equation), t_span=(0, 0.02), dt=0.02, method="euler", on_failure="keep")


def test_steady_states_and_products_with_the_jacobian():
    text = "du/dt = laplacian(u) + restrict(v) - u; dv/dt = laplacian(v) + v - v**3 + 0.0*prolong(u)"
    equation = exchange(fs.Neumann(0), text, parameters={})
    np.testing.assert_allclose(equation.steady_states(starts=16), [[-1, -1], [0, 0], [1, 1]], atol=1e-9)
    y, direction = random_state(equation), random_state(equation, seed=1)
    jacobian = equation.jacobian()
    product = jacobian.product(0.0, y, direction)
    torch.testing.assert_close(jacobian.dense(0.0, y) @ direction, product)
    assert str(jacobian.blocks["u", "v"]) == "restrict(delta_v)"


def test_the_words_in_every_notation():
    equation = exchange()
    again = exchange(text=str(equation))
    assert all(again.statements[name] is node for name, node in equation.statements.items())
    assert "restrict(v)" in equation.pretty()
    assert r"\operatorname{prolong}\left(u\right)" in equation.latex()
    s = fs.Symbols(equation.grid)
    u, v, k, D = s.field("u"), s.field("v"), s.parameter("k"), s.parameter("D")
    rates = {u: D * s.laplacian(u) + k * (s.restrict(v) - u), v: s.laplacian(v) - k * (v - s.prolong(u))}
    built = fs.FieldEquation(rates, grid=equation.grid, boundary=fs.Periodic(), parameters=PARAMETERS)
    assert built.right_sides == equation.right_sides

    class Exchange(fs.System):
        u, v = fs.Field(), fs.Field()
        D, k = 0.3, 2.0

        def rates(self, s):
            return {
                "u": self.D * s.laplacian(self.u) + self.k * (s.restrict(self.v) - self.u),
                "v": s.laplacian(self.v) - self.k * (self.v - s.prolong(self.u)),
            }

    assert Exchange.equation(grid=equation.grid, boundary=fs.Periodic()).right_sides == equation.right_sides


def test_sympy_knows_transfers_by_name():
    from fieldsolver.equations.views.sympy_view import SympyView

    equation = exchange()
    view = SympyView.of_equation(equation)
    expression = view.of(equation.statements["u"])
    assert "restrict(v(t, x, y))" in str(expression)
    assert "restrict" in str(expression.diff(view.t))


def test_copies_and_pickles_compute_the_same():
    import copy
    import pickle

    equation = exchange()
    y = random_state(equation)
    for other in (copy.deepcopy(equation), pickle.loads(pickle.dumps(equation))):
        assert torch.equal(other(0.0, y), equation(0.0, y))


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("du/dt = v; dv/dt = -v", r"du/dt uses 'v' on a grid of \(4,\) points.*; write restrict\(v\)"),
        ("du/dt = -u; dv/dt = u*v", r"dv/dt uses 'u'.*; write prolong\(u\)"),
        ("du/dt = -u; d2v/dt2 = u - v", r"d2v/dt2 uses 'u'.*; write prolong\(u\)"),
        ("du/dt = integral(v); dv/dt = -v", r"write restrict\(v\)"),
        ("du/dt = prolong(v); dv/dt = -v", r"du/dt contains prolong\(v\).* finer grid.*; write restrict\(v\)"),
        ("du/dt = -u; dv/dt = restrict(u)", r"dv/dt contains restrict\(u\).* coarser grid.*; write prolong\(u\)"),
        ("du/dt = restrict(u); dv/dt = -v", r"already; leave restrict out"),
        ("du/dt = restrict(v*u); dv/dt = -v", r"du/dt uses 'u' on a grid of \(8,\)|du/dt contains|du/dt uses 'v'"),
        ("du/dt = restrict(x*t); dv/dt = -v", "names no field"),
        ("du/dt = restrict(prolong(u)); dv/dt = -v", "names no field"),
        ("du/dt = restrict(integral(v)); dv/dt = -v", "acts on something that varies in space"),
        ("du/dt = restrict(v, u); dv/dt = -v", r"write restrict\(u\)"),
    ],
)
def test_what_passes_between_grids_must_say_so(text, message):
    with pytest.raises(fs.EquationError, match=message):
        exchange(fs.Neumann(0), text, (4, 8), {})


@pytest.mark.parametrize("options", [{"grid": fs.Grid(8, extent=1.0), "boundary": fs.Periodic()}])
def test_the_words_need_grids_of_their_own(options):
    with pytest.raises(EquationTypeError, match=r"du/dt contains restrict\(u\), but all fields lie on the same grid"):
        fs.FieldEquation("du/dt = restrict(u)", **options)


SQUARES = [(i + 0.5) ** 2 / 64 for i in range(8)]
POLAR = {"coordinates": "polar", "bounds": ((0.5, 1.0), (0.0, 2 * math.pi))}


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({name: fs.Grid((n, n), **POLAR) for name, n in (("u", 4), ("v", 8))}, "need Cartesian grids"),
        ({"u": fs.Grid(4, extent=1.0)}, "gives nothing for the field 'v'"),
        ({"u": fs.Grid(4, extent=1.0), "w": fs.Grid(8, extent=1.0)}, "grid names 'w'"),
        ({"u": fs.Grid(4, extent=1.0), "v": 8}, r"grid\['v'\] must be fs.Grid"),
        ({"u": fs.Grid(4, extent=1.0), "v": fs.Grid(8, extent=2.0)}, "different bounds along 'x'"),
        ({"u": fs.Grid(4, extent=1.0), "v": fs.Grid((8, 8), extent=1.0)}, "differ in dimension or centring"),
        ({"u": fs.Grid(5, extent=1.0), "v": fs.Grid(9, extent=1.0, centring="node")}, "dimension or centring"),
        ({"u": fs.Grid(4, extent=1.0), "v": fs.Grid(10, extent=1.0)}, "integer ratio"),
        ({"u": fs.Grid(4, extent=1.0), "v": fs.Grid(8, extent=1.0, nodes={"x": SQUARES})}, "are uniform"),
    ],
)
def test_grids_must_nest_over_one_domain(grid, message):
    polar = any(getattr(each, "system", "") == "polar" for each in grid.values())
    boundary = {"r": fs.Neumann(0), "theta": fs.Periodic()} if polar else fs.Neumann(0)
    with pytest.raises(fs.GridError, match=message):
        fs.FieldEquation("du/dt = restrict(v); dv/dt = -v", grid=grid, boundary=boundary)


def test_what_needs_one_grid_says_so():
    equation = exchange(fs.Neumann(0))
    solution = fs.solve(equation, random_state(equation), t_span=(0, 0.01))
    for call, message in [
        (lambda: equation.symbol([1.0, 0.0]), "no Fourier symbol"),
        (lambda: equation.jacobian().pattern(), r"use product\(...\)"),
        (lambda: equation.manufactured({"u": "cos(pi*x)", "v": "cos(pi*x)"}), "use one grid"),
        (equation.shifted_solver, "grids of different resolution"),
        (lambda: equation.layout.weights(), "this needs one grid"),
        (lambda: analysis.energy(equation, solution), "over one grid"),
        (
            lambda: analysis.grid_convergence(lambda n: equation, [4, 8, 16], exact=dict, t_span=(0, 1)),
            "on one grid",
        ),
    ]:
        with pytest.raises(fs.FieldSolverError, match=message):
            call()


def test_parameters_kernels_walls_and_stencils_are_checked_on_their_grid():
    kernel = {"w": fs.Kernel(lambda x: torch.exp(-(x**2)), edge="zero")}
    text = "du/dt = convolve(w, u) + restrict(v); dv/dt = convolve(w, v)"
    with pytest.raises(EquationTypeError, match="declare one kernel for each"):
        fs.FieldEquation(text, grid=grids(4, 8), boundary=fs.Neumann(0), kernels=kernel)
    with pytest.raises(fs.ParameterError, match=r"'a' of \(8,\) points on a grid of \(4,\)"):
        exchange(fs.Neumann(0), "du/dt = a + restrict(v); dv/dt = v", (4, 8), {"a": fs.Spatial(torch.ones(8))})
    with pytest.raises(fs.ParameterError, match="has shape"):
        exchange(fs.Neumann(0), "du/dt = a + restrict(v); dv/dt = v", (4, 8), {"a": fs.Spatial(torch.ones(7))})
    with pytest.raises(fs.BoundaryError, match="needs values of restrict"):
        exchange(fs.Neumann(0), "du/dt = laplacian(restrict(v)); dv/dt = v", (4, 8), {})
    with pytest.raises(fs.BoundaryError, match="anti-periodic"):
        exchange(fs.AntiPeriodic(), "du/dt = restrict(v); dv/dt = v", (4, 8), {})
    with pytest.raises(fs.GridError, match="mask"):
        fs.FieldEquation(
            "du/dt = restrict(v); dv/dt = v",
            grid=grids(4, 8),
            boundary={name: {"x": fs.Neumann(0), "mask": fs.Neumann(0)} for name in "uv"},
            mask=torch.ones(4, dtype=torch.bool),
        )
    with pytest.raises(fs.GridError, match="metric"):
        fs.FieldEquation(
            "du/dt = restrict(v); dv/dt = v",
            grid=grids((4, 4), (8, 8)),
            boundary=fs.Neumann(0),
            metric=torch.eye(2, dtype=DOUBLE).reshape(2, 2, 1, 1).expand(2, 2, 4, 4),
        )
    with pytest.raises(fs.StateError, match=r"field 'v' has shape \(4,\), expected \(\*batch, 8\)"):
        exchange(fs.Neumann(0), "du/dt = restrict(v); dv/dt = v", (4, 8), {}).pack({"u": 0.0, "v": torch.ones(4)})


def test_one_expression_may_be_parsed_without_grids():
    from fieldsolver.equations.grammar import Scope

    scope = Scope({"u": fs.Symbols().field("u")}, axes=("x",))
    assert str(parse_expression("restrict(2*u)", scope)) == "restrict(2*u)"
