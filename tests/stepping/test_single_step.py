"""One step as a pure function of tensors: the loop's numbers, no host read, compiled once."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from fieldsolver.methods import METHODS, ReversibleMethod
from fieldsolver.stepping import Status, VectorField, integrate
from fieldsolver.stepping.controllers import get_controller
from fieldsolver.stepping.single_step import Numbers, Scheme, attempt, begin

Y0 = torch.tensor([[1.0, 1.0, 1.0], [-3.0, 2.0, 20.0]], dtype=torch.float64)


def lorenz(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    x, v, z = y.unbind(-1)
    return torch.stack([p[0] * (v - x), x * (28 - z) - v, x * v - 8 / 3 * z], -1)


def scheme(name: str, direction: float = 1.0) -> Scheme:
    method = METHODS[name]
    law = None if method.error_order is None else get_controller("pi")
    return Scheme(VectorField(lorenz, (torch.tensor(10.0, dtype=torch.float64),)), method, law, direction)


def start(which: Scheme, y0: Tensor = Y0, t_end: float = 1.0) -> Numbers:
    k1 = which.field(torch.zeros(len(y0), dtype=torch.float64), y0)
    first = 0.01 if which.controller is None else None
    return begin(which, 0.0, y0, k1, t_end=t_end, rtol=1e-4, atol=1e-7, first_step=first)


def on_the_way(now: Numbers) -> bool:
    return bool(((now.t != now.t_end) & (now.status == Status.RUNNING)).any())


@pytest.mark.parametrize("name", METHODS)
def test_it_makes_the_steps_of_the_loop(name: str) -> None:
    which = scheme(name)
    end = 0.1 if isinstance(which.method, ReversibleMethod) else 1.0  # their errors grow where the system contracts
    now = start(which, t_end=end)
    while on_the_way(now):
        now, _ = attempt(which, now)
    options = {"rtol": 1e-4, "atol": 1e-7} if which.controller else {"dt": 0.01}
    run = integrate(which.field, which.method, Y0, 0.0, end, **options)
    assert torch.equal(now.accepted, run.stats.accepted)
    assert torch.equal(now.rejected, run.stats.rejected)
    torch.testing.assert_close(now.y, run.y_end, rtol=1e-10, atol=0)


def test_a_sample_that_has_arrived_or_failed_stays_where_it_is() -> None:
    field = VectorField(lambda p, t, y: y * y)
    which = Scheme(field, METHODS["tsit5"], get_controller("pi"), 1.0)
    y0 = torch.tensor([[0.1], [1.0]], dtype=torch.float64)
    now = begin(which, 0.0, y0, y0 * y0, t_end=2.0, rtol=1e-6, atol=1e-9)
    while on_the_way(now):
        now, _ = attempt(which, now)
    assert now.status.tolist() in ([0, Status.DT_UNDERFLOW], [0, Status.NON_FINITE])
    assert now.t[0].item() == 2.0
    assert now.t[1].item() == pytest.approx(1.0, abs=1e-4)
    assert now.y[0].item() == pytest.approx(0.1 / (1 - 0.2), rel=1e-5)
    later, _ = attempt(which, now)
    assert torch.equal(later.y, now.y)
    assert torch.equal(later.t, now.t)


@pytest.mark.parametrize("name", ["tsit5", "rk4", pytest.param("dop853", marks=pytest.mark.slow)])
def test_it_compiles_whole_and_once(name: str) -> None:
    which = scheme(name)
    torch._dynamo.reset()
    compiled = torch.compile(attempt, fullgraph=True, backend="aot_eager")
    now, same = start(which), start(which)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for number in range(6):
            (now, _), (same, _) = compiled(which, now), attempt(which, same)
            torch.testing.assert_close(now.y, same.y, rtol=1e-13, atol=0)
            if number == 2:
                now, same = (
                    state._replace(
                        rtol=state.rtol * 10, atol=state.atol * 3, size=state.size / 2, t_end=state.t_end + 1.0,
                        dt_max=state.dt_max / 2, parameters=(torch.tensor(9.0, dtype=torch.float64),),
                    )
                    for state in (now, same)
                )  # fmt: skip
    assert not torch.equal(now.t, torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("name", ["tsit5", "dop853", "ssprk43", "rk4", "ab4", "abm"])
def test_nothing_is_read_from_the_device(name: str) -> None:
    which = scheme(name)
    real = start(which)
    with FakeTensorMode(allow_non_fake_inputs=True):

        def on_device(value: Tensor) -> Tensor:
            return torch.empty(value.shape, dtype=value.dtype, device="cuda")

        now = torch.utils._pytree.tree_map_only(Tensor, on_device, real)
        field = VectorField(lorenz, now.parameters)
        faked = Scheme(field, which.method, which.controller, which.direction)
        for _ in range(3):  # reading a value of a fake tensor raises
            now, step = attempt(faked, now)
    tensors = [leaf for leaf in torch.utils._pytree.tree_leaves(now) if isinstance(leaf, Tensor)]
    assert {tensor.device.type for tensor in tensors} == {"cuda"}
    assert step.y_new.device.type == "cuda"


def test_steps_may_go_backwards() -> None:
    which = scheme("tsit5", -1.0)
    now = start(which, t_end=-0.05)
    while on_the_way(now):
        now, _ = attempt(which, now)
    run = integrate(which.field, which.method, Y0, 0.0, -0.05, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(now.y, run.y_end, rtol=1e-10, atol=0)
    assert math.isfinite(now.y.sum().item())
