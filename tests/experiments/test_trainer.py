"""The trainer: exact resumption, guarded files, a loss that is not finite, early stopping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.experiments.options import Interrupted
from fieldsolver.experiments.training import (
    CHECKPOINT,
    LOG,
    Measured,
    NotSaved,
    Task,
    TrainingFailed,
    TrainSettings,
    learning_rate,
    train,
)
from fieldsolver.tensor_files import read_tensors

X = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]])
SETTINGS = TrainSettings(epochs=4, batch=8, learning_rate=0.05, seed=3)


def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))


def loss(network: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
    noise = 0.1 * torch.randn(len(indices), 3, generator=generator)
    return Measured((network(X[indices] + noise) - Y[indices]).square().mean())


TASK = Task(len(X), loss, lambda network: {"accuracy": -float((network(X) - Y).square().mean())})


def stopping(after: int) -> Task:
    """A task whose user presses Ctrl-C in step `after`."""
    seen = 0

    def stopped(network: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        nonlocal seen
        seen += 1
        if seen > after:
            raise KeyboardInterrupt
        return loss(network, indices, generator)

    return Task(len(X), stopped, TASK.evaluate)


def repeatable(row: dict[str, float]) -> list[tuple[str, float]]:
    """Of a row of the log what the machine has no say in, in its order."""
    return [(name, value) for name, value in row.items() if name not in ("seconds", "peak_memory_mb")]


@pytest.mark.parametrize("after", [4, 7, 11])  # the start, the middle, the end of an epoch of 4 steps
def test_interrupted_and_resumed_is_bitwise_the_same(tmp_path: Path, after: int) -> None:
    whole, broken = model(), model()
    history = train(whole, TASK, SETTINGS, tmp_path / "whole").history
    with pytest.raises(
        Interrupted, match=f"holds epoch {after // 4} of 4; continue with the same command and --resume"
    ):
        train(broken, stopping(after), SETTINGS, tmp_path / "broken")
    fresh = model()
    torch.rand(17)  # whatever happened in between
    again = train(fresh, TASK, SETTINGS, tmp_path / "broken", resume=True).history
    for name, value in whole.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name])
    assert [repeatable(row) for row in again] == [repeatable(row) for row in history]
    assert (tmp_path / "broken" / LOG).read_text().count("\n") == 5


def test_interrupted_before_the_first_epoch(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="nothing is saved yet; continue with the same"):
        train(model(), stopping(1), SETTINGS, tmp_path)


def test_a_finished_run_is_only_loaded(tmp_path: Path) -> None:
    first, second = model(), model()
    train(first, TASK, SETTINGS, tmp_path)
    train(second, stopping(0), SETTINGS, tmp_path, resume=True)
    assert torch.equal(first.state_dict()["0.weight"], second.state_dict()["0.weight"])


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    train(model(), TASK, SETTINGS, tmp_path)
    other = TrainSettings(epochs=5, batch=8, learning_rate=0.05, seed=3)
    with pytest.raises(
        fs.FileFormatError, match="is of a run with epochs = 4, but now epochs = 5; resume with the same"
    ):
        train(model(), TASK, other, tmp_path, resume=True)
    with pytest.raises(fs.FileFormatError, match="does not fit this model"):
        train(nn.Linear(3, 1), TASK, SETTINGS, tmp_path, resume=True)


@pytest.mark.parametrize("damage", [lambda raw: raw[:100], lambda raw: b"", lambda raw: b"\x80\x04" + raw[2:]])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    train(model(), TASK, SETTINGS, tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(fs.FileFormatError, match="is not a complete safetensors file"):
        train(model(), TASK, SETTINGS, tmp_path, resume=True)


def test_a_crash_while_saving_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = TrainSettings(epochs=4, batch=8, learning_rate=0.05, seed=3)
    with pytest.raises(Interrupted):
        train(model(), stopping(4), short, tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full_disk(tensors: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full_disk)
    with pytest.raises(NotSaved, match="No space left on device; the one before is as it was; make room and"):
        train(model(), TASK, short, tmp_path, resume=True)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT, LOG]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, bad: float) -> None:
    def broken(network: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        return Measured(loss(network, indices, generator).loss * bad)

    network = model()
    before = network.state_dict()["0.weight"].clone()
    with pytest.raises(TrainingFailed, match=r"in epoch 1 the loss is (nan|inf).*lower the learning rate"):
        train(network, Task(len(X), broken), SETTINGS, tmp_path)
    assert torch.equal(network.state_dict()["0.weight"], before)


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    def broken(network: nn.Module, indices: Tensor, generator: torch.Generator) -> Measured:
        return Measured((network(X[indices]) * 0).abs().sqrt().mean())  # value 0, slope infinite

    with pytest.raises(TrainingFailed, match=r"norm of its gradient (nan|inf)"):
        train(model(), Task(len(X), broken), SETTINGS, tmp_path)


def test_early_stopping(tmp_path: Path) -> None:
    flat = Task(len(X), loss, lambda network: {"accuracy": 0.5})
    settings = TrainSettings(epochs=9, batch=30, learning_rate=0.01, patience=2)
    assert len(train(model(), flat, settings, tmp_path).history) == 3


def test_the_learning_rate_rises_and_falls() -> None:
    settings = TrainSettings(epochs=1, batch=1, learning_rate=2.0, warmup=0.1)
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert rates.index(max(rates)) == 9
    assert max(rates) == pytest.approx(2.0, rel=0.03)
    assert rates[0] == pytest.approx(0.2)
    assert rates[-1] < 0.001


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(fs.OptionError, match="must be positive"):
        TrainSettings(epochs=0, batch=8, learning_rate=0.1)


def test_checkpoints_carry_no_pickle(tmp_path: Path) -> None:
    train(model(), TASK, SETTINGS, tmp_path)
    tensors, header = read_tensors(tmp_path / CHECKPOINT, key="fieldsolver_checkpoint", schema=2, what="checkpoint")
    assert header["epoch"] == 4
    assert {"rng.order", "rng.torch.0", "model.0.weight", "optimiser.0.0.exp_avg"} <= tensors.keys()
