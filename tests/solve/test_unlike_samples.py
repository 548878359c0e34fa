"""One batch of mild, failing, blowing-up and stiff samples: each gets what it gets alone."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.methods import METHODS, ReversibleMethod, adaptive_methods
from fieldsolver.solve import Solution

KINDS = ("mild", "fails", "blows up", "stiff", "at rest", "fast")
STABLE = [name for name in adaptive_methods() if not isinstance(METHODS[name], ReversibleMethod)]
"""The stiff sample is too much for reversible methods, whose errors grow where it decays."""
OUTCOMES = {
    "mild": fs.Status.SUCCESS,
    "fails": fs.Status.NON_FINITE,
    "blows up": fs.Status.DT_UNDERFLOW,
    "stiff": fs.Status.SUCCESS,
    "at rest": fs.Status.SUCCESS,
    "fast": fs.Status.SUCCESS,
}
TIMES = torch.linspace(0, 1.2, 6, dtype=torch.float64)


def unlike(t: Tensor, y: Tensor) -> Tensor:
    """The last entry of a sample says, and never changes, which equation the two others obey."""
    u, v, kind = y.split(1, -1)
    rates = {
        "mild": (v, -u),
        "fails": (torch.where(t > 0.7, math.nan, 1.0) * v, -u),
        "blows up": (u * u, 0 * v),  # 1/(1 - t)
        "stiff": (-200 * (u - torch.cos(t)), -v),
        "at rest": (0 * u, 0 * v),
        "fast": (15 * v * torch.cos(3 * t), -15 * u),
    }
    du = sum(torch.where(kind == i, rates[name][0], 0) for i, name in enumerate(KINDS))
    dv = sum(torch.where(kind == i, rates[name][1], 0) for i, name in enumerate(KINDS))
    return torch.cat((du, dv, 0 * kind), -1)


def starts(kinds: list[str], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor([[1.0, 0.5, KINDS.index(kind)] for kind in kinds], dtype=dtype)


def run(y0: Tensor, method: str, **options: object) -> Solution:
    order = METHODS[method].order
    tolerance = 1e-3 if order <= 2 else 1e-4 if order == 3 or y0.dtype == torch.float32 else 1e-6
    given = {"save_at": TIMES, "rtol": tolerance, "atol": tolerance / 10, "max_steps": 20_000, **options}
    with pytest.warns(fs.FieldSolverWarning) if y0[:, -1].eq(1).any() or y0[:, -1].eq(2).any() else _quiet():
        return fs.solve(
            unlike, y0, t_span=(0, 1.2), method=method, batch_dims=1, gradient="none", on_failure="keep", **given
        )


@functools.cache
def everyone(method: str, dtype: torch.dtype = torch.float64) -> Solution:
    """One sample of each kind."""
    return run(starts(list(KINDS), dtype), method)


class _quiet:  # noqa: N801 (stands where pytest.warns stands)
    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None: ...


def assert_same(one: Solution, i: int, other: Solution, j: int, rtol: float) -> None:
    """Relative to the largest value of the sample: an oscillation passes through zero."""
    size = float(other.y[:, j].nan_to_num().abs().max())
    torch.testing.assert_close(one.y[:, i], other.y[:, j], rtol=rtol, atol=rtol * size, equal_nan=True)
    assert one.status[i] == other.status[j]
    if one.status[i] != fs.Status.SUCCESS:  # the last steps before a wall or a pole depend on every bit
        torch.testing.assert_close(one.t_end[i], other.t_end[j], rtol=1e3 * rtol, atol=0)
    elif one.y.dtype == torch.float64:
        for name in ("accepted", "rejected", "nfev"):
            assert getattr(one.stats, name)[i] == getattr(other.stats, name)[j], name


@pytest.mark.parametrize(
    ("method", "dtype", "rtol"),
    [
        *((method, torch.float64, 1e-12) for method in STABLE),
        *((method, torch.float32, 1e-5) for method in ("tsit5", "dop853")),
    ],
)
def test_each_sample_gets_what_it_gets_alone(method: str, dtype: torch.dtype, rtol: float) -> None:
    together = everyone(method, dtype)
    outcomes = {kind: fs.Status(s) for kind, s in zip(KINDS, together.status.tolist(), strict=True)}
    if dtype == torch.float32 and outcomes["blows up"] == fs.Status.NON_FINITE:
        outcomes["blows up"] = fs.Status.DT_UNDERFLOW  # single precision may overflow before the steps are too small
    assert outcomes == OUTCOMES
    for i, kind in enumerate(KINDS):
        assert_same(together, i, run(starts([kind], dtype), method), 0, rtol)


@pytest.mark.parametrize("method", STABLE)
def test_the_blow_up_ends_near_its_pole_and_the_failure_where_it_fails(method: str) -> None:
    solution = everyone(method)
    beyond = 0.02 if method == "ab2" else 2e-3  # it sees of the pole what the past steps have seen of it
    assert solution.t_end[KINDS.index("blows up")].item() == pytest.approx(1.0, abs=beyond)
    crude = METHODS[method].order <= 3  # a long step may end beyond the wall that none of its stages has seen
    assert solution.t_end[KINDS.index("fails")].item() == pytest.approx(0.7, abs=0.05 if crude else 1e-6)
    assert solution.t_end[KINDS.index("mild")].item() == 1.2
    exact = torch.stack((torch.cos(TIMES) + 0.5 * torch.sin(TIMES), 0.5 * torch.cos(TIMES) - torch.sin(TIMES)), -1)
    torch.testing.assert_close(solution.y[:, KINDS.index("mild"), :2], exact, rtol=0, atol=5e-3)
    reached = TIMES < 0.99
    pole = solution.y[reached, KINDS.index("blows up"), 0]
    relative = 0.3 if method == "ab2" else 0.1 if crude else 5e-3
    torch.testing.assert_close(pole, 1 / (1 - TIMES[reached]), rtol=relative, atol=0)
    assert solution.y[~reached, KINDS.index("blows up")].isnan().all()


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_the_order_and_the_size_of_the_batch_change_nothing(method: str) -> None:
    kinds = [KINDS[i % len(KINDS)] for i in range(13)]
    order = torch.randperm(13, generator=torch.Generator().manual_seed(3)).tolist()
    base, shuffled = run(starts(kinds), method), run(starts([kinds[i] for i in order]), method)
    small = run(starts(kinds[:4]), method)
    for place, i in enumerate(order):
        assert_same(shuffled, place, base, i, 1e-12)
    for i in range(4):
        assert_same(small, i, base, i, 1e-12)


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_save_points_and_dense_output_change_nothing(method: str) -> None:
    base = everyone(method)
    many = run(starts(list(KINDS)), method, save_at=torch.linspace(0, 1.2, 200, dtype=torch.float64), dense=True)
    assert torch.equal(base.status, many.status)
    assert torch.equal(base.t_end, many.t_end)
    assert torch.equal(base.stats.accepted, many.stats.accepted)
    assert torch.equal(base.stats.rejected, many.stats.rejected)
    finished = base.status == fs.Status.SUCCESS
    assert torch.equal(base.y[-1, finished], many.y[-1, finished])
    for i, t in enumerate(TIMES):  # what is interpolated agrees too
        torch.testing.assert_close(many(float(t)), base.y[i], rtol=1e-12, atol=1e-12, equal_nan=True)
