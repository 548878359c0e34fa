"""The lowered function under torch: dtypes, batches, derivatives, vmap, functional calls, compile, fake devices."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fieldsolver.equations import FieldEquation, Nonlocal, Parameter, PerSample, Signal, Spatial
from fieldsolver.space import Dirichlet, Grid, Kernel, Neumann, Periodic, Robin

WALLS = {
    "u": {"x-": Dirichlet("0.1*sin(t)"), "x+": Neumann("y*t"), "y-": Robin(1, 2, "D"), "y+": Dirichlet(0.5)},
    "v": {"x": Neumann(0.2), "y": Robin(0.5, 1.0, 0.1)},
}
TEXT = """
du/dt = D*laplacian(u) - u*v**2 + diffusion(1 + u**2 + x, v) + where(u > 0.1, 0.1, k)*v + net(u, v)[0] + sin(t)*s*u
dv/dt = d4_dx4(v)*1e-3 + gradient_squared(u) + d_dx(x*v) + max(u, 0.2) + net(v, x)[1] + diffusion(K, u) + pi*a*tanh(v)
"""
OPTIONS = ("periodic", "cell walls", "node walls")


def declare(kind="cell walls", batch=3, order=4):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    centring = "node" if kind == "node walls" else "cell"
    return FieldEquation(
        TEXT,
        grid=Grid((8, 9), extent=1.5, centring=centring),
        boundary=Periodic() if kind == "periodic" else WALLS,
        parameters={
            "D": Parameter(0.3, positive=True) if kind != "periodic" else 0.3,
            "k": Parameter(0.4, bounds=(0, 1)), "s": PerSample(torch.linspace(0.1, 1, batch)),
            "K": Spatial(torch.rand(8, 9) + 0.5), "a": 1.5,
        },
        modules={"net": net},
        space_order=order,
    )  # fmt: skip


def state(equation, batch=3, dtype=torch.float64, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn(batch, *equation.state_shape, dtype=dtype, generator=generator)


def time(value=0.3):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("kind", OPTIONS)
def test_single_precision_stays_single(kind):
    equation = declare(kind)
    y = state(equation)
    wide = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.dtype == torch.float64 and result.numel() > 72:
                wide.append(str(function))
            return result

    with torch.no_grad(), Watch():
        single = equation(0.3, y.float())
    assert single.dtype == torch.float32
    assert not wide, wide  # nothing as large as a state is ever computed in double precision
    double = equation.double()(0.3, y)
    assert double.dtype == torch.float64
    assert (single - double).abs().max() < 1e-5 * double.abs().max()


def test_complex_states_keep_their_precision():
    equation = FieldEquation(
        "dA/dt = A + (1 + c)*laplacian(A) - (1 + 2j)*abs(A)**2*A + where(abs(A) > 1, 1j, t)",
        grid=Grid(8, extent=1), boundary=Neumann("0.1*t"), complex_fields=("A",), parameters={"c": 0.5j},
    )  # fmt: skip
    A = torch.randn(2, 1, 8, dtype=torch.complex128)
    assert equation(0.3, A).dtype == torch.complex128
    single = equation(0.3, A.to(torch.complex64))
    assert single.dtype == torch.complex64
    assert (single - equation(0.3, A)).abs().max() < 1e-4


@pytest.mark.parametrize("kind", OPTIONS)
def test_samples_do_not_see_each_other(kind):
    equation = declare(kind).double()
    y = state(equation)
    t = torch.tensor([0.1, 0.7, 2.0], dtype=torch.float64)
    together = equation(t, y)
    poisoned = y.clone()
    poisoned[1] = float("nan")
    assert torch.equal(equation(t, poisoned)[[0, 2]], together[[0, 2]])
    shared = equation(0.7, y)
    torch.testing.assert_close(shared[1], together[1], rtol=1e-13, atol=1e-13)


def test_more_batch_axes():
    equation = FieldEquation("du/dt = laplacian(u) + t*u", grid=Grid(6, extent=1), boundary=Dirichlet(1))
    y = torch.randn(2, 3, 1, 6, dtype=torch.float64)
    out = equation(0.5, y)
    torch.testing.assert_close(out[1, 2], equation(0.5, y[1, 2]))
    t = torch.rand(2, 3, dtype=torch.float64)
    torch.testing.assert_close(equation(t, y)[1, 2], equation(t[1, 2], y[1, 2]))


@pytest.mark.parametrize("kind", OPTIONS)
def test_jvp_vjp_and_vmap(kind):
    equation = declare(kind).double()
    function, parameters = equation.pure()
    y, along, weights = (state(equation, seed=seed) for seed in (1, 2, 3))
    value, tangent = torch.func.jvp(lambda y: function(parameters, time(), y), (y,), (along,))
    torch.testing.assert_close(value, equation(0.3, y))
    _, pullback = torch.func.vjp(lambda y: function(parameters, time(), y), y)
    (gradient,) = pullback(weights)
    torch.testing.assert_close((gradient * along).sum(), (weights * tangent).sum())
    step = 1e-6
    difference = (equation(0.3, y + step * along) - equation(0.3, y - step * along)) / (2 * step)
    torch.testing.assert_close(tangent, difference, rtol=1e-5, atol=1e-5 * tangent.abs().max().item())


@pytest.mark.parametrize("kind", OPTIONS)
def test_vmap_over_samples_and_times(kind):
    equation = declare(kind, batch=1).double()
    function, parameters = equation.pure()
    y, t = state(equation, batch=4), torch.linspace(0, 1, 4, dtype=torch.float64)
    mapped = torch.vmap(lambda t, y: function(parameters, t, y[None])[0])(t, y)
    for sample in range(4):
        torch.testing.assert_close(mapped[sample], equation(t[sample], y[sample : sample + 1])[0])
    jacobians = torch.vmap(torch.func.jacfwd(lambda y: function(parameters, time(), y[None])[0].sum()))(y)
    assert jacobians.shape == y.shape


@pytest.mark.parametrize("kind", OPTIONS)
def test_pure_functions_take_everything_from_their_arguments(kind):
    equation = declare(kind).double()
    function, parameters = equation.pure()
    y = state(equation)
    base = function(parameters, time(), y)
    for position in range(len(parameters)):
        changed = [p.detach().clone() for p in parameters]
        changed[position] = changed[position] * 1.1 + 0.01
        other = function(tuple(changed), time(), y)
        assert not torch.allclose(other, base), f"argument {position} is captured, not read"
    assert torch.equal(function(parameters, time(), y), base)  # and the module has not been touched


def test_gradients_of_weights_through_the_pure_function():
    equation = declare().double()
    function, parameters = equation.pure()
    y = state(equation)
    equation(0.3, y).square().sum().backward()
    weights = dict(equation.submodules.named_parameters())
    gradients = torch.func.grad(lambda p: function(p, time(), y).square().sum())(tuple(p.detach() for p in parameters))
    names = [*equation.parameter_values(), *weights]
    for name, gradient in zip(names, gradients, strict=True):
        if name in weights:
            torch.testing.assert_close(gradient, weights[name].grad)
    assert equation.raw["k"].grad.abs() > 0


def test_states_and_optimisers():
    equation = declare()
    twin = declare()
    with torch.no_grad():
        for p in twin.parameters():
            p.add_(0.1)
    twin.load_state_dict(equation.state_dict())
    y = state(equation, dtype=torch.float32)
    assert torch.equal(twin(0.3, y), equation(0.3, y))
    names = {name for name, _ in equation.named_parameters()}
    assert {"raw.D", "raw.k"} <= names
    assert not any("K" in name or ".a" in name for name in names)


@pytest.mark.parametrize("kind", OPTIONS)
def test_compiled_is_eager(kind):
    torch._dynamo.reset()
    equation = declare(kind).double()
    compiled = torch.compile(equation, fullgraph=True, backend="eager")
    y = state(equation)
    for t in (0.3, 0.9):
        torch.testing.assert_close(compiled(time(t), y), equation(time(t), y), rtol=1e-13, atol=1e-13)
    gradient = [
        torch.autograd.grad(f(time(), y).square().sum(), list(equation.parameters())) for f in (compiled, equation)
    ]
    torch.testing.assert_close(*gradient)


def test_a_changed_number_does_not_recompile():
    torch._dynamo.reset()
    equation = declare().double()
    counter = torch._dynamo.testing.CompileCounter()
    compiled = torch.compile(equation, fullgraph=True, backend=counter)
    y = state(equation)
    before = compiled(time(), y)
    with torch.no_grad():
        equation.raw["D"].add_(1.0)
        equation.get_buffer("constant_a").mul_(2.0)
    after = compiled(time(0.5), y)
    assert counter.frame_count == 1
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, equation(time(0.5), y))


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIONS)
def test_inductor_is_eager(kind):
    torch._dynamo.reset()
    equation = declare(kind).double()
    compiled = torch.compile(equation, fullgraph=True)
    y = state(equation)
    torch.testing.assert_close(compiled(time(), y), equation(time(), y), rtol=1e-10, atol=1e-10)


# -- devices ----------------------------------------------------------------------------------------------------------


class Watch(torch.utils._python_dispatch.TorchDispatchMode):
    """Collects operations that touch the host or wait for the device."""

    def __init__(self):
        super().__init__()
        self.copies, self.waits = [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = str(function)
        if any(word in name for word in ("item", "_local_scalar_dense", "nonzero", "is_nonzero")):
            self.waits.append(name)
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        if (
            isinstance(result, torch.Tensor)
            and result.device.type == "cuda"
            and any(a.device.type == "cpu" for a in tensors)
        ):
            self.copies.append(name)
        return result


@pytest.mark.parametrize("kind", OPTIONS)
def test_no_stray_tensor_on_a_fake_gpu(kind):
    equation = declare(kind)
    with FakeTensorMode(allow_non_fake_inputs=True):
        moved = {name: torch.empty_like(value, device="cuda") for name, value in equation.state_dict().items()}
        y = torch.empty(3, *equation.state_shape, device="cuda")
        for t in (
            torch.empty((), dtype=torch.float64, device="cuda"),
            torch.empty(3, dtype=torch.float64, device="cuda"),
        ):
            with Watch() as watch:
                rate = torch.func.functional_call(equation, moved, (t, y))
            assert rate.device.type == "cuda"
            assert rate.shape == y.shape
            assert not watch.waits


def test_no_copy_to_the_gpu_per_evaluation():
    """DESIGN section 8: no per-step synchronisation; a copy from pageable host memory is one."""
    equation = declare("cell walls")
    with FakeTensorMode(allow_non_fake_inputs=True):
        moved = {name: torch.empty_like(value, device="cuda") for name, value in equation.state_dict().items()}
        y = torch.empty(3, *equation.state_shape, device="cuda")
        with Watch() as watch:
            torch.func.functional_call(equation, moved, (torch.empty((), dtype=torch.float64, device="cuda"), y))
    assert not watch.copies


FULL = """
d2u/dt2 = laplacian(u) - advection(w, u) + mean(u)*u - d_dt(u)/2 + convolve(kern, tanh(u)) - integral(u**2)
dw/dt = D*laplacian(w) + gradient(u) - K @ w + I + curl(w)*w - conv(u, w)
"""


def declare_full(kind="cell walls"):
    """Everything that the first system does not use."""
    torch.manual_seed(0)
    return FieldEquation(
        FULL,
        grid=Grid((8, 9), extent=1.5, centring="node" if kind == "node walls" else "cell"),
        boundary=Periodic() if kind == "periodic" else Neumann(0),
        components={"w": 2},
        parameters={
            "D": "0.1 + 0.05*x",
            "K": torch.tensor([[0.3, -0.2], [0.1, 0.5]]),
            "I": Signal([0.0, 0.4, 1.0], [[0.0, 1.0], [0.5, 0.0], [1.0, 1.0]]),
        },
        modules={"conv": Nonlocal(torch.nn.Conv2d(3, 2, 3, padding=1))},
        kernels={"kern": Kernel(lambda dx, dy: torch.exp(-(dx**2) - dy**2), edge="reflect")},
    )


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_full_language_is_clean_under_every_transform(kind):
    equation = declare_full(kind).double()
    function, parameters = equation.pure()
    y, v, t = state(equation, 3), state(equation, 3, seed=2), time()
    eager = function(parameters, t, y)
    compiled = torch.compile(function, fullgraph=True, backend="eager")(parameters, t, y)
    torch.testing.assert_close(compiled, eager, rtol=0, atol=1e-13)
    mapped = torch.func.vmap(lambda z: function(parameters, t, z))(y)
    torch.testing.assert_close(mapped, eager, rtol=0, atol=1e-12)
    _, forward = torch.func.jvp(lambda z: function(parameters, t, z), (y,), (v,))
    _, pull = torch.func.vjp(lambda z: function(parameters, t, z), y)
    torch.testing.assert_close((pull(v)[0] * v).sum(), (forward * v).sum(), rtol=1e-12, atol=0)
    epsilon = 1e-6
    difference = (function(parameters, t, y + epsilon * v) - function(parameters, t, y - epsilon * v)) / (2 * epsilon)
    torch.testing.assert_close(forward, difference, rtol=0, atol=1e-6 * forward.abs().max().item())


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_full_language_has_no_stray_tensor_on_a_fake_gpu(kind):
    equation = declare_full(kind)
    with FakeTensorMode(allow_non_fake_inputs=True):
        moved = {name: torch.empty_like(value, device="cuda") for name, value in equation.state_dict().items()}
        y = torch.empty(3, *equation.state_shape, device="cuda")
        for t in (
            torch.empty((), dtype=torch.float64, device="cuda"),
            torch.empty(3, dtype=torch.float64, device="cuda"),
        ):
            with Watch() as watch:
                rate = torch.func.functional_call(equation, moved, (t, y))
            assert rate.device.type == "cuda"
            assert rate.shape == y.shape
            assert not watch.waits
            assert not watch.copies


def test_the_full_language_keeps_float32():
    equation = declare_full()
    assert equation(0.3, state(equation, dtype=torch.float32)).dtype == torch.float32
