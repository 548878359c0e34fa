"""`RecurrentFieldLayer`: streaming equals the sequence, exact solutions for both forcings, masks, gradients."""

import math

import pytest
import torch
from torch import nn

import fieldsolver as fs


def relaxation(forcing="hold", **options):
    """du/dt = (I - u)/tau: each interval has a known solution."""
    equation = fs.FieldEquation(
        "du/dt = (I - u)/tau",
        components={"u": 2},
        parameters={"I": 0.0, "tau": fs.Parameter(torch.tensor([0.5, 3.0]), positive=True)},
    ).double()
    defaults = {"inputs": "I", "interval": 0.4, "initial": 0.0, "rtol": 1e-10, "atol": 1e-12}
    return fs.nn.RecurrentFieldLayer(equation, forcing=forcing, **{**defaults, **options})


def field(**options):
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi, drive)*sin(t) + source",
        grid=fs.Grid(6, extent=6.0),
        boundary=fs.Neumann(0),
        components={"phi": 2},
        parameters={
            "D": fs.Parameter(0.3, positive=True),
            "drive": torch.zeros(3),
            "source": fs.Spatial(torch.zeros(6)),
        },
        modules={"react": nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2))},
    ).double()
    defaults = {"inputs": ("drive", "source"), "interval": 0.3, "initial": 0.5, "dt": 0.1}
    return fs.nn.RecurrentFieldLayer(equation, **{**defaults, **options})


def sequence(batch=3, length=5, seed=1):
    make = {"generator": torch.Generator().manual_seed(seed), "dtype": torch.float64}
    return {
        "drive": torch.randn(batch, length, 3, **make),
        "source": torch.randn(batch, length, 1, 6, **make),
    }


def at(values, k):
    return {name: value[:, k] for name, value in values.items()}


def test_held_inputs_have_the_exact_solution():
    layer = relaxation()
    x = torch.randn(3, 7, 1, dtype=torch.float64)
    outputs, state = layer(x)
    tau, u, expected = torch.tensor([0.5, 3.0], dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64), []
    for k in range(7):
        u = x[:, k] + (u - x[:, k]) * torch.exp(-0.4 / tau)
        expected.append(u)
    torch.testing.assert_close(outputs, torch.stack(expected, 1), rtol=1e-8, atol=1e-9)
    assert torch.equal(state.y, outputs[:, -1])
    assert state.seen == 7


def test_linear_inputs_have_the_exact_solution():
    """With I = a + b s over an interval, u = a - b tau + b s + (u0 - a + b tau) exp(-s/tau)."""
    layer = relaxation("linear")
    x = torch.randn(3, 7, 1, dtype=torch.float64)
    outputs, _ = layer(x)
    tau, u = torch.tensor([0.5, 3.0], dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64)
    before = torch.zeros(3, 1, dtype=torch.float64)
    for k in range(7):
        slope = (x[:, k] - before) / 0.4
        u = x[:, k] - slope * tau + (u - before + slope * tau) * torch.exp(-0.4 / tau)
        torch.testing.assert_close(outputs[:, k], u, rtol=1e-8, atol=1e-9)
        before = x[:, k]


@pytest.mark.parametrize("forcing", ["hold", "linear"])
@pytest.mark.parametrize("dt", [0.1, None])
def test_step_by_step_is_the_sequence_bitwise(forcing, dt):
    layer, values = field(forcing=forcing, dt=dt), sequence()
    outputs, last = layer(values)
    state, streamed = None, []
    for k in range(5):
        output, state = layer.step(at(values, k), state)
        streamed.append(output)
    assert torch.equal(torch.stack(streamed, 1), outputs)
    assert torch.equal(state.y, last.y)
    # and a sequence goes on where another ended
    first, middle = layer({name: value[:, :2] for name, value in values.items()})
    second, _ = layer({name: value[:, 2:] for name, value in values.items()}, middle)
    assert torch.equal(torch.cat((first, second), 1), outputs)


def test_time_goes_on_between_inputs():
    equation = fs.FieldEquation("du/dt = cos(t) + I", parameters={"I": 0.0})
    layer = fs.nn.RecurrentFieldLayer(equation, inputs="I", interval=0.7, initial=0.0, rtol=1e-9, atol=1e-11)
    outputs, _ = layer(torch.zeros(1, 6, 1, dtype=torch.float64))
    times = 0.7 * torch.arange(1, 7, dtype=torch.float64)
    torch.testing.assert_close(outputs[0, :, 0], times.sin(), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("forcing", ["hold", "linear"])
def test_the_future_and_the_neighbours_change_nothing(forcing):
    layer, values = field(forcing=forcing, dt=None), sequence()
    outputs, _ = layer(values)
    other = {name: value.clone() for name, value in values.items()}
    for value in other.values():
        value[:, 3:] = 9.0
        value[2] = -5.0
    changed, _ = layer(other)
    torch.testing.assert_close(changed[:2, :3], outputs[:2, :3], rtol=1e-12, atol=1e-12)
    assert not torch.equal(changed[:2, 3:], outputs[:2, 3:])


def test_fixed_steps_see_no_neighbours_bitwise():
    layer = relaxation(dt=0.1, method="rk4")
    x = torch.randn(5, 4, 1, dtype=torch.float64)
    together, order = layer(x)[0], torch.tensor([4, 2, 0, 1, 3])
    assert torch.equal(layer(x[order])[0], together[order])
    assert torch.equal(torch.cat([layer(x[:2])[0], layer(x[2:])[0]]), together)


@pytest.mark.parametrize("forcing", ["hold", "linear"])
@pytest.mark.parametrize("gradient", ["checkpointed", "direct"])
def test_gradients_match_central_differences(forcing, gradient):
    layer = field(forcing=forcing, gradient=gradient, learn_initial=True)
    values = {name: value.requires_grad_() for name, value in sequence(batch=2, length=3).items()}
    weights = torch.randn(2, 3, 2, 6, dtype=torch.float64)

    def loss():
        return (layer(values)[0] * weights).sum()

    loss().backward()
    for name, tensor in (*values.items(), *layer.named_parameters()):
        direction, ends = torch.randn(tensor.shape, dtype=torch.float64), []
        with torch.no_grad():
            for sign in (1, -1):
                tensor.add_(direction, alpha=sign * 1e-5)
                ends.append(loss().item())
                tensor.sub_(direction, alpha=sign * 1e-5)
        expected = (ends[0] - ends[1]) / 2e-5
        assert (tensor.grad * direction).sum().item() == pytest.approx(expected, rel=1e-6), name


@pytest.mark.parametrize("forcing", ["hold", "linear"])
@pytest.mark.parametrize("side", ["left", "right", "middle"])
def test_padded_steps_are_as_if_they_were_not(forcing, side):
    """A sequence with padding, at either end or inside, is the sequence without it; padding gets no gradient."""
    layer = relaxation(forcing, dt=0.1)
    x = torch.randn(3, 4, 1, dtype=torch.float64)
    where = {"left": [2, 3, 4, 5], "right": [0, 1, 2, 3], "middle": [0, 2, 3, 5]}[side]
    mask = torch.ones(3, 6, dtype=torch.bool)
    mask[1] = False
    mask[1, where] = True
    clean, clean_state = layer(x[1:2])
    grads = []
    for junk in (math.nan, 1e9):
        padded = torch.full((3, 6, 1), junk, dtype=torch.float64)
        padded[1, where] = x[1]
        padded[[0, 2]] = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(1, 6, 1)
        padded.requires_grad_()
        layer.zero_grad()
        outputs, state = layer(padded, mask=mask)
        outputs.pow(2).sum().backward()
        grads.append((padded.grad, *(p.grad.clone() for p in layer.parameters())))
        # A ramp that begins later rounds its times differently.
        close = {"rtol": 0.0, "atol": 0.0} if forcing == "hold" else {"rtol": 1e-13, "atol": 1e-14}
        torch.testing.assert_close(outputs[1, where], clean[0], **close)
        torch.testing.assert_close(state.y[1], clean_state.y[0], **close)
        assert not outputs[1][~mask[1]].any()
        assert not padded.grad[1][~mask[1]].any()
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("forcing", ["hold", "linear"])
def test_under_torch_func_time_goes_on_and_masks_hold(forcing):
    """There the steps are made by another loop, and samples cannot be left out."""
    layer, values = field(forcing=forcing), sequence()
    mask = torch.rand(3, 5, generator=torch.Generator().manual_seed(4)) < 0.6
    values["drive"][~mask] = math.nan
    values = {name: value.requires_grad_() for name, value in values.items()}
    outputs, last = layer(values, mask=mask)
    outputs.pow(2).sum().backward()
    function, numbers = layer.pure()

    def loss(drive):
        found, state = function(numbers, {**values, "drive": drive}, mask=mask)
        return found.pow(2).sum(), (found, state.y)

    gradient, (found, y) = torch.func.grad(loss, has_aux=True)(values["drive"])
    torch.testing.assert_close(found, outputs, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(y, last.y, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(gradient, values["drive"].grad, rtol=1e-11, atol=1e-12)


def test_readout_and_start():
    layer = field(readout={"phi": 1})
    values = sequence()
    outputs, state = layer(values)
    assert outputs.shape == (3, 5, 1, 6)
    assert torch.equal(outputs[:, -1], state.y[:, 1:])
    start = torch.full((3, 2, 6), 0.5, dtype=torch.float64)
    assert torch.equal(layer(values, start)[0], outputs)
    assert torch.equal(layer(values, {"phi": 0.5})[0], outputs)


def test_weights_belong_to_the_forcing(tmp_path):
    path = relaxation().save(tmp_path / "w")
    relaxation().load_weights(path)
    with pytest.raises(fs.FileFormatError, match="forcing = 'hold'"):
        relaxation("linear").load_weights(path)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: relaxation(inputs=(), initial=None), fs.OptionError, "at least one input"),
        (lambda: relaxation("cubic"), fs.OptionError, "forcing is one of"),
        (lambda: relaxation(interval=0.0), fs.OptionError, "interval is a positive time"),
        (lambda: relaxation(initial=None)(torch.ones(2, 3, 1)), fs.OptionError, "where to start"),
        (lambda: relaxation()(torch.ones(1)), fs.StateError, r"\(\*batch, T, C, \*grid\)"),
        (lambda: relaxation()(torch.ones(2, 3, 1), mask=torch.ones(2, 2).bool()), fs.StateError, r"which is \(2, 3\)"),
    ],
)
def test_what_cannot_be_is_one_sentence(make, error, message):
    with pytest.raises(error, match=message):
        make()


def driven(forcing="hold", **options):
    """dh/dt = x cos(t): with x = 1 held, h(k) = sin(k)."""
    equation = fs.FieldEquation("dh/dt = x*cos(t)", parameters={"x": 0.0}).double()
    defaults = {"inputs": "x", "interval": 1.0, "initial": 0.0, "dt": 0.1}
    return fs.nn.RecurrentFieldLayer(equation, forcing=forcing, **{**defaults, **options})


def test_a_masked_step_does_not_move_the_clock():
    mask = torch.tensor([[False, False, True, True], [True, False, False, True], [True, True, False, False]])
    outputs, state = driven()(torch.ones(3, 4, 1, dtype=torch.float64), mask=mask)
    sines = torch.tensor([1.0, 2.0], dtype=torch.float64).sin().expand(3, 2)
    torch.testing.assert_close(outputs[mask].reshape(3, 2), sines, rtol=0, atol=1e-6)
    assert state.seen.tolist() == [2, 2, 2]


@pytest.mark.parametrize("forcing", ["hold", "linear"])
def test_padding_changes_nothing_where_time_counts(forcing):
    layer, mask = driven(forcing), torch.rand(5, 6, generator=torch.Generator().manual_seed(3)) < 0.5
    x = torch.randn(5, 6, 1, dtype=torch.float64)
    outputs, state = layer(x, mask=mask)
    for sample in range(5):
        alone, last = layer(x[sample : sample + 1, mask[sample]])
        torch.testing.assert_close(outputs[sample, mask[sample]], alone[0], rtol=1e-13, atol=1e-14)
        assert state.seen[sample] == last.seen

    def first(values):
        found, later = layer(values, mask=mask)
        return found.sum(), (found, later.seen)

    _, (found, seen) = torch.func.grad(first, has_aux=True)(x)  # another loop makes the steps
    torch.testing.assert_close(found, outputs, rtol=1e-13, atol=1e-14)
    assert torch.equal(seen, state.seen)
    # and goes on from there, step by step, without a mask
    both, one = layer(x, state)[0], state
    for k in range(6):
        output, one = layer.step(x[:, k], one)
        assert torch.equal(output, both[:, k])


def test_a_wall_that_moves_with_time_has_a_clock_too():
    equation = fs.FieldEquation(
        "du/dt = laplacian(u) + I", grid=fs.Grid(6, extent=6.0), boundary=fs.Dirichlet("sin(t)"), parameters={"I": 0.0}
    ).double()
    layer = fs.nn.RecurrentFieldLayer(equation, inputs="I", initial=0.0, dt=0.25)
    x, mask = torch.zeros(2, 3, 1, dtype=torch.float64), torch.tensor([[False, True, True], [True, True, False]])
    outputs, _ = layer(x, mask=mask)
    torch.testing.assert_close(outputs[0, 1:], outputs[1, :2], rtol=1e-13, atol=1e-14)
    whole = fs.solve(equation, torch.zeros(1, 6, dtype=torch.float64), t_span=(0.0, 2.0), method="rk4", dt=0.25)
    torch.testing.assert_close(outputs[0, 2], whole.y[-1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("forcing", ["hold", "linear"])
def test_detached_states_cut_the_history(forcing):
    layer, x = relaxation(forcing), torch.randn(2, 4, 1, dtype=torch.float64, requires_grad=True)
    _, middle = layer(x[:, :2])
    cut = middle.detach()
    outputs, _ = layer(x[:, 2:], cut)
    assert torch.equal(outputs, layer(x[:, 2:], middle)[0])
    outputs.sum().backward()
    assert not x.grad[:, :2].any()
    assert x.grad[:, 2:].all()


def test_states_of_another_forcing_are_refused():
    x = torch.randn(2, 4, 1, dtype=torch.float64)
    held, ramped = relaxation(), relaxation("linear")
    with pytest.raises(fs.StateError, match="this layer has forcing='linear'"):
        ramped(x, held(x)[1])
    with pytest.raises(fs.StateError, match="this layer has forcing='hold'"):
        held(x, ramped(x)[1])
    for call in (lambda: ramped(x, ramped(x)[1].y), lambda: ramped.step(x[:, 0], ramped(x)[1].y)):
        with pytest.raises(fs.StateError, match="the input before it counts too"):
            call()
    start = fs.nn.RecurrentState(torch.zeros(2, 2, dtype=torch.float64), 0, {"I": torch.zeros_like(x[:, 0])})
    assert torch.equal(ramped(x, start)[0], ramped(x)[0])


def test_a_mask_without_the_batch_is_named_as_it_was_given():
    with pytest.raises(fs.StateError, match=r"mask is torch.bool \(4,\), expected torch.bool .*\(3, 4\)"):
        relaxation()(torch.ones(3, 4, 1), mask=torch.ones(4, dtype=torch.bool))
