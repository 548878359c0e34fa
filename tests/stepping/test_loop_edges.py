"""What surrounds the loop: checks of the field, callbacks, progress, host reads, the controller's arithmetic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fieldsolver.errors import OptionError, StateError
from fieldsolver.methods import Step, get_method
from fieldsolver.stepping import Status, VectorField, check_vector_field, integrate
from fieldsolver.stepping.adaptive import AdaptiveSteps
from fieldsolver.stepping.batch import Batch, Rest
from fieldsolver.stepping.controllers import get_controller
from fieldsolver.stepping.error_norm import error_norm
from fieldsolver.stepping.targets import Targets

TSIT5 = get_method("tsit5")
ONE = torch.ones(2, 3, dtype=torch.float64)


def decay(p: tuple, t: Tensor, y: Tensor) -> Tensor:
    return -y


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda p, t, y: y[:, :2], r"returned shape \(2, 2\), expected that of y, \(2, 3\)"),
        (lambda p, t, y: y.float(), r"returned dtype torch.float32.*t.to\(y.dtype\)"),
        (lambda p, t, y: [y], "returned list, expected a tensor"),
        (lambda p, t, y: y / 0, r"f\(0.0, y0\) is not finite"),
    ],
)
def test_a_field_that_is_no_derivative_is_refused(function: Any, message: str) -> None:
    with pytest.raises(StateError, match=message):
        check_vector_field(VectorField(function), 0.0, ONE)


@pytest.mark.parametrize(
    ("y0", "message"),
    [
        (torch.ones(2, 3, dtype=torch.int64), r"y0 has shape \(2, 3\) and dtype torch.int64"),
        (torch.tensor(1.0), r"expected \(B, \*state\)"),
        (torch.full((1, 1), math.nan), "y0 is not finite"),
    ],
)
def test_an_impossible_state_is_refused(y0: Tensor, message: str) -> None:
    with pytest.raises(StateError, match=message):
        check_vector_field(VectorField(decay), 0.0, y0)


def test_the_loop_checks_shapes_too() -> None:
    with pytest.raises(StateError, match="shape"):
        integrate(VectorField(lambda p, t, y: y[:1]), TSIT5, ONE, 0.0, 1.0)


def test_per_sample_flags_must_match_the_parameters() -> None:
    with pytest.raises(OptionError, match="per_sample has 2 entries for 1 parameters"):
        VectorField(decay, (ONE,), (True, False))


def test_selecting_samples_selects_their_parameters() -> None:
    field = VectorField(decay, (ONE[:, 0] * torch.arange(2), ONE), (True, False)).select(torch.tensor([1]))
    assert field.parameters[0].tolist() == [1.0]
    assert field.parameters[1] is ONE


def test_callback_and_progress_see_every_accepted_step() -> None:
    seen, progress = [], []
    trajectory = integrate(
        VectorField(decay, (), ()), TSIT5, ONE, 0.0, 1.0,
        callback=lambda t, y: seen.append((t.clone(), y)), progress=progress.append,
    )  # fmt: skip
    assert len(seen) == trajectory.stats.accepted.max().item()
    assert torch.equal(seen[-1][1], trajectory.y_end)
    assert seen[-1][0].tolist() == [1.0, 1.0]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


class HostReads(TorchDispatchMode):
    """Counts the operations that make the host wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("options", [{"dt": 0.01}, {}], ids=["fixed", "adaptive"])
def test_at_most_one_scalar_is_read_per_step(options: dict) -> None:
    with HostReads() as reads:
        trajectory = integrate(VectorField(decay), TSIT5, ONE, 0.0, 1.0, **options)
    attempts = int((trajectory.stats.accepted + trajectory.stats.rejected).max())
    assert reads.count <= attempts * ("dt" in options) + 4  # the adaptive loop reads arrays of norms, never scalars


def test_every_status_has_a_sentence_with_a_remedy() -> None:
    assert all(status.sentence.endswith(".") for status in Status)
    assert all(";" in status.sentence for status in Status if status > Status.SUCCESS)


def test_the_step_after_a_rejection_does_not_grow() -> None:
    control = AdaptiveSteps(Targets(0.0, 10.0), 4, 0.0, 1e-3, get_controller("pi"))
    y = torch.ones(1, 1, dtype=torch.float64)
    batch = Batch(VectorField(decay), np.zeros(1, dtype=int), np.zeros(1), y, (), Rest(0.0, y, -y), np)
    control.begin(batch, np.ones(1))
    sizes = []
    for error in (0.1, 1e-6, 1e-6):  # rejected, accepted, accepted
        dt, _ = control.propose(batch)
        step = torch.from_numpy(dt)
        control.judge(Step(torch.zeros_like(step), step, y, y, torch.full_like(y, error), [y]), batch, dt)
        sizes.append(float(control.size))
    assert sizes[0] < 1.0
    assert sizes[1] == sizes[0]
    assert sizes[2] > sizes[1]


def test_the_error_norm_is_a_scaled_rms() -> None:
    y = torch.tensor([[3.0 + 4.0j, 0.0], [0.0, 0.0]], dtype=torch.complex128)
    y_new = torch.tensor([[0.0, 2.0j], [1.0, 1.0]], dtype=torch.complex128)
    error = torch.tensor([[0.6j, 0.4], [math.nan, 0.0]], dtype=torch.complex128)
    norm = error_norm(_attempted(y, y_new, error), 0.1, 0.1)
    scaled = torch.tensor([0.6 / (0.1 + 0.5), 0.4 / (0.1 + 0.2)], dtype=torch.float64)
    assert norm[0].item() == pytest.approx(scaled.square().mean().sqrt().item())
    assert math.isnan(norm[1].item())
    one = torch.ones(1, 1)
    assert math.isnan(error_norm(_attempted(one, torch.full((1, 1), math.inf), one), 0.1, 0.1).item())


def _attempted(y: Tensor, y_new: Tensor, error: Tensor) -> Step:
    return Step(torch.zeros(len(y)), torch.ones(len(y)), y, y_new, error, [y])


def test_an_empty_batch_is_no_problem() -> None:
    times = torch.linspace(0, 1, 3, dtype=torch.float64)
    trajectory = integrate(VectorField(decay), TSIT5, ONE[:0], 0.0, 1.0, save_at=times)
    assert trajectory.saved.shape == (3, 0, 3)
    assert len(trajectory.steps) == 0
