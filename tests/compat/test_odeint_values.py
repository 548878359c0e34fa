"""`odeint` gives torchdiffeq's numbers: problem x method x dtype x direction x form of the state x output times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor

import fieldsolver as fs

ADAPTIVE = ["dopri8", "dopri5", "bosh3", "fehlberg2", "adaptive_heun"]
ON_GRID = ["euler", "midpoint", "heun2", "heun3", "rk4", "explicit_adams", "implicit_adams", "fixed_adams"]
F64 = torch.float64


def oscillator(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y[1], -y[0] + 0.1 * torch.sin(t)])


def predator_prey(t: Tensor, y: Tensor) -> Tensor:
    prey, predators = y.unbind(-1)
    return torch.stack([1.5 * prey - prey * predators, prey * predators - 3.0 * predators], dim=-1)


def scalar(t: Tensor, y: Tensor) -> Tensor:
    return -y * torch.cos(t)


PROBLEMS: dict[str, tuple[Callable[..., Tensor], Tensor]] = {
    "oscillator": (oscillator, torch.tensor([1.0, 0.3], dtype=F64)),
    "predator_prey": (predator_prey, torch.tensor([[1.0, 1.0], [2.0, 0.5], [0.4, 1.2]], dtype=F64)),
    "scalar": (scalar, torch.tensor(0.7, dtype=F64)),
}


def times(count: int, *, backward: bool, dtype: torch.dtype = F64) -> Tensor:
    t = torch.linspace(0.0, 2.0, count, dtype=dtype)
    return t.flip(0) if backward else t


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", ADAPTIVE)
def test_chosen_steps(method: str, problem: str, backward: bool) -> None:
    """Both are within their tolerance of the solution, and so of each other; ours is nearer or as near."""
    f, y0 = PROBLEMS[problem]
    t = times(5, backward=backward)
    loose = {"rtol": 1e-6, "atol": 1e-8} if method in ("fehlberg2", "adaptive_heun") else {"rtol": 1e-8, "atol": 1e-10}
    exact = torchdiffeq.odeint(f, y0, t, rtol=1e-12, atol=1e-12)
    ours = fs.odeint(f, y0, t, method=method, **loose)
    theirs = torchdiffeq.odeint(f, y0, t, method=method, **loose)
    error = (theirs - exact).abs().max()
    assert ours.shape == (5, *y0.shape)
    assert torch.equal(ours[0], y0)
    assert (ours - exact).abs().max() < max(5 * error, 2e3 * loose["rtol"])
    assert (ours - exact)[-1].abs().max() < 2e3 * loose["rtol"]


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", ON_GRID)
def test_steps_between_output_times_agree_to_round_off(method: str, problem: str, backward: bool) -> None:
    f, y0 = PROBLEMS[problem]
    t = times(201, backward=backward)
    options = {"max_order": 5} if "adams" in method else {}  # higher explicit ones amplify round-off
    ours = fs.odeint(f, y0, t, method=method, options=options)
    theirs = torchdiffeq.odeint(f, y0, t, method=method, options=options)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("interp", ["linear", "cubic"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("method", ["euler", "midpoint", "heun2", "heun3", "rk4"])
def test_steps_of_one_size_agree_to_round_off(method: str, backward: bool, interp: str) -> None:
    """Neither the output times nor the end lie on the grid of 0.07."""
    f, y0 = PROBLEMS["oscillator"]
    options = {"step_size": 0.07, "interp": interp}
    t = times(6, backward=backward)
    ours = fs.odeint(f, y0, t, method=method, options=options)
    theirs = torchdiffeq.odeint(f, y0, t, method=method, options=options)
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("implicit", [False, True])
def test_adams_on_an_even_grid_agrees_for_every_order(implicit: bool) -> None:
    f, y0 = PROBLEMS["oscillator"]
    t = times(5, backward=False)
    for order in range(4, 9):
        options = {"step_size": 0.02, "max_order": order, "max_iters": 6}
        method = "implicit_adams" if implicit else "explicit_adams"
        ours = fs.odeint(f, y0, t, method=method, options=options)
        theirs = torchdiffeq.odeint(f, y0, t, method=method, options=options)
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.filterwarnings("ignore:.*did not converge")
def test_an_adams_iteration_that_does_not_converge_lowers_the_order_as_in_torchdiffeq() -> None:
    f, y0 = PROBLEMS["predator_prey"]
    options = {"step_size": 0.05, "max_order": 6, "max_iters": 1}
    t = times(3, backward=False)
    never = {"rtol": 1e-15, "atol": 1e-16, "method": "implicit_adams", "options": options}
    ours, theirs = (package.odeint(f, y0, t, **never) for package in (fs, torchdiffeq))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_adams"])
def test_adams_and_others_on_an_uneven_grid(method: str) -> None:
    """torchdiffeq's Adams methods use the weights of an even grid on any; ours are no worse than the reference."""
    f, y0 = PROBLEMS["oscillator"]
    t = torch.sort(torch.rand(120, dtype=F64, generator=torch.Generator().manual_seed(0))).values * 2.0
    t[0], t[-1] = 0.0, 2.0
    exact = torchdiffeq.odeint(f, y0, t, rtol=1e-12, atol=1e-12)
    assert (fs.odeint(f, y0, t, method=method) - exact).abs().max() < 1e-6


@pytest.mark.parametrize("method", ["dopri5", "rk4", "euler", "implicit_adams"])
@pytest.mark.parametrize("t_dtype", [torch.float32, F64])
def test_single_precision(method: str, t_dtype: torch.dtype) -> None:
    f, y0 = PROBLEMS["predator_prey"]
    t = times(101, backward=False, dtype=t_dtype)
    tolerances = {"rtol": 1e-5, "atol": 1e-6}
    ours = fs.odeint(f, y0.float(), t, method=method, **tolerances)
    theirs = torchdiffeq.odeint(f, y0.float(), t, method=method, **tolerances)
    assert ours.dtype == theirs.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("method", ["dopri8", "dopri5", "rk4", "implicit_adams"])
def test_complex_states(method: str) -> None:
    def f(t: Tensor, y: Tensor) -> Tensor:
        return 1j * y * (1.0 + t) - 0.1 * y

    y0 = torch.tensor([1.0 + 0.5j, -0.3j], dtype=torch.complex128)
    t = times(161, backward=True)
    ours, theirs = (package.odeint(f, y0, t, method=method) for package in (fs, torchdiffeq))
    assert ours.dtype == torch.complex128
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6 if method != "dopri8" else 1e-4)


def test_a_complex_state_against_its_exact_solution() -> None:
    y0, t = torch.tensor([1.0 + 0.5j, -0.3j], dtype=torch.complex128), times(9, backward=True)
    for method in ADAPTIVE[:3]:
        ours = fs.odeint(lambda t, y: (1j * (1.0 + t) - 0.1) * y, y0, t, method=method)
        phase = 1j * (t + t**2 / 2) - 0.1 * t
        torch.testing.assert_close(ours, y0 * torch.exp(phase - phase[0])[:, None], rtol=0.0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, F64, torch.complex64])
@pytest.mark.parametrize("t_dtype", [torch.float32, F64])
def test_func_sees_the_time_that_torchdiffeq_shows(dtype: torch.dtype, t_dtype: torch.dtype) -> None:
    """A scalar in the real dtype of the state; the state in its own shape."""
    seen: dict[str, set[Any]] = {"ours": set(), "theirs": set()}

    def f(who: str) -> Callable[[Tensor, Tensor], Tensor]:
        def rate(t: Tensor, y: Tensor) -> Tensor:
            seen[who].add((t.dtype, t.shape, t.device, y.dtype, y.shape))
            return -y

        return rate

    y0, t = torch.ones(3, 2, dtype=dtype), torch.tensor([0.0, 1.0], dtype=t_dtype)
    tolerances = {"rtol": 1e-4, "atol": 1e-5}
    for method in ("dopri5", "rk4"):
        fs.odeint(f("ours"), y0, t, method=method, **tolerances)
        torchdiffeq.odeint(f("theirs"), y0, t, method=method, **tolerances)
    assert seen["ours"] == seen["theirs"]


# ---------------------------------------------------------------------- tuples


def coupled(t: Tensor, state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    position, _, scale = state
    return -position * scale, position.sum(-1, keepdim=True) * torch.cos(t), -0.3 * scale


TUPLE = (
    torch.tensor([[1.0, -0.4, 0.2], [0.1, 0.3, 0.5]], dtype=F64),
    torch.tensor([[0.0], [1.0]], dtype=F64),
    torch.tensor(1.3, dtype=F64),
)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("method", ["dopri5", "rk4", "implicit_adams"])
def test_tuples_of_mixed_shapes(method: str, backward: bool) -> None:
    t = times(31, backward=backward)
    ours, theirs = (package.odeint(coupled, TUPLE, t, method=method) for package in (fs, torchdiffeq))
    assert isinstance(ours, tuple)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_a_tuple_of_one_tensor_stays_a_tuple() -> None:
    t = times(3, backward=False)
    (ours,) = fs.odeint(lambda t, y: (-y[0],), (TUPLE[0],), t)
    torch.testing.assert_close(ours, TUPLE[0] * torch.exp(-t)[:, None, None], rtol=1e-7, atol=1e-8)


def test_mixed_dtypes_are_joined_as_torchdiffeq_joins_them() -> None:
    y0 = (TUPLE[0].float(), TUPLE[1], TUPLE[2])
    t = times(3, backward=False)
    ours, theirs = (package.odeint(coupled, y0, t) for package in (fs, torchdiffeq))
    assert [part.dtype for part in ours] == [part.dtype for part in theirs]


# ---------------------------------------------------------------------- edges


def test_one_output_time_returns_the_initial_state() -> None:
    f, y0 = PROBLEMS["oscillator"]
    for method in ("dopri5", "rk4", "scipy_solver"):
        ours = fs.odeint(f, y0, torch.tensor([0.5], dtype=F64), method=method)
        assert torch.equal(ours, torchdiffeq.odeint(f, y0, torch.tensor([0.5], dtype=F64), method=method))


def test_no_method_is_dopri5() -> None:
    f, y0 = PROBLEMS["oscillator"]
    t = times(4, backward=False)
    assert torch.equal(fs.odeint(f, y0, t), fs.odeint(f, y0, t, method="dopri5"))


def test_a_rate_that_broadcasts() -> None:
    """torchdiffeq's methods on a grid accept it."""
    t, y0 = times(5, backward=False), torch.zeros(3, dtype=F64)
    ours, theirs = (package.odeint(lambda t, y: t * 2.0, y0, t, method="midpoint") for package in (fs, torchdiffeq))
    torch.testing.assert_close(ours, theirs)


def test_a_module_that_counts_and_a_state_without_gradient() -> None:
    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            self.calls += 1
            return -y

    module = Module()
    solution = fs.odeint(module, torch.ones(2, dtype=F64), times(2, backward=False))
    assert not solution.requires_grad
    assert 10 < module.calls < 400
