"""Jacobians known by products: right on every kind of right-hand side, and honest where there is no derivative."""

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis.spectra import Linearisation
from fieldsolver.errors import OptionError, StateError


def rand(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def equation(text, shape=(7, 6), boundary=None, **options):
    return fs.FieldEquation(text, grid=fs.Grid(shape, extent=1.0), boundary=boundary or fs.Periodic(), **options)


def differences(lin):
    """The dense matrix from the right-hand side alone."""
    n, h = lin.size, 1e-5
    columns = []
    for k in range(n):
        step = lin.state_of(h * np.eye(n)[:, k])
        columns.append((lin.vector_of(_rate(lin, step)) - lin.vector_of(_rate(lin, -step))) / (2 * h))
    return np.stack(columns, axis=1)


def _rate(lin, step):
    with torch.no_grad():
        return lin.f(torch.tensor(lin.t), lin.y + step)


CASES = {
    "nonlinear system": (
        "du/dt = laplacian(u) - u*v**2 + x; dv/dt = 0.1*d_dx(v) + u*v", {}),
    "walls held on nodes": (
        "du/dt = laplacian(u) - u**3",
        {"grid": fs.Grid((6, 5), extent=1.0, centring="node"),
         "boundary": {"x-": fs.Dirichlet(1), "x+": fs.Neumann(0), "y": fs.Neumann(0)}}),
    "complex, not holomorphic": (
        "dA/dt = (1 + 2j)*laplacian(A) + A - (1 - 1j)*A*A*conj(A)", {"complex_fields": ("A",)}),
    "real beside complex": (
        "dA/dt = 1j*laplacian(A) + n*A; dn/dt = laplacian(n) + real(A)**2", {"complex_fields": ("A",)}),
    "second order in time": ("d2u/dt2 = laplacian(u) - sin(u)", {}),
    "nonlocal": ("du/dt = -u + mean(u**2)", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_products_are_those_of_the_dense_matrix_of_differences(name):
    text, options = CASES[name]
    grid, boundary = options.get("grid", fs.Grid((7, 6), extent=1.0)), options.get("boundary", fs.Periodic())
    rest = {key: value for key, value in options.items() if key not in ("grid", "boundary")}
    f = fs.FieldEquation(text, grid=grid, boundary=boundary, **rest)
    y = f.project(torch.tensor(0.0), rand(*f.state_shape, dtype=torch.complex128 if f.is_complex else torch.float64))
    if name == "real beside complex":
        y[1] = y[1].real + 0j
    lin = Linearisation(f, y)
    assert lin.differentiable, lin.reason
    assert lin.certificate == "bounded"
    expected = differences(lin)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(lin.dense(), expected, atol=1e-8 * scale)
    np.testing.assert_allclose(lin.transpose_product(np.eye(lin.size)), expected.T, atol=1e-8 * scale)
    v = np.random.default_rng(0).standard_normal(lin.size) + 1j
    np.testing.assert_allclose(lin.product(v), expected @ v, atol=1e-7 * scale)
    sparse = lin.sparse()
    assert (sparse is None) == (f.is_complex or name == "nonlocal")
    if sparse is not None:
        np.testing.assert_allclose(sparse.toarray(), lin.dense(), atol=1e-12 * scale)


def test_held_nodes_and_masked_cells_are_no_unknowns():
    f = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(9, extent=1.0, centring="node"), boundary=fs.Dirichlet(0))
    lin = Linearisation(f, torch.zeros(1, 9, dtype=torch.float64))
    assert lin.size == 7
    expected = -4 * 64 * np.sin(np.pi * np.arange(1, 8) / 16) ** 2
    np.testing.assert_allclose(np.linalg.eigvalsh(lin.dense()), np.sort(expected), rtol=1e-12)
    mask = torch.ones(6, 6, dtype=torch.bool)
    mask[:2, :3] = False
    g = equation("du/dt = laplacian(u)", (6, 6), {"x": fs.Neumann(0), "y": fs.Neumann(0), "mask": fs.Neumann(0)},
                 mask=mask)  # fmt: skip
    lin = Linearisation(g, torch.zeros(1, 6, 6, dtype=torch.float64))
    assert lin.size == 30
    assert lin.dense() == pytest.approx(lin.dense().T, abs=1e-12)


def test_an_operator_that_is_symmetric_in_the_norm_of_the_grid_has_a_symmetric_matrix():
    """Between walls without flux the matrix of a node-centred Laplacian is not symmetric; in the weights it is."""
    f = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(9, extent=1.0, centring="node"), boundary=fs.Neumann(0))
    y = torch.zeros(1, 9, dtype=torch.float64)
    weighted, plain = Linearisation(f, y).dense(), Linearisation(f, y, weights=torch.ones(1, 9)).dense()
    assert np.abs(weighted - weighted.T).max() < 1e-12 * np.abs(weighted).max()
    assert np.abs(plain - plain.T).max() > 0.1 * np.abs(plain).max()
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(plain).real), np.linalg.eigvalsh(weighted), atol=1e-9)


def test_products_are_counted_and_batched():
    f = equation("du/dt = laplacian(u) - u**3")
    lin = Linearisation(f, rand(*f.state_shape))
    lin.njvp = lin.nvjp = 0
    lin.product(np.eye(lin.size)[:, :5])
    lin.product(np.ones(lin.size) * (1 + 1j))
    lin.transpose_product(np.ones(lin.size))
    assert (lin.njvp, lin.nvjp) == (7, 1)


def test_functions_modules_and_layers():
    y = rand(4)
    matrix = rand(4, 4, seed=1)
    plain = Linearisation(lambda t, y, a: a * (matrix @ y) + t, y, 2.0, args=(3.0,))
    np.testing.assert_allclose(plain.dense(), 3 * matrix.numpy(), rtol=1e-12)
    np.testing.assert_allclose(plain.rate, (3 * (matrix @ y) + 2).numpy(), rtol=1e-12)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4))
    single = Linearisation(lambda t, y: network(y), y.float())
    assert single.differentiable, single.reason
    assert single.precision == torch.finfo(torch.float32).eps
    f = fs.FieldEquation("du/dt = v; dv/dt = -4*u - v**3")
    layer = fs.nn.FieldLayer(f, duration=1.0, method="rk4", dt=0.1)
    assert Linearisation(layer, torch.zeros(2, dtype=torch.float64)).dense().tolist() == [[0, 1], [-4, 0]]


def branches(t, y):
    return y if y.sum() > 0 else 2 * y


def writes(t, y):
    return y.mul_(3.0)


@pytest.mark.parametrize(("f", "factor"), [(branches, 1.0), (writes, 3.0)])
def test_functions_that_vmap_or_autograd_dislike_still_work(f, factor):
    lin = Linearisation(f, torch.ones(5, dtype=torch.float64))
    assert lin.differentiable, lin.reason
    np.testing.assert_allclose(lin.dense(), factor * np.eye(5), rtol=1e-12)
    assert lin.y.tolist() == [1.0] * 5


class WrongGradient(torch.autograd.Function):
    """A backward pass that somebody got wrong."""

    @staticmethod
    def forward(x):
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        return 3 * ctx.saved_tensors[0] * grad

    @staticmethod
    def jvp(ctx, v):
        return 2 * ctx.saved_tensors[0] * v


@pytest.mark.parametrize(
    ("f", "word"),
    [
        (lambda t, y: torch.as_tensor(np.sin(y.detach().numpy())), "cannot differentiate"),
        (lambda t, y: torch.sin(y.detach()) + 0 * y, "central difference"),
        (lambda t, y: torch.sin(y) + 0.1 * (y**2).detach(), "central difference"),
        (lambda t, y: WrongGradient.apply(y), "transposes"),
    ],
    ids=["numpy", "detached", "partly detached", "wrong backward"],
)
def test_what_cannot_be_differentiated_says_so(f, word):
    lin = Linearisation(f, torch.linspace(0.3, 0.9, 5, dtype=torch.float64))
    assert not lin.differentiable
    assert word in lin.reason
    assert lin.certificate == "empirical"


def test_differences_are_accurate_to_their_order():
    y = torch.linspace(0.3, 0.9, 5, dtype=torch.float64)
    lin = Linearisation(lambda t, y: torch.as_tensor(np.sin(y.detach().numpy())), y)
    np.testing.assert_allclose(lin.dense(), np.diag(np.cos(y.numpy())), atol=1e-9)
    np.testing.assert_allclose(lin.transpose_product(np.ones(5)), np.cos(y.numpy()), atol=1e-9)
    large = Linearisation(lambda t, y: torch.as_tensor(np.sin(y.detach().numpy())), torch.zeros(2000).double())
    with pytest.raises(OptionError, match="transpose need derivatives"):
        large.transpose_product(np.ones(2000))


def test_bad_input_is_refused_in_a_sentence():
    torch.manual_seed(0)
    dropout = torch.nn.Dropout()
    y = torch.ones(4, dtype=torch.float64)
    with pytest.raises(OptionError, match=r"two values at one state.*module\.eval"):
        Linearisation(lambda t, y: dropout(y), y)
    with pytest.raises(StateError, match="not finite at this state"):
        Linearisation(lambda t, y: y / 0, y)
    with pytest.raises(StateError, match="must return a tensor of the shape"):
        Linearisation(lambda t, y: y[:2], y)
    with pytest.raises(StateError, match="not finite"):
        Linearisation(lambda t, y: y, y * float("nan"))
    with pytest.raises(StateError, match="floating point"):
        Linearisation(lambda t, y: y, torch.ones(3, dtype=torch.int64))
    with pytest.raises(StateError, match="one state has the shape"):
        Linearisation(equation("du/dt = -u"), torch.zeros(2, 1, 7, 6, dtype=torch.float64))
    with pytest.raises(OptionError, match="FieldEquation, a layer"):
        Linearisation(3, y)
    with pytest.raises(OptionError, match="not negative"):
        Linearisation(lambda t, y: y, y, weights=-y)
    with pytest.raises(StateError, match="no unknown"):
        Linearisation(lambda t, y: y, y, free=torch.zeros(4, dtype=torch.bool))
    with pytest.raises(OptionError, match="too large"):
        Linearisation(lambda t, y: -y, torch.ones(1501, dtype=torch.float64)).dense()
