"""`CompiledMethod`: the same steps by one compiled function, in every gradient mode, compiled once."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

import fieldsolver as fs

# The compiler looks at it and hides what it then hears from its users, but not from tests to which warnings are errors.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch.compiler.reset()


def declare(seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi) + a*sin(t)",
        grid=fs.Grid((4, 3), extent=(4.0, 3.0)),
        boundary=fs.Neumann(0),
        components={"phi": 2},
        parameters={"D": fs.Parameter(torch.tensor([0.1, 0.3]), positive=True), "a": fs.Parameter(0.4)},
        modules={"react": nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2))},
    ).to(dtype)


def states(samples=3, dtype=torch.float64):
    return torch.randn(samples, 2, 4, 3, generator=torch.Generator().manual_seed(1), dtype=dtype)


def gradients(equation, y0, **options):
    """Save points and the gradients of the parameters and of y0."""
    y0 = y0.clone().requires_grad_()
    solution = fs.solve(equation, y0, t_span=(0.0, 0.5), **options)
    return [solution.y.detach(), *torch.autograd.grad(solution.y.square().sum(), [y0, *equation.parameters()])]


def counted(name="heun"):
    """Traced and replayed, not translated: what is traced decides about the numbers, and that takes a second."""
    counter = CompileCounter()
    return fs.CompiledMethod(name, backend=counter), counter


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
@pytest.mark.parametrize("name", ["heun", "bosh3"])
def test_values_and_gradients_are_those_of_the_plain_method(name, mode):
    equation, times = declare(), [0.0, 0.13, 0.5]
    method, counter = counted(name)
    for ours, plain in zip(
        *(gradients(equation, states(), method=m, dt=0.1, save_at=times, gradient=mode) for m in (method, name)),
        strict=True,
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-13)
    assert counter.frame_count == {"direct": 1, "checkpointed": 2}[mode]  # with a graph, and going forward without one


def test_adaptive_steps_are_those_of_the_plain_method():
    equation = declare()
    runs = [
        fs.solve(equation, states(), t_span=(0.0, 2.0), method=m, rtol=1e-6, atol=1e-8, gradient="none", dense=True)
        for m in (counted("bosh3")[0], "bosh3")
    ]
    assert torch.equal(runs[0].stats.accepted, runs[1].stats.accepted)
    torch.testing.assert_close(runs[0].y, runs[1].y, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(runs[0](0.77), runs[1](0.77), rtol=1e-10, atol=1e-12)


def test_nothing_is_compiled_twice_for_other_numbers():
    """Other values, parameters, steps, lengths and equations of the same form; y0 with and without a gradient."""
    method, counter = counted()
    equation = declare()
    for dt, t1 in ((0.1, 0.5), (0.05, 0.3)):
        for y0 in (states(), 2 * states().requires_grad_()):
            fs.solve(equation, y0, t_span=(0.1, t1), dt=dt, method=method, gradient="direct").y.sum().backward()
            with torch.no_grad():
                for parameter in equation.parameters():
                    parameter.mul_(0.9)
    assert counter.frame_count == 1
    for samples in (4, 5, 7):
        fs.solve(
            equation, states(samples), t_span=(0.0, 0.2), dt=0.1, method=method, gradient="direct"
        ).y.sum().backward()
    assert counter.frame_count == 2  # another batch size once, and then all


def test_failures_are_reported_as_ever():
    y0 = states()
    y0[1] = 1e200
    equation = fs.FieldEquation(
        "dphi/dt = phi**3", grid=fs.Grid((4, 3), extent=(1.0, 1.0)), boundary=fs.Neumann(0), components={"phi": 2}
    )
    with pytest.raises(fs.SolveFailed, match=r"1 of 3 sample\(s\) ended early; sample 1"):
        fs.solve(equation, y0, t_span=(0.0, 0.02), dt=0.01, method=counted()[0])


def test_float32_stays_float32():
    equation = declare(dtype=torch.float32)
    y0 = states(dtype=torch.float32)
    ours, plain = (gradients(equation, y0, method=m, dt=0.1) for m in (counted()[0], "heun"))
    assert {tensor.dtype for tensor in ours} == {torch.float32}
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


def test_plain_functions_and_what_they_capture():
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    method, _ = counted()
    found = []
    for m in (method, "heun"):
        y = fs.solve(lambda t, y: -scale * y, torch.ones(3, dtype=torch.float64), t_span=(0, 1), dt=0.1, method=m).y
        found.append((y.detach(), *torch.autograd.grad(y.sum(), scale)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
def test_a_layer_of_compiled_steps(mode):
    layers = [
        fs.nn.FieldLayer(declare(), duration=0.3, dt=0.1, method=m, gradient=mode) for m in (counted()[0], "heun")
    ]
    outputs = [layer(states()) for layer in layers]
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-12, atol=1e-13)
    for output in outputs:
        output.square().sum().backward()
    for ours, plain in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
        torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-12, atol=1e-13)


def test_copies_share_what_is_compiled_and_pickles_leave_it():
    method = fs.CompiledMethod("rk4")
    assert copy.deepcopy(method) is method
    again = pickle.loads(pickle.dumps(fs.CompiledMethod("tsit5", backend="aot_eager")))
    assert (again.name, again.backend) == ("tsit5", "aot_eager")


@pytest.mark.parametrize("name", ["ab3", "abm"])
def test_other_kinds_of_methods_are_refused(name):
    with pytest.raises(fs.OptionError, match=f"only explicit Runge-Kutta methods can be compiled, got '{name}'"):
        fs.CompiledMethod(name)


def test_an_unstable_step_is_still_refused():
    with pytest.raises(fs.StabilityError, match="stability limit"):
        fs.solve(declare(), states(), t_span=(0, 10), dt=5.0, method=fs.CompiledMethod("euler"), check="refuse")


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_inductor_gives_the_same_numbers(dtype, tolerance):
    equation, y0 = declare(dtype=dtype), states(dtype=dtype)
    for ours, plain in zip(
        *(gradients(equation, y0, method=m, dt=0.1) for m in (fs.CompiledMethod("rk4"), "rk4")), strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=tolerance, atol=tolerance * plain.abs().max().item())


def test_tables_of_spectral_operators_are_there_in_time():
    wave = fs.FieldEquation(
        "du/dt = 0.01*laplacian(u)", grid=fs.Grid((8,), extent=1.0), boundary=fs.Neumann(0), scheme=fs.Spectral()
    )
    y0 = torch.randn(2, 1, 8, dtype=torch.float64)
    ours, plain = (fs.solve(wave, y0, t_span=(0, 0.02), dt=0.01, method=m).y for m in (counted("euler")[0], "euler"))
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-13)
