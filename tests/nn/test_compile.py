"""Layers of fixed steps under `torch.compile` and `torch.func`: one graph, any batch, the same numbers."""

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter
from torch._subclasses.fake_tensor import FakeTensorMode

import fieldsolver as fs
from fieldsolver.methods import METHODS
from fieldsolver.stepping import VectorField
from fieldsolver.stepping.march import march
from fieldsolver.stepping.timetable import Timetable

# The compiler looks at it and hides what it then hears from its users, but not from tests to which warnings are errors.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch.compiler.reset()


def layer(seed=0, **options):
    torch.manual_seed(seed)
    equation = fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi) + a*sin(t)",
        grid=fs.Grid((4, 3), extent=(4.0, 3.0)),
        boundary=fs.Neumann(0),
        components={"phi": 2},
        parameters={"D": fs.Parameter(torch.tensor([0.1, 0.3]), positive=True), "a": fs.Parameter(0.4)},
        modules={"react": nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2))},
    ).double()
    return fs.nn.FieldLayer(equation, **{"duration": 0.25, "dt": 0.1, "method": "heun", **options})


def states(samples=3, seed=1):
    return torch.randn(samples, 2, 4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("method", ["heun", fs.CompiledMethod("heun")])
def test_a_whole_layer_is_one_graph(method):
    module, counter = layer(method=method), CompileCounter()
    plain, compiled = layer(), torch.compile(module, fullgraph=True, backend=counter)
    for samples in (3, 4, 6, 2):
        torch.testing.assert_close(compiled(states(samples)), plain(states(samples)), rtol=1e-12, atol=1e-13)
    with torch.no_grad():
        for both in zip(module.parameters(), plain.parameters(), strict=True):
            for parameter in both:
                parameter.mul_(0.9)
    torch.testing.assert_close(compiled(states()), plain(states()), rtol=1e-12, atol=1e-13)
    assert counter.frame_count == 2  # for batches of 3, and then for all
    gradients = [
        torch.autograd.grad(f(states()).square().sum(), list(m.parameters()))
        for f, m in ((compiled, module), (plain, plain))
    ]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-13)


def test_adaptive_layers_are_refused_under_a_compiler():
    compiled = torch.compile(layer(dt=None, method="tsit5"), fullgraph=True, backend="eager")
    with pytest.raises(Exception, match="adaptive steps depend on the numbers"):  # the compiler wraps what it meets
        compiled(states())


def test_ensembles_by_vmap_and_forward_mode():
    modules = [layer(seed) for seed in (0, 1)]
    parameters, buffers = torch.func.stack_module_state(modules)

    def run(parameters, buffers, y):
        return torch.func.functional_call(modules[0], (parameters, buffers), (y,))

    together = torch.func.vmap(run, (0, 0, None))(parameters, buffers, states())
    torch.testing.assert_close(together, torch.stack([m(states()) for m in modules]), rtol=1e-12, atol=1e-13)
    y, tangent = states(), states(seed=2)
    _, forward = torch.func.jvp(modules[0], (y,), (tangent,))
    epsilon = 1e-6
    difference = (modules[0](y + epsilon * tangent) - modules[0](y - epsilon * tangent)) / (2 * epsilon)
    torch.testing.assert_close(forward, difference.detach(), rtol=1e-6, atol=1e-8)


def test_gradients_per_sample():
    module = layer()
    parameters = {name: value.detach() for name, value in module.named_parameters()}

    def loss(parameters, y):
        return torch.func.functional_call(module, parameters, (y.unsqueeze(0),)).square().sum()

    single = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, states())
    for sample, y in enumerate(states()):
        whole = torch.autograd.grad(module(y.unsqueeze(0)).square().sum(), list(module.parameters()))
        for name, expected in zip(parameters, whole, strict=True):
            torch.testing.assert_close(single[name][sample], expected, rtol=1e-10, atol=1e-12)


def test_a_layer_stays_on_a_fake_gpu():
    module = layer().float()
    with FakeTensorMode(allow_non_fake_inputs=True):
        moved = {name: torch.empty_like(value, device="cuda") for name, value in module.state_dict().items()}
        with torch.no_grad():  # reading a value of a fake tensor raises
            y = torch.func.functional_call(module, moved, (torch.empty(3, 2, 4, 3, device="cuda"),))
    assert (y.device.type, y.dtype) == ("cuda", torch.float32)


def test_the_backward_pass_of_a_layer_needs_no_host():
    """On shapes alone: without CUDA nothing on a fake GPU can record a graph."""
    equation = layer().equation.float().to("meta")
    function, parameters = equation.pure()
    y0 = torch.empty(3, 2, 4, 3, device="meta", requires_grad=True)
    y_end, _ = march(VectorField(function, parameters), METHODS["heun"], y0, Timetable.of(0.0, 0.25, 0.1))
    gradients = torch.autograd.grad(y_end.sum(), [y0, *equation.parameters()])
    assert {gradient.device.type for gradient in gradients} == {"meta"}


def test_a_compiled_layer_means_the_same_on_a_device(device):
    module = layer().to(device)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    x = states().to(device)
    torch.testing.assert_close(compiled(x), module(x), rtol=1e-12, atol=1e-13)


@pytest.mark.gpu
def test_compiled_steps_on_cuda():
    module, plain = layer(method=fs.CompiledMethod("heun")).cuda(), layer().cuda()
    torch.testing.assert_close(module(states().cuda()), plain(states().cuda()), rtol=1e-10, atol=1e-12)
