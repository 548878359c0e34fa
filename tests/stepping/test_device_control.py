"""Control by tensors, as on a device, makes the decisions of control on the host; it waits once per chunk."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS
from fieldsolver.stepping import StepLog, Trajectory, VectorField, integrate, loop, tensor_ops

Y0 = torch.tensor([[0.1], [2.0], [0.5], [0.01], [0.9]], dtype=torch.float64)
TIMES = torch.linspace(0, 1, 7, dtype=torch.float64)


def blow_up(p: tuple, t: Tensor, y: Tensor) -> Tensor:
    return y * y * torch.cos(t / 3)[:, None]


@pytest.fixture
def on_device(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tensors take the place of host arrays; the list collects the sizes of the chunks that are read."""
    reads: list[int] = []
    original = loop._to_host

    def counted(attempts: Any) -> Any:
        reads.append(len(attempts))
        return original(attempts)

    monkeypatch.setattr(loop, "arithmetic_on", lambda device: tensor_ops)
    monkeypatch.setattr(loop, "_to_host", counted)
    return reads


def assert_same(ours: Trajectory, expected: Trajectory) -> None:
    assert torch.equal(ours.status, expected.status)
    tame = expected.saved.abs().amax(dim=(0, 2)) < 10.0  # rounding grows without limit where the solution blows up
    assert tame.sum() >= 3
    assert torch.equal(ours.stats.accepted[tame], expected.stats.accepted[tame])
    assert torch.equal(ours.stats.rejected[tame], expected.stats.rejected[tame])
    torch.testing.assert_close(ours.saved[:, tame], expected.saved[:, tame], rtol=1e-11, atol=0)
    torch.testing.assert_close(ours.t_end, expected.t_end, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("selectable", [False, True])
def test_the_decisions_are_those_of_the_host(name: str, selectable: bool, request: pytest.FixtureRequest) -> None:
    method = METHODS[name]
    options: dict[str, Any] = {"dt": 0.03} if method.error_order is None else {"rtol": 1e-4, "atol": 1e-6}
    field = VectorField(blow_up, (), () if selectable else None)
    host = integrate(field, method, Y0, 0.0, 1.0, save_at=TIMES, **options)
    reads = request.getfixturevalue("on_device")
    device = integrate(field, method, Y0, 0.0, 1.0, save_at=TIMES, **options)
    assert_same(device, host)
    again = integrate(field, method, Y0, 0.0, 1.0, save_at=TIMES, replay=host.steps)
    assert torch.equal(again.status, host.status)
    torch.testing.assert_close(again.saved, host.saved, rtol=1e-12, atol=0, equal_nan=True)
    assert all(size <= loop.CHUNK for size in reads)
    assert max(reads) == loop.CHUNK


def test_one_read_serves_a_chunk_of_attempts(on_device: list[int]) -> None:
    run = integrate(VectorField(lambda p, t, y: torch.cos(t)[:, None] * y), METHODS["tsit5"], Y0, 0.0, 40.0, rtol=1e-8)
    attempts = int((run.stats.accepted + run.stats.rejected).max())
    assert attempts > 100
    assert len(on_device) == -(-attempts // loop.CHUNK)


@pytest.mark.parametrize(
    "options",
    [
        {"land_at": torch.tensor([0.25, 0.5, 0.3])},
        {"restart_at": torch.tensor([0.4])},
        {"dt_max": 0.01},
        {"first_step": 1e-3, "controller": "h211b"},
        {"controller": "pid", "dt_min": 1e-6},
    ],
    ids=lambda options: "+".join(options),
)
def test_options_mean_the_same(options: dict, request: pytest.FixtureRequest) -> None:
    field, y0 = VectorField(lambda p, t, y: torch.sin(3 * t)[:, None] - y), Y0
    host = integrate(field, METHODS["dopri5"], y0, 0.0, 1.0, save_at=TIMES, **options)
    request.getfixturevalue("on_device")
    assert_same(integrate(field, METHODS["dopri5"], y0, 0.0, 1.0, save_at=TIMES, **options), host)


def test_max_steps_is_exact_within_a_chunk(on_device: list[int]) -> None:
    run = integrate(VectorField(lambda p, t, y: -y), METHODS["tsit5"], Y0, 0.0, 100.0, max_steps=21)
    assert (run.stats.accepted + run.stats.rejected).tolist() == [21] * 5


def test_a_callback_sees_every_attempt(on_device: list[int]) -> None:
    seen: list[float] = []
    run = integrate(
        VectorField(lambda p, t, y: -y), METHODS["tsit5"], Y0[:1], 0.0, 3.0, callback=lambda t, y: seen.append(t.item())
    )
    assert len(seen) == run.stats.accepted.item()
    assert set(on_device) == {1}


def test_a_log_of_another_batch_is_refused() -> None:
    log = StepLog([], [], torch.zeros(2), torch.ones(2))
    with pytest.raises(OptionError, match="replay has 2 samples, y0 has 5"):
        integrate(VectorField(blow_up), METHODS["tsit5"], Y0, 0.0, 1.0, replay=log)
