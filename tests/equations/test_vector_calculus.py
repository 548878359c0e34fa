"""Vector operators against analysis: identities of vector calculus, exact derivatives, and their types."""

import math

import pytest
import torch

import fieldsolver as fs

F64 = torch.float64


def rate(text, state, shape, *, boundary=None, length=2 * math.pi, components=None, order=2, **options):
    grid = fs.Grid(shape, extent=length)
    equation = fs.FieldEquation(
        text, grid=grid, boundary=boundary or fs.Periodic(), components=components or {}, space_order=order, **options
    )
    x = grid.coordinates()
    return equation, equation.unpack(equation(0.0, equation.pack(state(*x)))), x


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("dimension", [2, 3])
def test_gradient_and_divergence_converge(order, dimension):
    errors = []
    for points in (12, 24):
        _, rates, x = rate(
            "du/dt = divergence(w); dw/dt = gradient(u)",
            lambda *x: {"u": sum(torch.sin(a) for a in x), "w": torch.stack([torch.cos(2 * a) for a in x])},
            (points,) * dimension,
            components={"w": dimension},
            order=order,
        )
        gradient = max((rates["w"][a] - torch.cos(x[a])).abs().max().item() for a in range(dimension))
        divergence = (rates["u"] - sum(-2 * torch.sin(2 * a) for a in x)).abs().max().item()
        errors.append((gradient, divergence))
    for coarse, fine in zip(*errors, strict=True):
        assert math.log2(coarse / fine) > order - 0.35  # coarse grids: the cosine of 2x has 6 points per wave


def test_curl_of_a_gradient_and_divergence_of_a_curl_vanish_to_round_off():
    torch.manual_seed(0)
    fields = {"u": torch.randn(7, 6, 5, dtype=F64), "w": torch.randn(3, 7, 6, 5, dtype=F64)}
    _, rates, _ = rate(
        "du/dt = divergence(curl(w)); dw/dt = curl(gradient(u))", lambda *x: fields, (7, 6, 5), components={"w": 3}
    )
    assert rates["u"].abs().max() < 1e-12
    assert rates["w"].abs().max() < 1e-12


def test_plane_curl_is_the_third_component():
    _, rates, (x, y) = rate(
        "dw/dt = -w; du/dt = curl(w)",
        lambda x, y: {"w": torch.stack([-torch.sin(y), torch.sin(x)]), "u": 0 * x},
        (64, 64),
        components={"w": 2},
        order=4,
    )
    torch.testing.assert_close(rates["u"], torch.cos(x) + torch.cos(y), rtol=0, atol=1e-4)


def test_advection_is_velocity_times_gradient():
    _, rates, (x, y) = rate(
        "du/dt = advection(c, u)",
        lambda x, y: {"u": torch.sin(x) * torch.cos(y)},
        (64, 64),
        order=4,
        parameters={"c": torch.tensor([2.0, -3.0])},
    )
    exact = 2 * torch.cos(x) * torch.cos(y) + 3 * torch.sin(x) * torch.sin(y)
    torch.testing.assert_close(rates["u"], exact, rtol=0, atol=2e-4)


@pytest.mark.parametrize("boundary", [fs.Periodic(), fs.Neumann(0), fs.Dirichlet(0)])
def test_biharmonic_is_the_laplacian_twice(boundary):
    torch.manual_seed(0)
    u = torch.randn(9, 8, dtype=F64)
    results = [
        rate(f"du/dt = {text}", lambda *x: {"u": u}, (9, 8), boundary=boundary)[1]["u"]
        for text in ("biharmonic(u)", "laplacian(laplacian(u))")
    ]
    assert torch.equal(*results)


def test_dot_matrix_and_components():
    torch.manual_seed(0)
    matrix, phi = torch.randn(2, 3, dtype=F64), torch.randn(5, 3, 6, dtype=F64)
    equation = fs.FieldEquation(
        "dphi/dt = phi; dpsi/dt = K @ phi; ds/dt = dot(phi, phi) + phi[2]",
        grid=fs.Grid(6, extent=1.0),
        boundary=fs.Periodic(),
        components={"phi": 3, "psi": 2},
        parameters={"K": matrix},
    )
    rates = equation.unpack(equation(0.0, equation.pack({"phi": phi, "psi": 0.0, "s": 0.0})))
    torch.testing.assert_close(rates["psi"], torch.einsum("rc,bcx->brx", matrix, phi))
    torch.testing.assert_close(rates["s"], (phi**2).sum(1) + phi[:, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("du/dt = gradient(u) + u", "vector and a scalar cannot be added"),
        ("du/dt = dot(gradient(u), gradient(u)) + gradient(u)*gradient(u)", "dot"),
        ("du/dt = divergence(u)", "needs a vector with 2"),
        ("du/dt = curl(u)", "needs a vector with 2"),
        ("du/dt = gradient(gradient(u))[0]", "gradient needs a scalar"),
        ("du/dt = gradient(u)", "is a vector"),
        ("du/dt = u/gradient(u)", "division by"),
        ("du/dt = exp(gradient(u))[0]", "'exp' is not defined for the vector"),
        ("du/dt = advection(u, u)", "velocity of advection"),
        ("du/dt = gradient(u)**2", "vector"),
        ("du/dt = dot(u, gradient(u))", "equal numbers of components"),
    ],
)
def test_vectors_and_scalars_are_not_confused(text, message):
    with pytest.raises(fs.EquationError, match=message):
        fs.FieldEquation(text, grid=fs.Grid((6, 6), extent=1.0), boundary=fs.Periodic())


def test_curl_needs_two_axes():
    with pytest.raises(fs.EquationError, match="2 or 3 axes"):
        fs.FieldEquation("du/dt = curl(u)", grid=fs.Grid(6, extent=1.0), boundary=fs.Periodic())


@pytest.mark.parametrize("boundary", [fs.Neumann(0), fs.Dirichlet(0)])
def test_divergence_of_a_gradient_uses_the_right_parity_at_walls(boundary):
    """The normal derivative is odd where the field is even, and the other way round."""
    results = {}
    for points in (32, 64):
        shape = (points, points)
        function = torch.cos if isinstance(boundary, fs.Neumann) else torch.sin
        _, rates, (x, y) = rate(
            "du/dt = divergence(gradient(u))",
            lambda x, y, f=function: {"u": f(x) * f(2 * y)},
            shape,
            boundary=boundary,
            length=math.pi,
        )
        exact = -5 * function(x) * function(2 * y)
        results[points] = (rates["u"] - exact).abs().max().item()
    assert math.log2(results[32] / results[64]) > 1.85
