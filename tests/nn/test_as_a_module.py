"""Layers are ordinary modules: functional calls, ensembles, copies, mixed precision, dropout, two processes."""

import copy
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import fieldsolver as fs


class Seen(nn.Module):
    """Passes on what it gets, and notes the dtypes."""

    def __init__(self, module):
        super().__init__()
        self.module, self.dtypes = module, set()

    def forward(self, x):
        result = self.module(x)
        self.dtypes |= {x.dtype, result.dtype}
        return result


def net(width=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 3))


def equation(module=None, seed=0):
    torch.manual_seed(seed)
    return fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi) + drive",
        grid=fs.Grid(8, extent=8.0),
        boundary=fs.Periodic(),
        scheme=fs.Spectral(),
        components={"phi": 3},
        parameters={"D": fs.Parameter(torch.tensor([0.1, 0.2, 0.3]), positive=True), "drive": torch.zeros(3)},
        modules={"react": module or net()},
    )


def finite(module=None, **options):
    return fs.nn.FieldLayer(
        equation(module), **{"inputs": "drive", "initial": 0.5, "duration": 0.4, "dt": 0.1, **options}
    )


def recurrent(module=None, **options):
    defaults = {"inputs": "drive", "initial": 0.5, "interval": 0.2, "dt": 0.1}
    return fs.nn.RecurrentFieldLayer(equation(module), **{**defaults, **options})


def steady(module=None, **options):
    until = fs.SteadyState(atol=1e-4, rtol=1e-4, max_time=60.0)
    text = "dphi/dt = drive + 0.1*react(phi) - 3*phi"
    torch.manual_seed(0)
    declared = fs.FieldEquation(
        text, components={"phi": 3}, parameters={"drive": torch.zeros(3)}, modules={"react": module or net()}
    )
    return fs.nn.SteadyFieldLayer(declared, **{"inputs": "drive", "initial": 0.5, "until": until, "dt": 0.1, **options})


LAYERS = {"finite": (finite, (4, 3)), "recurrent": (recurrent, (4, 2, 3)), "steady": (steady, (4, 3))}


@pytest.fixture(params=LAYERS)
def made(request):
    """(make, input, output) of each kind of layer."""
    make, shape = LAYERS[request.param]

    def output(layer, x, **options):
        result = layer(x, **options)
        return result[0] if isinstance(result, tuple) else result

    return make, torch.randn(shape, generator=torch.Generator().manual_seed(1)), output


def first(result):
    return result[0] if isinstance(result, tuple) else result


# -- torch.func -------------------------------------------------------------------------------------------------------


def test_the_pure_function_is_the_layer(made):
    make, x, output = made
    layer = make()
    function, numbers = layer.pure()
    assert set(numbers) == set(dict(layer.named_parameters())) | set(dict(layer.named_buffers()))
    assert torch.equal(first(function(numbers, x)), output(layer, x))


def test_other_parameters_and_their_gradients(made):
    """A functional call at the parameters of another layer is that layer, gradients included."""
    make, x, output = made
    one, other = make(), make()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1)
    function, _ = one.pure()
    numbers = {
        name: value.detach().clone().requires_grad_(value.requires_grad) for name, value in other.pure()[1].items()
    }
    called, expected = first(function(numbers, x)), output(other, x)
    assert torch.equal(called, expected)
    called.pow(2).sum().backward()
    expected.pow(2).sum().backward()
    for name, parameter in other.named_parameters():
        torch.testing.assert_close(numbers[name].grad, parameter.grad, rtol=1e-6, atol=1e-7)
    assert all(parameter.grad is None for parameter in one.parameters())


@pytest.mark.parametrize("kind", ["finite", "recurrent"])
def test_an_ensemble_by_vmap_over_the_parameters(kind):
    make, shape = LAYERS[kind]
    x, layer = torch.randn(shape), make()
    function, numbers = layer.pure()
    stacked = {name: torch.stack([value, 1.2 * value]) for name, value in numbers.items()}
    both = torch.func.vmap(lambda one: first(function(one, x)))(stacked)
    for member in range(2):
        alone = first(function({name: value[member] for name, value in stacked.items()}, x))
        torch.testing.assert_close(both[member], alone, rtol=1e-5, atol=1e-6)


def test_adaptive_steps_are_refused_by_vmap():
    function, numbers = finite(dt=None).pure()
    stacked = {name: torch.stack([value, value]) for name, value in numbers.items()}
    with pytest.raises(fs.OptionError, match="with fixed steps, dt="):
        torch.func.vmap(lambda one: function(one, torch.ones(2, 3)))(stacked)


# -- copies and files -------------------------------------------------------------------------------------------------


def test_copies_and_state_dicts(made):
    make, x, output = made
    layer, other = make(), make()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.9)
    twin = copy.deepcopy(layer)
    assert torch.equal(output(twin, x), output(layer, x))
    twin.load_state_dict(other.state_dict())
    assert torch.equal(output(twin, x), output(other, x))
    assert not torch.equal(output(twin, x), output(layer, x))


def test_weights_files(made, tmp_path):
    make, x, output = made
    layer, other = make(), make()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.9)
    other.load_weights(layer.save(tmp_path / "w"))
    assert torch.equal(output(other, x), output(layer, x))
    with pytest.raises(fs.FileFormatError, match="readout"):
        make(readout={"phi": 0}).load_weights(tmp_path / "w")
    with pytest.raises(fs.FileFormatError, match="readout"):
        layer.load_weights(make(readout={"phi": 0}).save(tmp_path / "r"))


def test_a_call_leaves_no_trace(made):
    """Nothing is written to buffers or parameters, so DDP has nothing to broadcast."""
    make, x, output = made
    layer = make()
    before = {name: (value._version, value.clone()) for name, value in layer.state_dict(keep_vars=True).items()}
    output(layer, x).sum().backward()
    for name, value in layer.state_dict(keep_vars=True).items():
        assert value._version == before[name][0], name
        assert torch.equal(value, before[name][1]), name


def test_printing_shows_the_equation_and_how_it_is_run(made):
    make, _, _ = made
    text = repr(make())
    assert "dphi/dt = " in text
    assert "inputs=(drive)" in text
    assert "dt=0.1" in text


def test_a_layer_on_a_device_is_the_layer(made, device):
    make, x, output = made
    layer, moved = make(readout={"phi": [2, 0]}), make(readout={"phi": [2, 0]}).to(device)
    some = torch.tensor([True, False, True, True])
    for mask in (some.unsqueeze(1).expand(4, 2) if x.dim() == 3 else some, None):
        for each in (layer, moved):
            each.zero_grad()
        expected = output(layer, x, mask=mask)
        found = output(moved, x.to(device), mask=None if mask is None else mask.to(device))
        assert found.device.type == device.type
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)
        expected.pow(2).sum().backward()
        found.pow(2).sum().backward()
        for ours, theirs in zip(moved.parameters(), layer.parameters(), strict=True):
            torch.testing.assert_close(ours.grad.cpu(), theirs.grad, rtol=1e-3, atol=1e-4)


# -- precision --------------------------------------------------------------------------------------------------------


def test_autocast_around_a_layer_changes_nothing(made):
    make, x, output = made
    seen = Seen(net())
    layer = make(seen)
    plain = output(layer, x)
    plain.sum().backward()
    expected = [p.grad.clone() for p in layer.parameters()]
    layer.zero_grad()
    seen.dtypes.clear()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = output(layer, x)
    mixed.sum().backward()  # outside, as torch asks for
    assert torch.equal(mixed, plain)
    assert mixed.dtype == torch.float32
    assert seen.dtypes == {torch.float32}
    assert all(torch.equal(p.grad, g) for p, g in zip(layer.parameters(), expected, strict=True))


def test_autocast_around_a_solve_changes_nothing():
    """Steps are recomputed behind the autocast region: in other precision the gradient would be that of another run."""
    declared, results = equation(), []
    for enabled in (False, True):
        declared.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            run = fs.solve(declared, torch.ones(2, 3, 8), t_span=(0.0, 0.4), dt=0.1)
        run.y[-1].pow(2).sum().backward()
        results.append([run.y.detach(), *(p.grad.clone() for p in declared.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_low_precision_inputs_become_float32_under_autocast_only(made):
    make, x, output = made
    layer = make()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(output(layer, x.bfloat16()), output(layer, x.bfloat16().float()))
    with pytest.raises(fs.StateError, match="bfloat16"):
        output(layer, x.bfloat16())


def test_low_precision_inside_where_the_user_says_so(made):
    make, x, output = made
    seen = Seen(net())
    layer, exact = make(fs.nn.Autocast(seen)), make()
    low = output(layer, x)
    assert low.dtype == torch.float32
    assert seen.dtypes == {torch.float32, torch.bfloat16}
    difference = (low - output(exact, x)).abs().max() / low.abs().max()
    assert 1e-6 < difference < 3e-2
    low.sum().backward()
    assert all(p.grad.dtype == p.dtype for p in layer.parameters())
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(output(layer, x), low, rtol=1e-5, atol=1e-5)  # the same with autocast around it
    with pytest.raises(fs.OptionError, match="bfloat16"):
        fs.nn.Autocast(net(), torch.float32)


# -- modules that misbehave -------------------------------------------------------------------------------------------


def test_dropout_is_the_same_going_backward():
    results = []
    for gradient in ("checkpointed", "direct"):
        torch.manual_seed(5)
        layer = finite(nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 3)), gradient=gradient, dt=0.02)
        output = layer(torch.ones(2, 3))
        output.pow(2).sum().backward()
        results.append([output.detach(), *(p.grad for p in layer.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_a_module_that_writes_over_the_state_is_refused():
    declared = fs.FieldEquation("dphi/dt = react(phi)", components={"phi": 3}, modules={"react": nn.ReLU(inplace=True)})
    with pytest.raises(fs.StateError, match="changes y in place"):
        fs.nn.FieldLayer(declared)(-torch.ones(2, 3))


def test_batch_norm_is_refused():
    with pytest.raises(fs.EquationError, match="BatchNorm1d"):
        finite(nn.BatchNorm1d(3))


def test_ties_survive_a_file(tmp_path):
    """safetensors refuses tensors that share memory; both names are stored, and the tie stays."""

    def tied():
        module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
        module[2].weight = module[0].weight
        return finite(module)

    one, other = tied(), tied()
    with torch.no_grad():
        one.equation.submodules["react"][0].weight.mul_(2.0)
    other.load_weights(one.save(tmp_path / "w"))
    react = other.equation.submodules["react"]
    assert react[0].weight is react[2].weight
    assert torch.equal(other(torch.ones(3)), one(torch.ones(3)))


def test_terminal_events_are_refused():
    event = fs.Event("u - 2", terminal=True)
    declared = fs.FieldEquation("du/dt = I", parameters={"I": 1.0}, events=[event])
    for make in (
        lambda: fs.nn.FieldLayer(declared),
        lambda: fs.nn.RecurrentFieldLayer(declared, inputs="I"),
        lambda: fs.nn.SteadyFieldLayer(declared, until=fs.SteadyState(max_time=1.0)),
    ):
        with pytest.raises(fs.OptionError, match="ends samples before the time is over"):
            make()


# -- two processes ----------------------------------------------------------------------------------------------------


@pytest.mark.slow  # starts two interpreters that import torch
def test_two_processes_train_as_one(tmp_path):
    script = Path(__file__).with_name("two_processes.py")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(script), str(port), str(tmp_path)]
    workers = [subprocess.Popen([*command, str(rank)], stderr=subprocess.PIPE, text=True) for rank in range(2)]
    for worker in workers:
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
    two = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    one = runpy.run_path(str(script))["train"](slice(None), lambda model: model)
    for name, value in one.items():
        assert torch.equal(two[0][name], two[1][name]), name
        torch.testing.assert_close(two[0][name], value, rtol=1e-6, atol=1e-6)
