"""Gradients on a device: no stray tensor of the host, and reads that do not grow with every step.

Tensors on `meta` take the place of the device: reading one raises, and autograd runs on it. (FakeTensorMode with `cuda`
needs a torch that is built for CUDA as soon as there is a graph.) The few reads that the loop is allowed are answered
with the numbers of the same run on the host, in which tensors take the place of host arrays, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fieldsolver.gradients import get_gradient
from fieldsolver.methods import get_method
from fieldsolver.stepping import VectorField, integrate, loop, tensor_ops

B, N = 3, 4
Y0 = torch.linspace(-1.0, 1.0, B * N, dtype=torch.float64).reshape(B, N)
RATES = torch.linspace(0.5, 2.0, N, dtype=torch.float64)
SPEEDS = {"fixed": ("rk4", {"dt": 0.03}), "adaptive": ("tsit5", {"rtol": 1e-10, "atol": 1e-12})}
T1 = 1.0
MODES = ("direct", "checkpointed")


def f(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return torch.sin(3 * t)[:, None] - parameters[0] * y**3


class Traffic(TorchDispatchMode):
    """Counts copies to the device, and collects operations on tensors of both sides and those that wait.

    A copy waits for everything before it, unless it is asked not to; CUDA then sets the host's memory aside first.
    """

    WAITS = ("_local_scalar_dense", "item", "nonzero", "equal", "is_nonzero", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.uploads, self.waiting_uploads, self.mixed, self.waits = 0, 0, [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).split(".")[1]
        result = function(*args, **(kwargs or {}))
        tensors = [x for x in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        on_device = [x for x in tensors if x.device.type == "meta"]
        if name in self.WAITS and on_device:
            self.waits.append(name)
        if name in ("_to_copy", "copy_"):
            uploaded = isinstance(result, Tensor) and result.is_meta and any(not x.is_meta for x in tensors)
            self.uploads += uploaded
            self.waiting_uploads += uploaded and not (kwargs or {}).get("non_blocking", False)
        elif on_device and any(not x.is_meta and x.dim() > 0 for x in tensors):  # numbers may be on the host
            self.mixed.append(name)
        return result


class Reads:
    """The allowed reads of a run: recorded on the host, then answered without looking."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[list[tuple[Any, ...]]] = []
        self.count = 0
        self._read = loop._to_host
        self._patch = monkeypatch
        monkeypatch.setattr(loop, "arithmetic_on", lambda device: tensor_ops)
        monkeypatch.setattr(loop, "_to_host", self._record)

    def answer(self) -> None:
        """From now on, answer."""
        self._patch.setattr(loop, "_to_host", self._answer)
        self._patch.setattr(loop, "finite_samples", lambda *tensors: np.ones(len(tensors[0]), dtype=bool))
        self._patch.setattr(loop, "refuse_reused_memory", lambda *rates: None)

    def _record(self, attempts: list[Any]) -> list[Any]:
        seen = self._read(attempts)
        self.answers.append([(a.t, a.t_new, a.dt, a.accepted, a.failed) for a in seen])
        return seen

    def _answer(self, attempts: list[Any]) -> list[Any]:
        numbers = self.answers[self.count]
        self.count += 1
        return [
            replace(attempt, t=t, t_new=t_new, dt=dt, accepted=accepted, failed=failed)
            for attempt, (t, t_new, dt, accepted, failed) in zip(attempts, numbers, strict=True)
        ]


def host_run(mode: str, speed: str, save_at: Tensor) -> int:
    """Make the reads of a run; returns the number of attempts."""
    name, options = SPEEDS[speed]
    method, field = get_method(name), VectorField(f, (RATES,))
    found = integrate(field, method, Y0, 0.0, T1, save_at=save_at, **options)
    if mode == "direct" and speed == "adaptive":  # the search, then the accepted steps with a graph
        integrate(field, method, Y0, 0.0, T1, save_at=save_at, replay=found.steps)
    return int((found.stats.accepted + found.stats.rejected).max())


Run = tuple[Reads, list[Traffic], int]
RUNS: dict[Any, Run] = {}
"""By mode, speed and function, because operations on `meta` are slow."""


@pytest.fixture
def device_run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    def run(mode: str, speed: str, function: Callable = f) -> Run:
        if (mode, speed, function) in RUNS:
            return RUNS[mode, speed, function]
        save_at = torch.linspace(0.0, T1, 5, dtype=torch.float64)
        reads = Reads(monkeypatch)
        attempts = host_run(mode, speed, save_at)
        reads.answer()
        name, options = SPEEDS[speed]
        y0, rates = (x.to("meta").requires_grad_() for x in (Y0, RATES))
        with Traffic() as forward:
            trajectory = get_gradient(mode).solve(
                VectorField(function, (rates,)), get_method(name), y0, 0.0, T1, save_at=save_at, **options
            )
        assert trajectory.saved.is_meta
        with Traffic() as backward:
            found = torch.autograd.grad(trajectory.saved.square().sum(), (y0, rates))
        assert all(gradient.is_meta for gradient in found)
        assert [gradient.shape for gradient in found] == [Y0.shape, RATES.shape]
        RUNS[mode, speed, function] = reads, [forward, backward], attempts
        return RUNS[mode, speed, function]

    return run


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("mode", MODES)
def test_no_stray_tensor_and_one_read_for_a_chunk(mode: str, speed: str, device_run: Callable) -> None:
    reads, traffic, attempts = device_run(mode, speed)
    assert attempts > 2 * loop.CHUNK
    passes = 2 if (mode, speed) == ("direct", "adaptive") else 1
    assert reads.count == len(reads.answers) <= passes * -(-attempts // loop.CHUNK)
    for one in traffic:
        assert not one.mixed
        assert not one.waits


REPEATED = [("direct", "adaptive"), ("checkpointed", "fixed"), ("checkpointed", "adaptive")]


@pytest.mark.parametrize(("mode", "speed"), REPEATED)
def test_no_copy_waits_in_every_step(mode: str, speed: str, device_run: Callable) -> None:
    _, traffic, attempts = device_run(mode, speed)
    for one in traffic:
        assert one.waiting_uploads < attempts / 2


def test_no_copy_waits_in_every_step_of_a_single_pass(device_run: Callable) -> None:
    _, (forward, backward), attempts = device_run("direct", "fixed")
    assert forward.waiting_uploads < attempts / 2
    assert backward.uploads == 0


def test_the_instrument_sees_a_stray_tensor(device_run: Callable) -> None:
    on_the_host = torch.ones(N, dtype=torch.float64)

    def stray(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return f(parameters, t, y) * on_the_host

    with pytest.raises(RuntimeError, match="device cpu is not on the expected device meta"):
        device_run("checkpointed", "fixed", stray)

    def indexed(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        return f(parameters, t, y)[:, torch.arange(N)]  # not refused on any device, and copied at each call

    _, (forward, backward), attempts = device_run("checkpointed", "fixed", indexed)
    assert len(forward.mixed) + forward.uploads > 4 * attempts
    assert len(backward.mixed) + backward.uploads > 4 * attempts


@pytest.mark.parametrize("read", [lambda y: y.sum().item(), lambda y: y.cpu(), lambda y: bool((y > 0).any())])
def test_the_instrument_sees_a_read(read: Callable, device_run: Callable) -> None:
    def reading(parameters: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
        read(y)
        return f(parameters, t, y)

    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        device_run("checkpointed", "fixed", reading)
