"""Each entry of `options` does what torchdiffeq does with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import torchdiffeq
from torch import Tensor

import fieldsolver as fs
from fieldsolver.compat import OdeintFailed
from fieldsolver.errors import FieldSolverWarning, OptionError

F64 = torch.float64
T = torch.linspace(0.0, 2.0, 5, dtype=F64)
Y0 = torch.tensor([1.0, 0.3], dtype=F64)


def oscillator(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[1], -y[0] + 0.1 * torch.sin(t)])


class Steps:
    """A right-hand side that notes its accepted and its tried steps."""

    def __init__(self, f: Callable[..., Any] = oscillator) -> None:
        self.f = f
        self.accepted: list[tuple[float, float]] = []
        self.tried: list[float] = []

    def __call__(self, t: Tensor, y: Any) -> Any:
        return self.f(t, y)

    def callback_step(self, t: Tensor, y: Any, dt: Tensor) -> None:
        self.tried.append(float(dt))

    def callback_accept_step(self, t: Tensor, y: Any, dt: Tensor) -> None:
        self.accepted.append((float(t), float(dt)))

    @property
    def ends(self) -> np.ndarray:
        return np.array([t + dt for t, dt in self.accepted])

    @property
    def sizes(self) -> np.ndarray:
        return np.array([dt for _, dt in self.accepted])


def test_first_step() -> None:
    steps = Steps()
    fs.odeint(steps, Y0, T, method="dopri5", options={"first_step": 1e-4})
    assert steps.tried[0] == 1e-4


def test_max_step() -> None:
    steps = Steps()
    y = fs.odeint(steps, Y0, T, method="dopri8", options={"max_step": 0.05})
    assert max(steps.tried) <= 0.05 * (1 + 1e-12)
    theirs = torchdiffeq.odeint(oscillator, Y0, T, method="dopri8", options={"max_step": 0.05})
    torch.testing.assert_close(y, theirs, rtol=1e-9, atol=1e-9)


def test_min_step_accepts_what_is_too_inaccurate() -> None:
    """torchdiffeq pushes through with steps of this size, and so do we: the same order of error, no failure."""

    def stiff(t: Tensor, y: Tensor) -> Tensor:
        return -100.0 * (y - torch.cos(t))

    steps = Steps(stiff)
    y0, options = torch.zeros(1, dtype=F64), {"min_step": 0.02}
    ours = fs.odeint(steps, y0, T, method="bosh3", options=options)
    theirs = torchdiffeq.odeint(stiff, y0, T, method="bosh3", options=options)
    assert len(steps.accepted) == len(steps.tried)
    np.testing.assert_allclose(steps.sizes[:-1], 0.02, rtol=1e-9)
    exact = fs.odeint(stiff, y0, T)
    assert (ours - exact).abs().max() < 3 * (theirs - exact).abs().max() + 1e-4


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_step_t(backward: bool) -> None:
    """Steps end there; times outside the span, and the initial one, are nothing."""
    t = T.flip(0) if backward else T
    steps = Steps()
    wanted = torch.tensor([-1.0, 0.0, 0.123, 1.7, 0.9, 2.0, 5.0], dtype=F64)
    fs.odeint(steps, Y0, t, rtol=1e-4, atol=1e-5, method="dopri5", options={"step_t": wanted})
    starts = np.array([start for start, _ in steps.accepted])
    for time in (0.123, 0.9, 1.7):
        assert time in starts, f"no step starts at {time}"


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("method", ["dopri5", "dopri8", "adaptive_heun"])
def test_jump_t(method: str, dtype: torch.dtype, backward: bool) -> None:
    """f never sees the jump itself, so either convention there is right, and the solution is exact."""
    jumps = torch.tensor([0.7, 1.3], dtype=dtype)
    seen = []

    def f(t: Tensor, y: Tensor) -> Tensor:
        seen.append(float(t))
        return torch.where((t >= 0.7) & (t < 1.3), -2.0, 1.0) * torch.ones_like(y)

    t = T.to(dtype).flip(0) if backward else T.to(dtype)
    y = fs.odeint(f, torch.zeros(1, dtype=dtype), t, method=method, rtol=1e-5, atol=1e-6, options={"jump_t": jumps})
    exact = t.clamp(max=0.7) - 2.0 * (t.clamp(0.7, 1.3) - 0.7) + (t.clamp(min=1.3) - 1.3)
    torch.testing.assert_close(y[:, 0], exact - exact[0], rtol=0.0, atol=1e-6 if dtype == torch.float32 else 1e-12)
    assert not {float(jump) for jump in jumps} & set(seen)
    assert len(seen) < 300


def test_jumps_that_are_not_declared_cost_steps() -> None:
    def f(t: Tensor, y: Tensor) -> Tensor:
        return torch.where(t < 0.7, 1.0, -2.0) * torch.ones_like(y)

    blind, told = Steps(f), Steps(f)
    y0 = torch.zeros(1, dtype=F64)
    fs.odeint(blind, y0, T)
    fs.odeint(told, y0, T, options={"jump_t": torch.tensor([0.7], dtype=F64)}, method="dopri5")
    assert 2 * len(told.tried) < len(blind.tried)


def test_gradients_through_a_jump() -> None:
    def f(a: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda t, y: torch.where(t < 0.7, a, -2.0 * a) * y

    for odeint in (fs.odeint, fs.odeint_adjoint):
        a = torch.tensor(0.5, dtype=F64, requires_grad=True)
        extra = {"adjoint_params": (a,)} if odeint is fs.odeint_adjoint else {}
        options = {"jump_t": torch.tensor([0.7], dtype=F64)}
        y = odeint(f(a), torch.ones(1, dtype=F64), T[[0, -1]], method="dopri5", options=options, **extra)
        (found,) = torch.autograd.grad(y[-1, 0], a)
        weight = 0.7 - 2.0 * 1.3
        torch.testing.assert_close(found.item(), weight * math.exp(0.5 * weight), rtol=1e-6, atol=0.0)


def test_a_time_in_both_lists() -> None:
    options = {"step_t": torch.tensor([0.5]), "jump_t": torch.tensor([0.5])}
    for odeint in (fs.odeint, torchdiffeq.odeint):
        with pytest.raises(ValueError, match="step_t"):
            odeint(oscillator, Y0, T, method="dopri5", options=options)


def test_safety_ifactor_dfactor() -> None:
    """A smaller safety factor takes more steps; no step grows by more than ifactor, or shrinks below dfactor."""

    def kinked(t: Tensor, y: Tensor) -> Tensor:
        return oscillator(t, y) * torch.where((t - 1.0).abs() < 0.1, 300.0 * torch.sin(40 * t), 1.0)

    cautious, normal = Steps(), Steps()
    fs.odeint(cautious, Y0, T, method="dopri5", options={"safety": 0.5})
    fs.odeint(normal, Y0, T, method="dopri5")
    assert len(cautious.accepted) > 1.3 * len(normal.accepted)
    limited = Steps(kinked)
    fs.odeint(limited, Y0, T, method="dopri5", options={"ifactor": 1.5, "dfactor": 0.6, "first_step": 1e-3})
    ratios = np.array(limited.tried[1:-1]) / np.array(limited.tried[:-2])
    assert ratios.max() <= 1.5 * (1 + 2**-22)  # sizes are rounded to 24 bits
    assert ratios.min() >= 0.6 * (1 - 2**-22)
    assert ratios.max() > 1.4
    assert ratios.min() < 0.7


def test_max_num_steps() -> None:
    for odeint in (fs.odeint, torchdiffeq.odeint):
        with pytest.raises(AssertionError, match="max_num_steps exceeded"):
            odeint(oscillator, Y0, T[[0, -1]], method="dopri5", options={"max_num_steps": 3})


@pytest.mark.parametrize("tuple_state", [False, True])
def test_norm(tuple_state: bool) -> None:
    """It sees states in the user's form; a norm that looks at one entry lets the others go their way."""
    seen = set()

    def first(error: Any) -> Tensor:
        part = error[0] if tuple_state else error
        seen.add(tuple(x.shape for x in error) if tuple_state else error.shape)
        return part.abs().max() if tuple_state else part[0].abs()

    def f(t: Tensor, y: Any) -> Any:
        slow, fast = (y[0], y[1]) if tuple_state else (y[:1], y[1:])
        rates = (-0.1 * slow, torch.cos(50.0 * t) * torch.ones_like(fast))
        return rates if tuple_state else torch.cat(rates)

    y0: Any = (torch.ones(1, dtype=F64), torch.zeros(2, 1, dtype=F64)) if tuple_state else torch.ones(2, dtype=F64)
    blind, seeing = Steps(f), Steps(f)
    fs.odeint(blind, y0, T, method="dopri5", options={"norm": first})
    fs.odeint(seeing, y0, T, method="dopri5")
    assert 4 * len(blind.tried) < len(seeing.tried)
    assert seen == ({((1,), (2, 1))} if tuple_state else {(2,)})


def test_the_default_norm_of_a_tuple_is_the_largest_of_its_tensors() -> None:
    """A huge tensor at rest does not dilute the error of a small one."""
    alone, diluted = (
        Steps(lambda t, y: (torch.cos(20.0 * t)[None],)),
        Steps(lambda t, y: (torch.cos(20.0 * t)[None], torch.zeros_like(y[1]))),
    )
    fs.odeint(alone, (torch.ones(1, dtype=F64),), T)
    fs.odeint(diluted, (torch.ones(1, dtype=F64), torch.ones(10_000, dtype=F64)), T)
    assert len(diluted.accepted) == len(alone.accepted)


@pytest.mark.parametrize("kind", ["tensor", "tuple", "flat"])
def test_tolerances_per_element(kind: str) -> None:
    """The fast entry is told to be careless: few steps; the other way round: many."""

    def f(t: Tensor, y: Any) -> Any:
        rates = (-0.1 * y[0], torch.cos(50.0 * t) * torch.ones_like(y[1]))
        return torch.stack(rates) if kind == "tensor" else rates

    counts = []
    for fast in (1e3, 1e-9):
        steps = Steps(f)
        if kind == "tensor":
            y0: Any = torch.ones(2, dtype=F64)
            tolerances: dict[str, Any] = {
                "rtol": torch.tensor([1e-6, 1e-6], dtype=F64), "atol": torch.tensor([1e-8, fast], dtype=F64),
            }  # fmt: skip
        else:
            y0 = (torch.ones((), dtype=F64), torch.ones(3, dtype=F64))
            tolerances = {"rtol": (1e-6, 1e-6), "atol": (1e-8, fast if kind == "tuple" else torch.full((3,), fast))}
        fs.odeint(steps, y0, T, **tolerances)
        theirs = torchdiffeq.odeint(f, y0, T, **tolerances)
        assert theirs is not None
        counts.append(len(steps.accepted))
    assert 5 * counts[0] < counts[1]


def test_dtype_is_accepted() -> None:
    """The clock is float64 whatever it says, so nothing changes."""
    options = {"dtype": torch.float32}
    ours = fs.odeint(oscillator, Y0, T, method="dopri5", options=options)
    assert torch.equal(ours, fs.odeint(oscillator, Y0, T))


# ---------------------------------------------------------------------- grids


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("method", ["midpoint", "rk4"])
def test_grid_constructor(method: str, backward: bool) -> None:
    """It is given what torchdiffeq gives it, in the direction of the user."""
    t = T.flip(0) if backward else T
    calls = []

    def constructor(func: Any, y0: Tensor, times: Tensor) -> Tensor:
        calls.append((y0.shape, times.tolist()))
        power = torch.linspace(0.0, 1.0, 31, dtype=F64) ** 1.7
        return times[0] + (times[-1] - times[0]) * power

    options = {"grid_constructor": constructor, "interp": "cubic"}
    ours, theirs = (package.odeint(oscillator, Y0, t, method=method, options=options) for package in (fs, torchdiffeq))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert calls[0] == calls[1]


@pytest.mark.parametrize(
    "grid", [torch.linspace(0.0, 1.0, 5, dtype=F64), torch.zeros(1, dtype=F64), torch.linspace(0.1, 2.0, 5, dtype=F64)]
)
def test_a_grid_that_does_not_lead_to_the_end(grid: Tensor) -> None:
    for odeint in (fs.odeint, torchdiffeq.odeint):
        with pytest.raises(AssertionError):
            odeint(oscillator, Y0, T, method="euler", options={"grid_constructor": lambda f, y0, t: grid})


def test_a_grid_with_a_repeated_time() -> None:
    grid = torch.tensor([0.0, 0.5, 0.5, 1.0, 1.5, 2.0], dtype=F64)
    options = {"grid_constructor": lambda f, y0, t: grid}
    ours, theirs = (package.odeint(oscillator, Y0, T, method="rk4", options=options) for package in (fs, torchdiffeq))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("method", ["euler", "midpoint", "heun2", "rk4", "implicit_adams"])
def test_perturb(method: str) -> None:
    """f is evaluated strictly inside each step, so jumps on the grid do no harm, whichever side they belong to."""
    seen = []

    def f(t: Tensor, y: Tensor) -> Tensor:
        seen.append(float(t))
        return torch.where(t < 1.0, 1.0, -2.0) * torch.ones_like(y)

    options = {"step_size": 0.25, "perturb": True} | ({"max_order": 3} if "adams" in method else {})
    with pytest.warns(FieldSolverWarning, match="rk4") if "adams" in method else nullcontext():
        y = fs.odeint(f, torch.zeros(1, dtype=F64), T, method=method, options=options)
    torch.testing.assert_close(y[:, 0], T.clamp(max=1.0) - 2.0 * (T.clamp(min=1.0) - 1.0), rtol=0.0, atol=1e-12)
    assert 1.0 not in seen[1:]


def test_step_size_that_hits_the_end_by_round_off() -> None:
    """0.1 and 3 steps of it: no fourth step of size 1e-17."""
    steps = Steps()
    with pytest.warns(FieldSolverWarning, match="callback_accept_step"):
        fs.odeint(steps, Y0, torch.tensor([0.0, 0.3], dtype=F64), method="euler", options={"step_size": 0.1})
    assert len(steps.tried) == 3


@pytest.mark.parametrize(
    ("method", "options", "match"),
    [
        ("euler", {"step_size": 0.1, "grid_constructor": lambda f, y0, t: t}, "grid_constructor"),
        ("euler", {"step_size": -0.1}, "step_size"),
        ("euler", {"interp": "quintic"}, "interp"),
        ("dopri5", {"first_step": 0.0}, "first_step"),
        ("dopri5", {"safety": "much"}, "safety"),
        ("dopri5", {"dtype": "float32"}, "dtype"),
        ("dopri5", {"norm": 2}, "norm"),
        ("dopri5", {"max_num_steps": 0}, "max_num_steps"),
        ("implicit_adams", {"max_order": 13}, "max_order"),
        ("implicit_adams", {"max_iters": 0}, "max_iters"),
    ],
)
def test_options_that_make_no_sense(method: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        fs.odeint(oscillator, Y0, T, method=method, options=options)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("dopri5", {"step_size": 0.1}),
        ("dopri5", {"grid_points": T, "eps": 1e-3}),
        ("rk4", {"first_step": 0.1}),
        ("rk4", {"max_iters": 4}),
        ("scipy_solver", {"step_t": T}),
    ],
    ids=str,
)
def test_options_of_other_methods_warn_as_in_torchdiffeq(method: str, options: dict[str, Any]) -> None:
    plain = fs.odeint(oscillator, Y0, T, method=method)
    for package, match in ((fs, "unexpected options"), (torchdiffeq, "Unexpected arguments")):
        with pytest.warns(UserWarning, match=match):
            y = package.odeint(oscillator, Y0, T, method=method, options=options)
        if package is fs:
            assert torch.equal(y, plain)


def test_the_dictionary_is_left_alone() -> None:
    options = {"step_t": torch.tensor([0.5]), "safety": 0.8}
    fs.odeint(oscillator, Y0, T.flip(0), method="dopri5", options=options)
    assert options == {"step_t": torch.tensor([0.5]), "safety": 0.8}


# ---------------------------------------------------------------------- failures


def test_blow_up() -> None:
    """An error that code written for torchdiffeq catches, with what was reached."""
    t = torch.tensor([0.0, 0.5, 2.0], dtype=F64)
    for odeint in (fs.odeint, torchdiffeq.odeint):
        with pytest.raises(AssertionError, match="underflow in dt"):
            odeint(lambda t, y: y**2, torch.ones(1, dtype=F64), t)
    with pytest.raises(OdeintFailed) as caught:
        fs.odeint(lambda t, y: (y[0] ** 2,), (torch.ones(1, dtype=F64),), t)
    (partial,) = caught.value.solution
    assert abs(partial[1].item() - 2.0) < 1e-5
    assert partial[2].isnan().all()


def test_a_rate_that_is_not_finite() -> None:
    with pytest.raises(AssertionError, match="non-finite"):
        fs.odeint(lambda t, y: y / 0.0, torch.ones(1, dtype=F64), T)


def test_fixed_steps_that_overflow_go_on_as_nan_and_say_so() -> None:
    y0 = torch.ones(1, dtype=torch.float32)
    t = torch.linspace(0.0, 10.0, 30)
    with pytest.warns(FieldSolverWarning, match="NaN"):
        ours = fs.odeint(lambda t, y: y**3, y0, t, method="euler")
    theirs = torchdiffeq.odeint(lambda t, y: y**3, y0, t, method="euler")
    finite = ours.isfinite()
    torch.testing.assert_close(ours[finite], theirs[finite], rtol=1e-4, atol=0.0)
    assert (~theirs.isfinite() & ~finite).sum() == (~finite).sum()
