"""Stiffness detection: exact eigenvalues, the counting rule, and who is found stiff and who never."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fieldsolver.methods import METHODS, Step, get_method
from fieldsolver.stepping import VectorField, integrate, scalar_ops, tensor_ops
from fieldsolver.stepping.stiffness import (
    BOUNDARY_FRACTION,
    CALM_STEPS,
    LOOK_EVERY,
    STIFF_STEPS,
    StiffnessCounter,
    StiffnessProbe,
    count,
    is_due,
    stage_weights,
    start_counter,
    step_times_eigenvalue,
    stiffness_stages,
)

F = Callable[[Tensor, Tensor], Tensor]
EXPLICIT = [name for name, method in METHODS.items() if hasattr(method, "tableau")]
PROBED = [name for name in EXPLICIT if StiffnessProbe.of(METHODS[name].tableau)]
FOURTH_OR_MORE = ["dopri5", "tsit5", "dop853", "vern7", "vern9"]


def probe_of(name: str) -> StiffnessProbe:
    probe = StiffnessProbe.of(get_method(name).tableau)
    assert probe is not None
    return probe


def one_step(name: str, f: F, y: list[list[float]], dt: Sequence[float], t: float = 0.3, **kwargs: Any) -> Tensor:
    method, state = get_method(name), torch.tensor(y, **{"dtype": torch.float64, **kwargs})
    times, sizes = torch.full((len(dt),), t, dtype=torch.float64), torch.tensor(dt, dtype=torch.float64)
    step = method.step(f, times.to(state.device), sizes.to(state.device), state)
    return step_times_eigenvalue(probe_of(name), step)


# ------------------------------------------------------------------------------------------------------ the stages


def test_the_pairs_of_stages() -> None:
    known = {
        "dopri5": (5, 6),  # k_7 and k_6, as in Hairer's DOPRI5
        "dop853": (11, 12),  # f(t + h, y_new) and k_12, as in his DOP853
        "tsit5": (5, 6),
        "vern7": (9, 10),
        "vern9": (15, 16),
        "rk4": (1, 2),
        "ssprk33": (1, 3),
        "bosh3": None,
        "heun": None,
        "midpoint": None,
        "euler": None,
    }
    assert {name: stiffness_stages(get_method(name).tableau) for name in known} == known


@pytest.mark.parametrize("name", EXPLICIT)
def test_weights_see_no_polynomial_in_time(name: str) -> None:
    tableau = METHODS[name].tableau
    weights, pair = stage_weights(tableau), stiffness_stages(tableau)
    if weights is None:
        assert tableau.stages < 3
        return
    for power in range(2 if tableau.stages == 3 and pair is None else 3):
        assert sum(w * c**power for w, c in zip(weights, tableau.c, strict=True)) == 0
    assert any(w != 0 for w in weights)
    if pair is not None:
        assert tableau.c[pair[0]] == tableau.c[pair[1]]
        assert sorted(weights[i] for i in pair) == [-1, 1]


def test_divided_differences_by_hand() -> None:
    """c = 0, 1/2, 3/4, 1: f[c] = sum f_i / prod (c_i - c_j)."""
    tableau = get_method("bosh3").tableau
    assert stage_weights(tableau) == (Fraction(-8, 3), Fraction(16), Fraction(-64, 3), Fraction(8))


# ------------------------------------------------------------------------------------------------ exact eigenvalues


@pytest.mark.parametrize("name", PROBED)
def test_one_eigenvalue_is_found_exactly(name: str, device: torch.device) -> None:
    """y' = -1000 (y - p(t)) with a quadratic p, at steps of every size and backward."""

    def f(t: Tensor, y: Tensor) -> Tensor:
        return -1000 * (y - (1 + 2 * t - t * t).unsqueeze(-1))

    sizes = [1e-3, 3e-3, 1e-2, -1e-3, 0.0]
    got = one_step(name, f, [[3.0]] * len(sizes), sizes, device=device).cpu()
    assert got.shape == (len(sizes),)
    torch.testing.assert_close(got, 1000 * torch.tensor(sizes).double().abs(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", FOURTH_OR_MORE)
def test_forcing_of_any_kind_does_not_disturb_a_pair(name: str) -> None:
    def f(t: Tensor, y: Tensor) -> Tensor:
        return -1000 * (y - torch.cos(50 * t).unsqueeze(-1))

    assert one_step(name, f, [[0.0]], [2e-3]).item() == pytest.approx(2.0, rel=1e-9)


@pytest.mark.parametrize("name", PROBED)
def test_the_fast_direction_wins_and_the_norm_bounds(name: str) -> None:
    """J symmetric with eigenvalues -1 and -300: never more than 300 h, almost that beyond the stability limit."""
    c, s = math.cos(0.4), math.sin(0.4)
    q = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    jacobian = q @ torch.diag(torch.tensor([-1.0, -300.0], dtype=torch.float64)) @ q.T
    h = 1.05 * probe_of(name).boundary / 300
    for scale in (1.0, 0.1, 0.01):
        got = one_step(name, lambda t, y: y @ jacobian.T, [[1.0, 0.5]], [scale * h]).item() / (300 * scale * h)
        assert got < 1 + 1e-6
        assert scale < 1 or got > 0.95


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
def test_states_of_every_type(dtype: torch.dtype, device: torch.device) -> None:
    rate = -500.0 + 200.0j if dtype.is_complex else -500.0
    got = one_step("tsit5", lambda t, y: rate * y, [[1.0, 2.0]] * 2, [0.004, 0.0], dtype=dtype, device=device)
    assert got.dtype == dtype.to_real()
    assert got[0].item() == pytest.approx(0.004 * abs(rate), rel=1e-3)
    assert got[1] == 0


@pytest.mark.parametrize("name", PROBED)
def test_states_that_do_not_change_and_rounding_errors_are_not_stiff(name: str) -> None:
    assert one_step(name, lambda t, y: torch.zeros_like(y), [[0.0], [1.0]], [1.0, 1.0]).tolist() == [0, 0]

    def noisy(t: Tensor, y: Tensor) -> Tensor:  # constant up to rounding: sin(1e8) of a y that hardly moves
        return 1e-20 * torch.sin(1e8 * y)

    assert one_step(name, noisy, [[1.0]], [1.0]).item() < 1e-3


def test_shapes_and_samples_do_not_mix() -> None:
    rates = torch.tensor([[10.0], [1000.0], [100.0]], dtype=torch.float64).unsqueeze(-1)
    step = get_method("dopri5").step(
        lambda t, y: -rates * y, torch.zeros(3).double(), torch.full((3,), 1e-3).double(), torch.ones(3, 2, 2).double()
    )
    got = step_times_eigenvalue(probe_of("dopri5"), step)
    torch.testing.assert_close(got, 1e-3 * rates.flatten(), rtol=1e-6, atol=0)
    assert not got.requires_grad


def test_the_boundary_is_that_of_the_codes() -> None:
    assert probe_of("dopri5").boundary == pytest.approx(3.25, rel=0.04)
    assert probe_of("dop853").boundary == pytest.approx(6.1, rel=0.01)


# ---------------------------------------------------------------------------------------------------- the counting


def run_counter(ratios: Sequence[float], xp: Any = np) -> list[StiffnessCounter]:
    make = np.array if xp is np else lambda v: torch.tensor(v)
    counter, books = start_counter(make([0.0]) if xp is np else torch.zeros(1).double(), xp), []
    for ratio in ratios:
        value = np.array([ratio]) if xp is np else torch.tensor([ratio], dtype=torch.float64)
        counter = count(counter, value, make([True]), xp)
        books.append(counter)
    return books


def first_detected(ratios: Sequence[float]) -> int | None:
    found = [bool(c.detected[0]) for c in run_counter(ratios)]
    return found.index(True) + 1 if any(found) else None


def test_fifteen_steps_are_stiff_and_six_calm_ones_forget() -> None:
    """The rule of DOPRI5: IASTI counts to 15; NONSTI = 6 calm steps in a row set it back."""
    stiff, calm = [1.1], [0.9]
    assert (STIFF_STEPS, CALM_STEPS) == (15, 6)
    assert first_detected(stiff * 14) is None
    assert first_detected(stiff * 15) == 15
    assert first_detected((stiff * 7 + calm * 5) * 3) == 7 + 5 + 7 + 5 + 1  # five calm steps forget nothing
    assert first_detected((stiff * 14 + calm * 6) * 5) is None
    assert first_detected((stiff * 14 + calm * 5 + stiff) * 1) == 20
    assert first_detected([1.0] * 50) is None  # on the boundary is not beyond


def test_a_plain_counter_agrees() -> None:
    rng = np.random.default_rng(3)
    for trial in range(200):
        ratios = np.where(rng.random(60) < 0.2 + 0.6 * trial / 200, 1.2, 0.8)
        stiff = calm = 0
        expected = None
        for n, ratio in enumerate(ratios, 1):
            if ratio > 1:
                stiff, calm = stiff + 1, 0
                if stiff == 15:
                    expected = n
                    break
            else:
                calm += 1
                if calm == 6:
                    stiff = 0
        assert first_detected(ratios) == expected


def test_it_stays_detected_and_the_peak_is_a_mean() -> None:
    books = run_counter([1.1] * 40 + [0.1] * 100)
    assert books[-1].detected[0]
    assert books[39].peak[0] == pytest.approx(1.1 * (1 - (14 / 15) ** 40))
    assert books[-1].peak[0] == books[39].peak[0]
    assert books[-1].recent[0] == pytest.approx(0.1, abs=0.01)
    assert run_counter([0.0, 5.0, *[0.0] * 20])[-1].peak[0] == pytest.approx(5 / 15)  # one odd step


def test_rejected_and_resting_samples_change_nothing() -> None:
    counter = start_counter(np.zeros(3), np)
    for _ in range(20):
        counter = count(counter, np.array([2.0, 2.0, math.nan]), np.array([True, False, False]), np)
    assert counter.detected.tolist() == [True, False, False]
    assert counter.stiff_steps.tolist() == [20, 0, 0]
    assert counter.calm_steps.tolist() == [0, 0, 0]
    assert counter.peak[1] == counter.peak[2] == counter.recent[1] == counter.recent[2] == 0


def test_torch_counts_as_numpy(device: torch.device) -> None:
    rng = np.random.default_rng(4)
    here, there = start_counter(np.zeros(8), np), start_counter(torch.zeros(8).double().to(device), tensor_ops)
    for _ in range(80):
        ratio, accepted = rng.uniform(0.4, 1.8, 8), rng.random(8) < 0.8
        here = count(here, ratio, accepted, np)
        there = count(there, torch.from_numpy(ratio).to(device), torch.from_numpy(accepted).to(device), tensor_ops)
    assert here.detected.any()
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(b.cpu().numpy(), a, rtol=1e-13)


def test_nothing_depends_on_values() -> None:
    """Tensors without values go all the way: no host read."""
    ratio, yes = (torch.empty(5, dtype=dtype, device="meta") for dtype in (torch.float64, torch.bool))
    counter = count(start_counter(ratio, tensor_ops), ratio, yes, tensor_ops)
    assert [v.dtype for v in counter] == [torch.float64, torch.float64, torch.bool, torch.float64, torch.float64]
    k = [torch.empty(5, 3, device="meta")] * 7
    step = Step(t=ratio, dt=ratio, y=k[0], y_new=k[0], error=None, k=k)
    assert step_times_eigenvalue(probe_of("dopri5"), step).shape == (5,)


def test_when_to_look() -> None:
    quiet, suspect, known = run_counter([0.5])[-1], run_counter([1.5])[-1], run_counter([1.5] * 15)[-1]
    looked = [attempt for attempt in range(30) if is_due(quiet, attempt)]
    assert looked == list(range(0, 30, LOOK_EVERY)) == [a for a in range(30) if is_due(known, a)]
    assert all(is_due(suspect, attempt) for attempt in range(30))
    one = count(start_counter(0.0, scalar_ops), 1.5, True, scalar_ops)  # a sample made of Python numbers
    assert is_due(one, 7)
    assert not is_due(start_counter(0.0, scalar_ops), 7)


# ----------------------------------------------------------------------------------------- problems, stiff and not


@dataclass
class Watch:
    """Observer that looks at every accepted step, or only when it is due."""

    name: str
    thrifty: bool = False
    looks: int = 0
    attempts: int = 0
    counter: StiffnessCounter = field(default_factory=lambda: start_counter(np.zeros(1), np))

    def start(self, *_: object) -> None:
        self.probe = probe_of(self.name)

    def after(self, attempt: Any, *_: object) -> None:
        self.attempts += 1
        if self.thrifty and not is_due(self.counter, self.attempts - 1):
            return
        self.looks += 1
        ratio = step_times_eigenvalue(self.probe, attempt.step).numpy() / self.probe.boundary
        self.counter = count(self.counter, ratio, attempt.accepted, np)

    @property
    def detected(self) -> bool:
        return bool(self.counter.detected[0])


def watch(name: str, f: F, y0: list[float], t_end: float, rtol: float, atol: float, **options: Any) -> Watch:
    observer = Watch(name, **options)
    trajectory = integrate(
        VectorField(lambda parameters, t, y: f(t, y)), get_method(name), torch.tensor([y0], dtype=torch.float64),
        0.0, t_end, rtol=rtol, atol=atol, observers=[observer],
    )  # fmt: skip
    assert trajectory.status.tolist() == [1]
    return observer


def van_der_pol(t: Tensor, y: Tensor) -> Tensor:
    u, v = y.unbind(-1)
    return torch.stack((v, 1000 * (1 - u * u) * v - u), -1)


def robertson(t: Tensor, y: Tensor) -> Tensor:
    a, b, c = y.unbind(-1)
    slow, back, fast = 0.04 * a, 1e4 * b * c, 3e7 * b * b
    return torch.stack((back - slow, slow - back - fast, fast), -1)


def relaxation(t: Tensor, y: Tensor) -> Tensor:
    return -1000 * (y - torch.cos(t).unsqueeze(-1))


def lorenz(t: Tensor, y: Tensor) -> Tensor:
    a, b, c = y.unbind(-1)
    return torch.stack((10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c), -1)


def oscillator(t: Tensor, y: Tensor) -> Tensor:
    return torch.stack((y[:, 1], -y[:, 0]), -1)


def arenstorf(t: Tensor, y: Tensor) -> Tensor:
    moon = 0.012277471
    x, z, u, v = y.unbind(-1)
    to_earth, to_moon = ((x + moon) ** 2 + z**2) ** 1.5, ((x - 1 + moon) ** 2 + z**2) ** 1.5
    pull_x = (1 - moon) * (x + moon) / to_earth + moon * (x - 1 + moon) / to_moon
    pull_z = (1 - moon) * z / to_earth + moon * z / to_moon
    return torch.stack((u, v, x + 2 * v - pull_x, z - 2 * u - pull_z), -1)


def pleiades(t: Tensor, y: Tensor) -> Tensor:
    x, z, u, v = y.view(-1, 4, 7).unbind(1)
    mass = torch.arange(1.0, 8.0, dtype=y.dtype)
    dx, dz = x[:, None] - x[:, :, None], z[:, None] - z[:, :, None]
    cubed = (dx**2 + dz**2 + torch.eye(7, dtype=y.dtype)) ** 1.5
    return torch.stack((u, v, (mass * dx / cubed).sum(-1), (mass * dz / cubed).sum(-1)), 1).view(-1, 28)


STIFF: dict[str, tuple[F, list[float], float]] = {
    "van der Pol": (van_der_pol, [2.0, 0.0], 1.0),  # the slow phase; its fast eigenvalue is about -3000
    "Robertson": (robertson, [1.0, 0.0, 0.0], 0.3),
    "relaxation": (relaxation, [0.0], 1.0),
}
NOT_STIFF: dict[str, tuple[F, list[float], float]] = {
    "Lorenz": (lorenz, [1.0, 1.0, 1.0], 10.0),
    "oscillator": (oscillator, [1.0, 0.0], 30.0),
    "Arenstorf": (arenstorf, [0.994, 0.0, 0.0, -2.00158510637908252240537862224], 17.0652165601579625588917206249),
    "Pleiades": (
        pleiades,
        [3, 3, -1, -3, 2, -2, 2, 3, -3, 2, 0, 0, -4, 4, 0, 0, 0, 0, 0, 1.75, -1.5, 0, 0, 0, -1.25, 1, 0, 0],
        3.0,
    ),
}


@pytest.mark.parametrize("problem", STIFF)
@pytest.mark.parametrize("name", ["bosh3", *FOURTH_OR_MORE])
def test_steps_that_stability_limits_are_found_out(name: str, problem: str) -> None:
    f, y0, t_end = STIFF[problem]
    for thrifty in (False, True):
        seen = watch(name, f, y0, t_end, 1e-3, 1e-6 if problem == "Robertson" else 1e-3, thrifty=thrifty)
        assert seen.detected
        assert (0.7 if thrifty else 0.9) < seen.counter.peak[0] < 1.3
        assert seen.looks < (0.5 if thrifty else 1.01) * seen.attempts


@pytest.mark.parametrize("problem", NOT_STIFF)
@pytest.mark.parametrize("name", ["bosh3", *FOURTH_OR_MORE])
def test_accuracy_limits_these(name: str, problem: str) -> None:
    f, y0, t_end = NOT_STIFF[problem]
    for tolerance in (1e-3, 1e-5) if name == "bosh3" else (1e-3, 1e-6, 1e-9):
        seen = watch(name, f, y0, t_end, tolerance, tolerance)
        assert not seen.detected
        assert seen.counter.peak[0] < (0.8 if tolerance == 1e-3 else 0.3)


def test_the_same_problem_is_not_stiff_for_a_tight_tolerance() -> None:
    """y' = -1000 (y - cos t) with 2500 steps per unit of time: h|lambda| = 0.4 is what accuracy asks for."""
    loose, tight = (watch("tsit5", relaxation, [1.0], 0.5, tol, tol) for tol in (1e-3, 1e-10))
    assert loose.detected
    assert not tight.detected
    assert tight.counter.peak[0] < 0.5 < loose.counter.peak[0]


def test_the_fraction_leaves_room_below_the_interval() -> None:
    assert probe_of("tsit5").boundary == BOUNDARY_FRACTION * get_method("tsit5").tableau.real_interval
    assert 0.9 < BOUNDARY_FRACTION < 1
