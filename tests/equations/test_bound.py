"""An equation bound to other values is the equation declared with them, in everything that is computed from it."""

import copy

import pytest
import torch

import fieldsolver as fs
from fieldsolver.equations.bound import Ramp, bound, value_shape

LINE = fs.Grid(6, extent=1.0)


def field(D=0.1, source=None, wall=0.3, boundary=None):
    source = torch.zeros(2, 6, dtype=torch.float64) if source is None else source
    return fs.FieldEquation(
        "du/dt = diffusion(D, u) + source - u**3",
        grid=LINE,
        boundary=boundary or {"x-": fs.Neumann("wall"), "x+": fs.Dirichlet(0)},
        components={"u": 2},
        parameters={"D": fs.Parameter(D, positive=True), "source": fs.Spatial(source), "wall": wall},
    )


def run(equation, y, **options):
    return fs.solve(equation, y, t_span=(0.0, 0.5), dt=0.01, check="off", **options).y[-1]


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_values_per_sample_are_as_declared_for_each():
    """A trainable coefficient, a field, and a value on the wall."""
    D, source, wall = numbers(3, 1).abs() * 0.1 + 0.05, numbers(3, 2, 6, seed=1), numbers(3, 1, seed=2)
    y = numbers(3, 2, 6, seed=3)
    together = run(bound(field(), {"D": D, "source": source, "wall": wall}), y)
    for k in range(3):
        alone = run(field(D[k].item(), source[k], wall[k].item()), y[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, rtol=1e-13, atol=1e-13)


def test_values_without_samples_are_the_same_for_all():
    source = numbers(2, 6, seed=1)
    y = numbers(2, 6, seed=3)
    view = bound(field(), {"D": torch.tensor([0.07], dtype=torch.float64), "source": source})
    torch.testing.assert_close(run(view, y), run(field(0.07, source), y), rtol=1e-14, atol=1e-14)


def test_the_equation_itself_stays_as_it_is():
    equation = field()
    before = {name: value.clone() for name, value in equation.state_dict().items()}
    view = bound(equation, {"wall": numbers(3, 1), "D": 0.1 * numbers(3, 1).abs()})
    run(view, numbers(3, 2, 6))
    assert equation.declared["wall"].place == "global"
    assert all(torch.equal(equation.state_dict()[name], value) for name, value in before.items())
    assert view.raw is equation.raw
    assert str(view) == str(equation)


@pytest.mark.parametrize("gradient", ["direct", "checkpointed"])
def test_gradients_reach_the_values_and_the_weights(gradient):
    equation, y = field(), numbers(2, 2, 6)
    source, wall = numbers(2, 2, 6, seed=1).requires_grad_(), numbers(2, 1, seed=2).requires_grad_()

    def loss():
        return run(bound(equation, {"source": source, "wall": wall}), y, gradient=gradient).pow(2).sum()

    loss().backward()
    for tensor in (source, wall, equation.raw["D"]):
        direction, ends = torch.randn(tensor.shape, dtype=torch.float64), []
        with torch.no_grad():
            for sign in (1, -1):
                tensor.add_(direction, alpha=sign * 1e-5)
                ends.append(loss().item())
                tensor.sub_(direction, alpha=sign * 1e-5)
        assert (tensor.grad * direction).sum().item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-7)


def test_samples_that_finish_early_take_their_values_with_them():
    """The loop leaves finished samples out; what is bound to the others must stay theirs."""
    equation = fs.FieldEquation("du/dt = -k*u", parameters={"k": 1.0})
    k = torch.tensor([[1.0], [2000.0], [3.0], [500.0], [0.1], [5.0]], dtype=torch.float64)
    solution = fs.solve(bound(equation, {"k": k}), torch.ones(6, 1).double(), t_span=(0.0, 1.0), rtol=1e-9)
    torch.testing.assert_close(solution.y[-1], torch.exp(-k), rtol=1e-7, atol=1e-8)
    assert solution.stats.accepted.unique().numel() > 3


@pytest.mark.parametrize("dt", [0.05, None])
def test_a_ramp_is_a_signal(dt):
    equation = fs.FieldEquation("du/dt = s - u", parameters={"s": 0.0})
    before, after = numbers(2, 1), numbers(2, 1, seed=1)
    view = bound(equation, {"s": Ramp(before, after, 1.0, 3.0)})
    options = {"t_span": (1.0, 3.0), "dt": dt, "rtol": 1e-10, "atol": 1e-12}
    ramped = fs.solve(view, torch.ones(2, 1).double(), **options).y[-1]
    for k in range(2):
        signal = fs.Signal([1.0, 3.0], [before[k].item(), after[k].item()])
        declared = fs.FieldEquation("du/dt = s - u", parameters={"s": signal})
        single = fs.solve(declared, torch.ones(1, 1).double(), **options).y[-1]
        torch.testing.assert_close(ramped[k : k + 1], single, rtol=1e-12, atol=1e-12)


def test_events_see_the_values():
    """Neurons that fire, with a current and a threshold of their own."""
    text = {
        "text": "dv/dt = (I - v)/tau",
        "events": [fs.Event("v - h", direction="up", reset={"v": "0"}, name="spike")],
    }
    neuron = fs.FieldEquation(**text, parameters={"I": 0.0, "tau": 10.0, "h": 1.0})
    current, h = torch.tensor([[1.5], [3.0]]).double(), torch.tensor([[1.0], [2.0]]).double()
    found = fs.solve(bound(neuron, {"I": current, "h": h}), torch.zeros(2, 1).double(), t_span=(0, 60), rtol=1e-9)
    period = 10 * torch.log(current / (current - h))
    for k in range(2):
        times = found.events.times("spike", sample=k)
        assert len(times) == int(60 / period[k])
        torch.testing.assert_close(times.diff(), period[k].expand(len(times) - 1), rtol=1e-6, atol=0)


def test_complex_values():
    equation = fs.FieldEquation("dz/dt = c*z", parameters={"c": 1j}, complex_fields=["z"])
    c = torch.tensor([[1j], [-1 + 2j]], dtype=torch.complex128)
    end = fs.solve(bound(equation, {"c": c}), torch.ones(2, 1, dtype=torch.complex128), t_span=(0, 1), rtol=1e-10).y[-1]
    torch.testing.assert_close(end, torch.exp(c), rtol=1e-8, atol=1e-8)


def test_a_bound_equation_can_be_copied():
    view = bound(field(), {"wall": numbers(3, 1)})
    y = numbers(3, 2, 6)
    assert torch.equal(run(copy.deepcopy(view), y), run(view, y))


def test_shapes_and_names():
    equation = field()
    assert value_shape(equation, "source") == (2, 6)
    assert value_shape(equation, "D") == (1,)
    with pytest.raises(fs.ParameterError, match=r"'wall' has shape \(3, 2\), expected \(B, 1\)"):
        bound(equation, {"wall": numbers(3, 2)})
    with pytest.raises(fs.ParameterError, match=r"expected \(B, 2, 6\)"):
        bound(equation, {"source": numbers(3, 6)})
    with pytest.raises(fs.OptionError, match="no parameter 'walls'; it has D, source, wall; did you mean 'wall'"):
        bound(equation, {"walls": numbers(3, 1)})
    with pytest.raises(fs.StateError, match="'wall' has 3 samples, but the state has 2"):
        run(bound(equation, {"wall": numbers(3, 1)}), numbers(2, 2, 6))
