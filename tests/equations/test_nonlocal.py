"""Convolutions, integrals, signals, expressions as parameters, nonlocal modules, noise: meaning and refusals."""

import math

import pytest
import torch
from torch import nn

import fieldsolver as fs

F64 = torch.float64


def direct_convolution(u, kernel, grid, edge):
    """The definition, one point at a time, on one axis."""
    n, h = grid.shape[0], grid.spacing[0]
    weights, node = grid.weights(), grid.has_end_nodes(0)
    result = torch.zeros_like(u)
    for i in range(n):
        for j in range(-n, 2 * n):
            if edge == "zero" and not 0 <= j < n:
                continue
            if edge == "periodic":
                if not 0 <= j < n:
                    continue
                d = (i - j) % n
                for displacement in {d, d - n} if d else {0}:
                    result[..., i] += kernel(torch.tensor(displacement * h, dtype=F64)) * u[..., j] * weights[j]
                continue
            source = j
            if edge == "reflect":
                source = -j - 1 + node if j < 0 else 2 * n - 1 - node - j if j >= n else j
                if not 0 <= source < n or abs(i - j) > n - 1:
                    continue
            result[..., i] += kernel(torch.tensor((i - j) * h, dtype=F64)) * u[..., source] * weights[source]
    return result


def gauss(dx, *others):
    return torch.exp(-(sum(d**2 for d in (dx, *others))) * 8) * (1 + 0.3 * dx)


@pytest.mark.parametrize("edge", ["zero", "periodic", "reflect"])
@pytest.mark.parametrize("points", [8, 9])
def test_convolution_equals_its_definition(edge, points):
    grid = fs.Grid(points, extent=1.0)
    boundary = fs.Periodic() if edge == "periodic" else fs.Neumann(0)
    equation = fs.FieldEquation(
        "du/dt = convolve(w, u)", grid=grid, boundary=boundary, kernels={"w": fs.Kernel(gauss, edge=edge)}
    )
    torch.manual_seed(0)
    u = torch.randn(3, points, dtype=F64)
    expected = direct_convolution(u, gauss, grid, edge)
    torch.testing.assert_close(equation(0.0, u.unsqueeze(1))[:, 0], expected, rtol=0, atol=1e-13)


def test_plane_convolution_of_a_point_is_the_kernel():
    grid = fs.Grid((9, 7), extent=(1.0, 0.8))
    equation = fs.FieldEquation(
        "du/dt = convolve(w, u)", grid=grid, boundary=fs.Neumann(0), kernels={"w": fs.Kernel(gauss, edge="zero")}
    )
    u = torch.zeros(1, 9, 7, dtype=F64)
    u[0, 4, 3] = 1.0
    x, y = grid.coordinates()
    cell = grid.spacing[0] * grid.spacing[1]
    expected = gauss(x - x[4, 3], y - y[4, 3]) * cell
    torch.testing.assert_close(equation(0.0, u)[0], expected, rtol=0, atol=1e-14)


def test_learned_kernels_get_gradients():
    class Profile(nn.Module):
        def __init__(self):
            super().__init__()
            self.width = nn.Parameter(torch.tensor(0.3, dtype=F64))

        def forward(self, dx):
            return torch.exp(-((dx / self.width) ** 2))

    grid = fs.Grid(12, extent=1.0)
    profile = Profile()
    equation = fs.FieldEquation(
        "du/dt = convolve(w, u)", grid=grid, boundary=fs.Neumann(0), kernels={"w": fs.Kernel(profile, edge="zero")}
    )
    u = torch.rand(1, 12, dtype=F64)
    equation(0.0, u).sum().backward()
    width, epsilon, values = profile.width, 1e-6, []
    gradient = width.grad.item()
    for sign in (1, -1):
        with torch.no_grad():
            width += sign * epsilon
            values.append(equation(0.0, u).sum().item())
            width -= sign * epsilon
    assert gradient == pytest.approx((values[0] - values[1]) / (2 * epsilon), rel=1e-7)


def test_amari_front_speed():
    """c = (1 - 2h)/(2h) for w = exp(-|x|)/2; a front of finite width on a lattice moves at it to a few percent."""
    grid = fs.Grid(400, extent=40.0)
    (x,) = grid.coordinates()
    equation = fs.FieldEquation(
        "du/dt = -u + convolve(w, sigmoid(60*(u - h)))",
        grid=grid,
        boundary=fs.Neumann(0),
        kernels={"w": fs.Kernel(lambda d: torch.exp(-d.abs()) / 2, edge="reflect")},
        parameters={"h": 0.3},
    )
    solution = fs.solve(equation, {"u": torch.sigmoid(5 * (8 - x))}, t_span=(0, 24), save_at=[8.0, 24.0], rtol=1e-5)
    positions = [x[(u > 0.3).nonzero().max()].item() for u in solution["u"]]
    assert (positions[1] - positions[0]) / 16 == pytest.approx(2 / 3, rel=0.04)


def test_integral_and_mean():
    for centring in ("cell", "node"):
        grid = fs.Grid((40, 30), bounds=((0, math.pi), (0, 1)), centring=centring)
        equation = fs.FieldEquation("du/dt = integral(u) - mean(u) + 0*u", grid=grid, boundary=fs.Neumann(0))
        x, _ = grid.coordinates()
        rate = equation(0.0, torch.sin(x).expand(2, 1, *grid.shape))
        torch.testing.assert_close(rate, torch.full_like(rate, 2 - 2 / math.pi), rtol=0, atol=2e-3)


def test_mass_control_conserves_mass():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + u*(1 - u) - mean(u*(1 - u))", grid=fs.Grid(32, extent=5.0), boundary=fs.Neumann(0)
    )
    assert equation.conserved().tolist() == [[1.0]]


def test_signal_is_linear_between_its_knots_and_constant_outside():
    equation = fs.FieldEquation("dx/dt = s", parameters={"s": fs.Signal([1.0, 2.0, 4.0], [0.0, 3.0, 1.0])})
    times = torch.tensor([0.0, 1.0, 1.5, 2.0, 3.0, 9.0], dtype=F64)
    rates = equation(times, torch.zeros(6, 1, dtype=F64))[:, 0]
    torch.testing.assert_close(rates, torch.tensor([0.0, 0.0, 1.5, 3.0, 2.0, 1.0], dtype=F64))


def test_signal_with_components_on_a_grid():
    values = torch.tensor([[0.0, 1.0], [2.0, -1.0]], dtype=F64, requires_grad=True)
    equation = fs.FieldEquation(
        "dw/dt = s", grid=fs.Grid(3, extent=1.0), boundary=fs.Neumann(0), components={"w": 2},
        parameters={"s": fs.Signal([0.0, 1.0], values)},
    )  # fmt: skip
    rates = equation(torch.tensor([0.25, 0.5]), torch.zeros(2, 2, 3, dtype=F64))
    torch.testing.assert_close(rates[0, :, 1], torch.tensor([0.5, 0.5], dtype=F64))
    rates.sum().backward()
    assert values.grad.abs().sum() > 0


def test_expressions_as_parameters_equal_the_text_they_stand_for():
    options = {"grid": fs.Grid((8, 8), extent=1.0), "boundary": fs.Neumann(0)}
    named = fs.FieldEquation(
        "du/dt = diffusion(D, u)", parameters={"a": 0.3, "D": "1 + a*sin(2*pi*x)*exp(-t)"}, **options
    )
    plain = fs.FieldEquation("du/dt = diffusion(1 + a*sin(2*pi*x)*exp(-t), u)", parameters={"a": 0.3}, **options)
    y = torch.rand(2, 1, 8, 8, dtype=F64)
    assert torch.equal(named(0.4, y), plain(0.4, y))
    assert str(named) == "du/dt = diffusion(D, u)"
    with pytest.raises(fs.EquationError, match="in the expression of parameter 'D'"):
        fs.FieldEquation("du/dt = D*u", parameters={"D": "1 + b"}, **options)


PLANE = {"grid": fs.Grid((6, 5), extent=1.0), "boundary": fs.Periodic()}


class TestNonlocalModules:
    def test_sees_whole_fields(self):
        module = nn.Conv2d(2, 1, 3, padding=1, padding_mode="circular").double()
        equation = fs.FieldEquation("du/dt = net(u, 2*v); dv/dt = -v", modules={"net": fs.Nonlocal(module)}, **PLANE)
        y = torch.randn(3, 2, 6, 5, dtype=F64)
        expected = module(torch.stack([y[:, 0], 2 * y[:, 1]], 1))
        torch.testing.assert_close(equation(0.0, y)[:, :1], expected)

    def test_wrong_output_is_named_at_declaration_with_both_shapes(self):
        with pytest.raises(fs.EquationError, match=r"turned shape \(2, 1, 6, 5\) into \(2, 1, 4, 3\)"):
            fs.FieldEquation("du/dt = net(u)", modules={"net": fs.Nonlocal(nn.Conv2d(1, 1, 3))}, **PLANE)

    def test_needs_a_grid(self):
        with pytest.raises(fs.EquationError, match="no grid"):
            fs.FieldEquation("du/dt = net(u)", modules={"net": fs.Nonlocal(nn.Linear(1, 1))})


class TestNoise:
    def test_structure_and_amplitudes(self):
        equation = fs.FieldEquation(
            "dx/dt = theta*(mu - x) + sigma*x*white_noise(0) - white_noise(1)/2; dy/dt = x + white_noise(0)",
            calculus="ito",
            parameters={"theta": 1.0, "mu": 0.5, "sigma": 0.2},
        )
        y = torch.tensor([[2.0, 1.0], [3.0, 0.0]], dtype=F64)
        amplitudes = {str(noise): value for noise, value in equation.noise_amplitudes(0.0, y).items()}
        expected = {"white_noise(0)": [[0.4, 1.0], [0.6, 1.0]], "white_noise(1)": [[-0.5, 0.0], [-0.5, 0.0]]}
        for name, values in expected.items():
            torch.testing.assert_close(amplitudes[name], torch.tensor(values, dtype=F64))
        torch.testing.assert_close(equation(0.0, y), torch.tensor([[-1.5, 2.0], [-2.5, 3.0]], dtype=F64))
        assert str(equation).endswith("dy/dt = x + white_noise(0)")

    def test_solve_says_that_it_has_no_stochastic_method(self):
        equation = fs.FieldEquation("dx/dt = white_noise(0)", calculus="ito")
        with pytest.raises(fs.OptionError, match="noise"):
            fs.solve(equation, {"x": 0.0}, t_span=(0, 1))

    @pytest.mark.parametrize(
        ("text", "calculus", "message"),
        [
            ("dx/dt = white_noise(0)**2", "ito", "linearly"),
            ("dx/dt = white_noise(0)*white_noise(1)", "ito", "linearly"),
            ("dx/dt = sin(white_noise(0))", "ito", "linearly"),
            ("dx/dt = white_noise(0)", None, "calculus='ito'"),
            ("dx/dt = white_noise(0)", "strato", "calculus='ito'"),
            ("dx/dt = -x", "ito", "no noise"),
            ("dx/dt = white_noise(0.5)", "ito", "integer"),
            ("dx/dt = white_noise(x)", "ito", "integer"),
            ("dx/dt = coloured_noise(0, -1)", "ito", "positive number"),
            ("dx/dt = coloured_noise(0)", "ito", "coloured_noise"),
        ],
    )
    def test_refusals(self, text, calculus, message):
        with pytest.raises(fs.EquationError, match=message):
            fs.FieldEquation(text, calculus=calculus)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fs.Kernel(gauss, edge="wrap"), "edge rule"),
        (lambda: fs.Kernel(3.0, edge="zero"), "function of the displacement"),
        (lambda: fs.Signal([0.0], [1.0]), "at least two"),
        (lambda: fs.Signal([0.0, 0.0], [1.0, 2.0]), "increasing"),
        (lambda: fs.Signal([0.0, 1.0], [1.0, 2.0, 3.0]), "shape"),
        (lambda: fs.Signal([0.0, 1.0], [1.0, float("nan")]), "finite"),
    ],
)
def test_bad_kernels_and_signals(make, message):
    with pytest.raises(fs.ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("du/dt = convolve(w, u)", {}, "declared kernel first; declared: none"),
        ("du/dt = u", {"kernels": {"w": fs.Kernel(gauss, edge="zero")}}, "kernel 'w' appears in no equation"),
        ("du/dt = convolve(w, u)", {"kernels": {"w": gauss}}, r"fs\.Kernel"),
        ("du/dt = K*u", {"parameters": {"K": torch.eye(2)}}, "acts by @ alone"),
        ("du/dt = u @ u", {}, "matrix parameter on its left"),
        ("du/dt = K @ u", {"parameters": {"K": torch.eye(2)}}, "2 x 2 matrix, but u has 1"),
    ],
)
def test_bad_declarations(text, options, message):
    with pytest.raises(fs.EquationError, match=message):
        fs.FieldEquation(text, grid=fs.Grid(8, extent=1.0), boundary=fs.Neumann(0), **options)
