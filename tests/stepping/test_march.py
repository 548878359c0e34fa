"""`march`: the loop's fixed steps as a pure function, to the last bit; nothing looks at a number."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._dynamo.testing import CompileCounter
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import fieldsolver as fs
from fieldsolver.methods import METHODS
from fieldsolver.stepping import VectorField, integrate
from fieldsolver.stepping.march import cannot_be_read, march
from fieldsolver.stepping.timetable import Timetable

FIXED = [name for name in METHODS if METHODS[name].fixed_steps]
A = torch.tensor([[-0.3, 1.0, 0.2], [-1.1, -0.2, 0.4], [0.1, 0.3, -0.5]], dtype=torch.float64)


def rate(parameters, t, y):
    return torch.tanh(y @ parameters[0]) * torch.cos(3 * t).to(y.dtype).unsqueeze(-1) - y


def states(samples=4, dtype=torch.float64):
    return torch.randn(samples, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(dtype)


FIELD = VectorField(rate, (A,), (False,))


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("span", [(0.0, 1.0, 0.1), (0.0, 1.0, 0.03), (1.0, -2.0, 0.07), (0.1, 0.35, 0.4)])
def test_the_numbers_are_those_of_the_loop_bit_by_bit(name, span):
    t0, t1, dt = span
    times = torch.linspace(t0, t1, 7, dtype=torch.float64)
    run = integrate(FIELD, METHODS[name], states(), t0, t1, dt=dt, save_at=times)
    y_end, saved = march(FIELD, METHODS[name], states(), Timetable.of(t0, t1, dt, times))
    assert torch.equal(y_end, run.y_end)
    assert torch.equal(saved, run.saved)


@given(
    t0=st.floats(-1e3, 1e3), length=st.floats(1e-3, 5.0), fraction=st.floats(0.02, 1.5), backward=st.booleans(),
    places=st.lists(st.floats(0.0, 1.0), max_size=4),
)  # fmt: skip
def test_the_timetable_is_that_of_the_loop(t0, length, fraction, backward, places):
    t1 = t0 - length if backward else t0 + length
    times = torch.tensor(sorted(min(max(t0 + p * (t1 - t0), min(t0, t1)), max(t0, t1)) for p in places))
    times = (times.flip(0) if backward else times).to(torch.float64).clamp(min(t0, t1), max(t0, t1))
    clock = VectorField(lambda _, t, y: torch.cos(t).unsqueeze(-1) + 0 * y)
    method, y0 = METHODS["tsit5"], torch.zeros(1, 1, dtype=torch.float64)
    run = integrate(clock, method, y0, t0, t1, dt=fraction * length, save_at=times)
    table = Timetable.of(t0, t1, fraction * length, times)
    y_end, saved = march(clock, method, y0, table)
    assert len(table) == int(run.stats.accepted[0])
    assert torch.equal(y_end, run.y_end)
    # The loop interpolates all save points of a step in one matrix product, whose rounding depends on their number.
    torch.testing.assert_close(saved, run.saved, rtol=1e-12, atol=1e-14)


def test_gradients_are_those_of_the_loop():
    y0, weights = states().requires_grad_(), A.clone().requires_grad_()
    field, times = VectorField(rate, (weights,)), torch.linspace(0.0, 1.0, 4, dtype=torch.float64)
    run = integrate(field, METHODS["bosh3"], y0, 0.0, 1.0, dt=0.15, save_at=times)
    _, saved = march(field, METHODS["bosh3"], y0, Timetable.of(0.0, 1.0, 0.15, times))
    for ours, theirs in zip(
        *(torch.autograd.grad(s.square().sum(), (y0, weights)) for s in (saved, run.saved)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=1e-15)


def test_no_time_no_steps():
    y_end, saved = march(FIELD, METHODS["rk4"], states(), Timetable.of(2.0, 2.0, 0.1, torch.tensor([2.0, 2.0])))
    assert torch.equal(y_end, states())
    assert saved.shape == (2, 4, 3)


@pytest.mark.parametrize("name", ["euler", "rk4", "tsit5", "ssprk104", "ab2", "ab3", "ab4"])
def test_transforms_of_torch_func_go_through(name):
    table = Timetable.of(0.0, 0.6, 0.2)

    def end(weights, y):
        return march(VectorField(rate, (weights,)), METHODS[name], y, table)[0]

    y0, many = states(), torch.stack([A, 0.5 * A, -A])
    expected = torch.stack([end(weights, y0) for weights in many])
    torch.testing.assert_close(torch.func.vmap(end, (0, None))(many, y0), expected, rtol=1e-13, atol=1e-14)
    one = torch.func.vmap(lambda y: end(A, y.unsqueeze(0))[0])(y0)
    torch.testing.assert_close(one, expected[0], rtol=1e-13, atol=1e-14)
    tangent = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    _, forward = torch.func.jvp(lambda w: end(w, y0), (A,), (tangent,))
    pulled = torch.func.grad(lambda w: end(w, y0).square().sum())(A)
    torch.testing.assert_close((2 * expected[0] * forward).sum(), (pulled * tangent).sum(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["rk4", "tsit5", "ab3"])
def test_one_graph_whatever_the_numbers_and_the_batch(name):
    torch.compiler.reset()
    counter = CompileCounter()
    times = torch.tensor([0.1, 0.4], dtype=torch.float64)
    table = Timetable.of(0.0, 0.4, 0.2, times)

    def end(weights, y):
        return march(VectorField(rate, (weights,)), METHODS[name], y, table)

    compiled = torch.compile(end, fullgraph=True, backend=counter)
    for samples, scale in ((4, 1.0), (4, 0.5), (7, -1.0), (5, 0.1), (9, 0.3)):
        y0 = states(samples)
        run = integrate(VectorField(rate, (scale * A,)), METHODS[name], y0, 0.0, 0.4, dt=0.2, save_at=times)
        for ours, theirs in zip(compiled(scale * A, y0), (run.y_end, run.saved), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-14)
    assert counter.frame_count == 2  # for batches of 4, and then for all


class Watch(TorchDispatchMode):
    """Collects operations that wait for the device, or that take a tensor of the host to it."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = [
            leaf for leaf in torch.utils._pytree.tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)
        ]
        waits = any(word in str(function) for word in ("item", "_local_scalar_dense", "nonzero"))
        if waits or any(tensor.device.type == "cpu" for tensor in tensors):
            self.found.append(str(function))
        return result


TABLE = Timetable.of(0.0, 1.0, 0.3, torch.linspace(0.0, 1.0, 5, dtype=torch.float64))


@pytest.mark.parametrize("name", ["rk4", "tsit5", "dop853", "ab3"])
def test_forward_stays_on_a_fake_gpu(name):
    with FakeTensorMode(allow_non_fake_inputs=True):
        y0, weights = torch.empty(4, 3, device="cuda"), torch.empty(3, 3, device="cuda")
        y_end, saved = march(VectorField(rate, (weights,)), METHODS[name], y0, TABLE)  # reading a value would raise
    assert {tensor.device.type for tensor in (y_end, saved)} == {"cuda"}


@pytest.mark.parametrize("name", ["rk4", "tsit5", "dop853", "ab3"])
def test_neither_forward_nor_backward_touches_the_host(name):
    """On shapes alone: without CUDA nothing on a fake GPU can record a graph."""
    y0 = torch.empty(4, 3, device="meta", requires_grad=True)
    weights = torch.empty(3, 3, device="meta", requires_grad=True)
    march(VectorField(rate, (weights,)), METHODS[name], y0, TABLE)  # constants of the method travel once
    with Watch() as watch:
        y_end, saved = march(VectorField(rate, (weights,)), METHODS[name], y0, TABLE)
        gradients = torch.autograd.grad(y_end.sum() + saved.sum(), (y0, weights))
    assert {tensor.device.type for tensor in gradients} == {"meta"}
    assert not watch.found


def test_the_watch_sees_what_it_should():
    y0 = torch.empty(4, 3, device="meta")
    with Watch() as watch:
        march(lambda t, y: -y * torch.tensor(2.0), METHODS["euler"], y0, Timetable.of(0.0, 0.1, 0.1))
    assert watch.found


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["rk4", "tsit5"])
def test_a_cuda_graph_of_the_whole_run(name):
    table = Timetable.of(0.0, 1.0, 0.1)
    field, y0 = VectorField(rate, (A.cuda(),)), states().cuda()
    warm = torch.cuda.Stream()
    with torch.cuda.stream(warm):
        march(field, METHODS[name], y0, table)
    torch.cuda.current_stream().wait_stream(warm)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y_end, _ = march(field, METHODS[name], y0, table)
    y0.copy_(2 * states())
    graph.replay()
    expected = integrate(field, METHODS[name], 2 * states().cuda(), 0.0, 1.0, dt=0.1).y_end
    torch.testing.assert_close(y_end, expected, rtol=1e-12, atol=1e-13)


def test_what_overflows_shows():
    bad = states(2)
    bad[1] *= 1e200
    y_end, _ = march(lambda t, y: y**3, METHODS["rk4"], bad, Timetable.of(0.0, 0.4, 0.1))
    assert torch.isfinite(y_end[0]).all()
    assert not torch.isfinite(y_end[1]).any()


def test_who_may_look():
    assert not cannot_be_read(states())
    seen = []
    torch.func.vmap(lambda y: (seen.append(cannot_be_read(y)), y)[1])(states())
    assert seen == [True]


def test_save_points_outside_are_refused():
    with pytest.raises(fs.OptionError, match="leaves the time span"):
        Timetable.of(0.0, 1.0, 0.1, torch.tensor([2.0]))
