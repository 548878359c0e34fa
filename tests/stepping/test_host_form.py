"""Runs on the host without a graph: whatever computes the steps, the outcome is the same."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.gradients import solve_with_gradient
from fieldsolver.methods import METHODS, Step, compiled
from fieldsolver.stepping import Status, Trajectory, VectorField, integrate, loop
from fieldsolver.stepping.adaptive import AdaptiveSteps
from fieldsolver.stepping.controllers import CONTROLLERS, get_controller, start_history
from fieldsolver.stepping.error_norm import error_norm, host_error_norm
from fieldsolver.stepping.targets import Targets

STIFFER = torch.tensor([[1.0], [3.0], [9.0], [27.0]], dtype=torch.float64)


Y0 = torch.tensor([[1.0, 0.5], [0.1, 0.2], [2.0, 0.0], [3.0, 0.1]], dtype=torch.float64)


def pendulums(speed: Tensor = STIFFER) -> VectorField:
    """Samples of very different speed (B, 1): they are rejected and end at different attempts."""
    return VectorField(lambda p, t, y: speed * torch.stack([y[:, 1], -torch.sin(y[:, 0])], 1))


def solve(rows: slice = slice(None), *, fused: bool = True) -> Trajectory:
    times = torch.linspace(0, 6, 7, dtype=torch.float64)
    field, method = pendulums(STIFFER[rows]), METHODS["dopri5"]
    with torch.no_grad():
        return integrate(field, method, Y0[rows], 0.0, 6.0, save_at=times, first_step=1.0, fused=fused)


def assert_same(one: Trajectory, other: Trajectory) -> None:
    for name in ("saved", "y_end", "t_end", "status"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    for name in ("accepted", "rejected", "nfev", "smallest_dt", "largest_dt"):
        assert torch.equal(getattr(one.stats, name), getattr(other.stats, name)), name


def test_compiled_run_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_loaded", None)
    monkeypatch.setattr(loop, "PATIENCE", 10_000)
    by_numpy = solve()
    assert compiled.kernels() is None
    compiled.load_kernels()
    assert_same(by_numpy, solve())
    assert by_numpy.stats.rejected.min() > 0
    assert by_numpy.stats.accepted.unique().numel() == 4


def test_switch_within_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_loaded", None)
    monkeypatch.setattr(loop, "PATIENCE", 10_000)
    plain = solve()
    monkeypatch.setattr(loop, "PATIENCE", 20)
    assert compiled.kernels() is None
    assert_same(plain, solve())
    assert compiled.kernels() is sys.modules["fieldsolver.methods.fused_kernels"]


def test_short_runs_and_runs_with_a_graph_do_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_loaded", None)
    monkeypatch.setattr(loop, "PATIENCE", 10_000)
    solve()
    monkeypatch.setattr(loop, "PATIENCE", 5)
    with torch.no_grad():
        integrate(pendulums(), METHODS["dopri5"], Y0, 0.0, 6.0)
    assert compiled.kernels() is None


def test_agrees_with_torch() -> None:
    """The torch form of the steps, which the modes with gradients use, differs by rounding."""
    host, usual = solve(), solve(fused=False)
    for name in ("accepted", "rejected", "nfev"):
        assert torch.equal(getattr(host.stats, name), getattr(usual.stats, name)), name
    torch.testing.assert_close(host.saved, usual.saved, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(host.y_end, usual.y_end, rtol=1e-11, atol=1e-11)


def test_sample_does_not_notice_the_others() -> None:
    together = solve()
    for i in range(4):
        alone = solve(slice(i, i + 1))
        torch.testing.assert_close(together.saved[:, i], alone.saved[:, 0], rtol=1e-12, atol=1e-12)
        for name in ("accepted", "rejected", "nfev"):
            assert getattr(together.stats, name)[i] == getattr(alone.stats, name)[0], name


def test_mode_without_gradient_takes_this_form() -> None:
    times = torch.linspace(0, 6, 7, dtype=torch.float64)
    options = {"save_at": times, "first_step": 1.0}
    for mode in ("none", "direct"):  # with nothing to differentiate
        found = solve_with_gradient(mode, pendulums(), METHODS["dopri5"], Y0, 0.0, 6.0, **options)
        assert torch.equal(found.saved, solve().saved)
        assert not torch.equal(found.saved, solve(fused=False).saved)


def test_ended_samples_keep_their_state() -> None:
    """Those that arrive early rest while the others go on."""
    found = solve()
    torch.testing.assert_close(found.y_end, found.saved[-1], rtol=0, atol=0)
    assert (found.t_end == 6.0).all()


def make_step(shape: tuple[int, ...], dtype: torch.dtype, coarse: bool) -> Step:
    generator = torch.Generator().manual_seed(2)
    y, y_new, error, other = torch.randn(4, *shape, dtype=dtype, generator=generator)
    times = torch.zeros(shape[0], dtype=torch.float64)
    return Step(times, times, y, y_new, 1e-6 * error, [], (), 1e-5 * other if coarse else None)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (6, 3), (4,), (5, 8), (5, 9), (2, 3, 50)])
def test_norm_forms_agree(
    shape: tuple[int, ...], dtype: torch.dtype, coarse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = make_step(shape, dtype, coarse)
    monkeypatch.setattr(compiled, "_loaded", None)
    by_numpy = host_error_norm(step, 1e-6, 1e-9)
    compiled.load_kernels()
    by_kernels = host_error_norm(step, 1e-6, 1e-9)
    assert by_numpy.dtype == by_kernels.dtype == np.float64
    assert by_numpy.shape == shape[:1]
    assert (by_numpy == by_kernels).all()
    expected = error_norm(step, 1e-6, 1e-9).double().numpy()
    np.testing.assert_allclose(by_numpy, expected, rtol=30 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("loaded", [False, True])
def test_norm_of_steps_that_went_wrong(loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_loaded", None)
    if loaded:
        compiled.load_kernels()
    step = make_step((6, 2), torch.float64, coarse=False)
    assert step.error is not None
    step.y_new[0, 1], step.y_new[1, 0], step.error[2, 0], step.error[3, 1] = math.inf, math.nan, math.nan, math.inf
    step.y[4], step.y_new[4], step.error[4] = 0.0, 0.0, 1.0
    norms = host_error_norm(step, 1e-6, 0.0)
    assert not (norms[:5] <= 1).any()
    assert np.isfinite(norms[5])
    assert np.isnan(norms[:3]).all()
    assert norms[3] == norms[4] == math.inf


@pytest.mark.parametrize("all_move", [True, False])
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_decisions_look_up_what_the_general_ones_compute(controller: str, all_move: bool) -> None:
    """Accepted, rejected, resting and failing samples; the history of a sample that rests is never read again."""
    generator, samples = np.random.default_rng(3), 40
    error = generator.uniform(0.01, 3, samples)
    error[[5, 6]] = np.nan, np.inf
    size, t = 10.0 ** generator.uniform(-4, -1, samples), generator.uniform(0, 1, samples)
    size[[5, 7]] = 1e-17  # too small already
    error[7] = 2.0
    moving = np.ones(samples, dtype=bool) if all_move else generator.random(samples) < 0.7
    moving[[5, 6, 7]] = True
    size[~moving] = 0.0
    found = []
    for general in (True, False):
        control = AdaptiveSteps(Targets(0.0, 1.0), 4, 1e-6, 1e-9, get_controller(controller))
        control.resume(np.full(samples, 0.05), start_history(control.controller, size, np), np)
        control._always_enough = 1e-15
        control.history = control.history._replace(highest_factor=np.where(t < 0.5, 1.0, 4.0))
        with np.errstate(all="ignore"):
            if general:
                accepted, status = control._sort_out(size, error, error <= 1, 5, t)
            else:
                accepted, status = control._sort_out_on_host(size, error, error <= 1, 5, t, all_move)
        assert status is not None
        found.append((accepted, status, control.size, *(h[moving] for h in control.history if h is not None)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(found[0][1]) == {Status.RUNNING, Status.DT_UNDERFLOW, Status.NON_FINITE}
