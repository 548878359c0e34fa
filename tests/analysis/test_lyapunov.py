"""Lyapunov exponents: exact ones, those of the literature, the laws, and what must not pass."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import fieldsolver as fs
import fieldsolver.analysis.chaos.volume as volume_module
from fieldsolver import analysis
from fieldsolver.analysis.chaos.interval import jackknife
from fieldsolver.analysis.chaos.kaplan_yorke import kaplan_yorke
from fieldsolver.analysis.lyapunov import lyapunov, study
from fieldsolver.analysis.problem import Problem
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, Verdict

LORENZ = "dx/dt = s*(y - x); dy/dt = x*(r - z) - y; dz/dt = x*y - b*z"


def lorenz(r: float = 28.0) -> fs.FieldEquation:
    return fs.FieldEquation(LORENZ, parameters={"s": 10.0, "r": r, "b": 8 / 3})


def state(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def covers(result: AnalysisResult, reference: list[float]) -> bool:
    low, high = result["lambda_lo"].values, result["lambda_hi"].values
    return bool(((low <= reference) & (reference <= high)).all())


def henon(n: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.stack([1 - 1.4 * y[0] ** 2 + y[1], 0.3 * y[0]])


def check_of(result: AnalysisResult, name: str) -> str:
    return str(result["check_verdict"].values[list(result["check"].values).index(name)])


@pytest.fixture(scope="module")
def chaotic() -> AnalysisResult:
    return lyapunov(lorenz(), {"x": 1.0, "y": 1.0, "z": 1.0}, duration=20.0, transient=24.0, rtol=1e-7)


def test_lorenz(chaotic: AnalysisResult):
    assert chaotic.status is Verdict.PASS
    assert "chaotic" in chaotic.reason
    assert covers(chaotic, [0.90563, 0.0, -14.57219])
    width = (chaotic["lambda_hi"] - chaotic["lambda_lo"]).values
    assert width.max() < 0.2
    assert float(chaotic["D_KY_lo"]) <= 2.06215 <= float(chaotic["D_KY_hi"])
    assert chaotic.dataset.attrs["intervals_from"] == "independent members"


def test_the_sum_of_the_lorenz_exponents_is_exact(chaotic: AnalysisResult):
    assert float(chaotic["lambda"].sum()) == pytest.approx(-41 / 3, abs=1e-8)
    assert float(chaotic["trace_mean"]) == pytest.approx(-41 / 3, abs=1e-12)
    assert [check_of(chaotic, name) for name in ("sum rule", "zero exponent", "transport of f")] == ["pass"] * 3


def test_lorenz_at_its_origin_has_the_eigenvalues_there():
    result = lyapunov(lorenz(), {"x": 0.0, "y": 0.0, "z": 0.0}, duration=2.0, transient=4.0, rtol=1e-10, blocks=20)
    root = math.sqrt(1201)
    assert result["lambda"].values == pytest.approx([(-11 + root) / 2, -8 / 3, (-11 - root) / 2], abs=1e-8)
    assert "fixed point, which is unstable" in result.reason
    assert result.status is Verdict.PASS
    assert check_of(result, "eigenvalues") == "pass"
    # at the origin the formula gives the dimension of the global attractor, Leonov and Kuznetsov
    assert float(result["D_KY"]) == pytest.approx(2.401312763583084, abs=1e-7)


def test_decay_to_rest_has_the_exponent_of_the_eigenvalue():
    result = lyapunov(lambda t, y: -y, state(1.0), duration=20.0)
    assert result["lambda"].values == pytest.approx([-1.0], abs=1e-12)
    assert result.status is Verdict.PASS
    assert "at a fixed point" in result.reason


def test_linear_flows_have_the_real_parts_of_the_eigenvalues():
    matrix = torch.tensor([[-1.0, 5.0, 0.0], [0.0, -2.0, 1.0], [0.0, -1.0, -2.0]], dtype=torch.float64)
    result = lyapunov(lambda t, y: matrix @ y, state(1.0, 1.0, 1.0), duration=100.0, transient=50.0)
    assert result["lambda"].values == pytest.approx([-1.0, -2.0, -2.0], abs=1e-6)
    assert result.status is Verdict.PASS


@pytest.mark.parametrize(
    ("step", "start", "exponents", "total"),
    [
        (henon, (0.1, 0.1), [0.419217, -1.623190], math.log(0.3)),
        (lambda n, y: 4 * y * (1 - y), (0.3,), [math.log(2)], None),
        (lambda n, y: 1.99999 * torch.minimum(y, 1 - y), (0.3123,), [math.log(1.99999)], math.log(1.99999)),
        (lambda n, y: torch.remainder(2 * y + 1e-9 * torch.sin(y), 1.0), (0.3123,), [math.log(2)], None),
    ],
    ids=["henon", "logistic", "tent", "bernoulli"],
)  # fmt: skip
def test_maps(step, start, exponents, total):
    result = lyapunov(step, state(*start), duration=1000, transient=200, discrete=True)
    assert result.status is Verdict.PASS, result.reason
    assert "chaotic" in result.reason
    low, high = result["lambda_lo"].values - 1e-8, result["lambda_hi"].values + 1e-8  # 1e-9: see the Bernoulli map
    assert ((low <= exponents) & (exponents <= high)).all()
    assert (high - low).max() < 0.02
    if total is not None:
        assert float(result["lambda"].sum()) == pytest.approx(total, abs=1e-10)


def test_a_limit_cycle_has_one_zero_exponent():
    result = lyapunov(
        lambda t, y: torch.stack([y[1], (1 - y[0] ** 2) * y[1] - y[0]]), state(0.1, 0.1), duration=100.0, transient=30.0
    )
    assert result.status is Verdict.PASS
    assert "periodic" in result.reason
    assert float(result["D_KY"]) == pytest.approx(1.0)
    assert result.dataset.attrs["intervals_from"] == "stretches of time"  # the members move together


@pytest.mark.slow
def test_roessler():
    # J. C. Sprott, Chaos and Time-Series Analysis (2003), table A.4: 0.0714, 0, -5.3943; D_KY 2.0132
    result = lyapunov(
        lambda t, y: torch.stack([-y[1] - y[2], y[0] + 0.2 * y[1], 0.2 + y[2] * (y[0] - 5.7)]),
        state(1.0, 1.0, 0.0), duration=200.0, transient=200.0,
    )  # fmt: skip
    assert result.status is Verdict.PASS
    assert covers(result, [0.0714, 0.0, -5.3943])


def test_lorenz_96_contracts_volumes_at_the_rate_of_its_size():
    def step(t, y):
        return (torch.roll(y, -1, -1) - torch.roll(y, 2, -1)) * torch.roll(y, 1, -1) - y + 8.0

    result = lyapunov(step, state(8.01, *[8.0] * 5), duration=10.0, transient=10.0, members=8)
    assert float(result["lambda"].sum()) == pytest.approx(-6.0, abs=1e-6)
    assert check_of(result, "sum rule") == "pass"


def henon_heiles(t, u):
    x, y, p, q = u
    return torch.stack([p, q, -x - 2 * x * y, -y - x**2 + y**2])


def test_exponents_of_a_hamiltonian_flow_come_in_pairs():
    result = lyapunov(
        henon_heiles, state(0.0, -0.25, 0.42, 0.0), duration=60.0, transient=10.0, members=8, hamiltonian=True
    )
    assert check_of(result, "pairing") == "pass"
    assert float(result["lambda"][0] + result["lambda"][-1]) == pytest.approx(0.0, abs=2 / 60)  # exact as T grows
    assert float(result["trace_mean"]) == 0.0


def test_declared_pairs_that_are_none_fail():
    def damped(t, y):
        return torch.stack([y[1], -y[0] - 0.1 * y[1]])

    result = lyapunov(damped, state(1.0, 0.0), duration=40.0, members=1, hamiltonian=True)
    assert result.status is Verdict.FAIL
    assert "pairing does not hold" in result.reason


def test_a_complex_state_is_pairs_of_real_ones():
    result = lyapunov(lambda t, y: (-0.5 + 3j) * y, torch.tensor([1 + 1j], dtype=torch.complex128), duration=40.0)
    assert result["lambda"].values == pytest.approx([-0.5, -0.5], abs=1e-8)


def test_wrong_tangents_do_not_pass():
    class Forged(torch.autograd.Function):
        """sin whose derivative is too large by a hundredth."""

        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return torch.sin(x)

        @staticmethod
        def setup_context(ctx, inputs, output):
            (x,) = inputs
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)

        @staticmethod
        def backward(ctx, grad):
            return grad * torch.cos(ctx.saved_tensors[0])

        @staticmethod
        def jvp(ctx, tangent):
            return 1.01 * tangent * torch.cos(ctx.saved_tensors[0])

    def thomas(t, y):  # R. Thomas' cyclically symmetric attractor
        return Forged.apply(torch.roll(y, -1)) - 0.19 * y

    result = lyapunov(thomas, state(1.0, 0.1, 0.0), duration=40.0, transient=20.0, members=8)
    assert result.status is Verdict.FAIL
    assert check_of(result, "transport of f") == "fail"


def test_a_wrong_divergence_does_not_pass(monkeypatch):
    honest = volume_module.Volume

    def forged(exact, rate):
        return honest(exact, lambda t, y: rate(t, y) + 1e-4)

    monkeypatch.setattr(volume_module, "Volume", forged)
    result = lyapunov(lorenz(), {"x": 1.0, "y": 1.0, "z": 1.0}, duration=4.0, transient=4.0, blocks=20)
    assert result.status is Verdict.FAIL
    assert "sum rule does not hold" in result.reason


def test_a_short_run_decides_nothing():
    result = lyapunov(lorenz(), {"x": 1.0, "y": 1.0, "z": 1.0}, duration=4.0, transient=4.0, members=2, blocks=20)
    assert result.status is Verdict.INCONCLUSIVE
    assert "raise duration" in result.reason


def test_starts_on_different_attractors_are_told_apart():
    # a pitchfork with unequal wells: J = -2 and -0.5 at the ends
    def step(t, y):
        return torch.where(y > 0, -2.0 * (y - 1), -0.5 * (y + 1))

    result = lyapunov(step, torch.tensor([[0.5], [-0.5]]), duration=20.0, batch_dims=1)
    assert result.status is Verdict.INCONCLUSIVE
    assert "analyse them one by one" in result.reason
    assert np.sort(result["lambda_sample"].values[:, 0]) == pytest.approx([-2.0, -0.5])


def test_without_a_law_there_is_no_pass():
    result = lyapunov(henon, state(0.1, 0.1), duration=200, count=1, discrete=True)
    assert result.status is Verdict.INCONCLUSIVE
    assert "no law applies" in result.reason


def test_functions_without_derivatives_are_differenced_and_say_so():
    def step(t, y):
        return torch.as_tensor(-np.sin(y.numpy(force=True)) - 0.5 * y.numpy(force=True))

    result = lyapunov(step, state(1.0), duration=40.0, members=2)
    assert result["lambda"].values == pytest.approx([-1.5], abs=1e-6)
    assert result.dataset.attrs["certificate"] == "empirical"
    assert "tangents by differences" in result.reason


def test_a_blow_up_has_no_exponents():
    result = lyapunov(lambda t, y: y**2, state(1.0), duration=10.0)
    assert result.status is Verdict.NOT_APPLICABLE
    assert "does not stay finite" in result.reason
    escaping = lyapunov(lambda n, y: 5 * y * (1 - y), state(0.3), duration=200, discrete=True)
    assert escaping.status is Verdict.NOT_APPLICABLE


def test_events_and_large_fields_are_not_applicable():
    ball = fs.FieldEquation("dx/dt = v; dv/dt = -1", events=[fs.Event("x", direction="down", reset={"v": "-v"})])
    assert lyapunov(ball, {"x": 1.0, "v": 0.0}, duration=10.0).status is Verdict.NOT_APPLICABLE
    heat = fs.FieldEquation("du/dt = laplacian(u)", grid=fs.Grid(500, extent=1.0), boundary=fs.Periodic())
    large = study(Problem(heat, {"u": torch.zeros(500)}, (0.0, 1.0)))
    assert large.status is Verdict.NOT_APPLICABLE
    assert "duration=0.6" in large.reason


def test_held_nodes_are_no_directions():
    line = fs.Grid(8, extent=1.0, centring="node")
    heat = fs.FieldEquation("du/dt = laplacian(u)", grid=line, boundary=fs.Dirichlet(0))
    result = lyapunov(
        heat, {"u": torch.sin(math.pi * line.coordinate(0))}, duration=0.4, transient=1.6, members=1, count=1, blocks=20
    )
    h = 1 / 7
    assert result["lambda"].values == pytest.approx([-(4 / h**2) * math.sin(math.pi * h / 2) ** 2], rel=1e-6)
    with pytest.raises(OptionError, match="between 1 and 6"):
        lyapunov(heat, {"u": torch.zeros(8)}, duration=1.0, count=7)


def test_the_study_of_a_file_problem():
    result = study(Problem(lorenz(), {"x": state(1.0)[0], "y": state(1.0)[0], "z": state(1.0)[0]}, (0.0, 30.0)))
    assert result.schema == "lyapunov/1"
    assert covers(result, [0.9056, 0.0, -14.572])


@pytest.mark.parametrize("form", ["netcdf", "zarr"])
def test_round_trip(chaotic: AnalysisResult, tmp_path: Path, form: str):
    if form == "zarr":
        pytest.importorskip("zarr")
        again = AnalysisResult.from_zarr(chaotic.to_zarr(tmp_path / "l.zarr"))
    else:
        again = AnalysisResult.from_netcdf(chaotic.to_netcdf(tmp_path / "l.nc"))
    assert again.status is chaotic.status
    for name, data in again.dataset.variables.items():
        assert {"units", "long_name"} <= set(data.attrs), name
    assert np.array_equal(again["lambda"].values, chaotic["lambda"].values)
    assert again["lambda_lo"].attrs["confidence"] == 0.95


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_picture(chaotic: AnalysisResult, theme: str):
    left, right = chaotic.plot(theme).axes
    assert "Kaplan-Yorke" in left.get_title()
    assert right.get_xscale() == "log"
    empty = lyapunov(lambda t, y: y**2, state(1.0), duration=10.0)
    assert "NOT_APPLICABLE" in empty.plot(theme).get_suptitle()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"duration": 0.0}, "duration is a positive number"),
        ({"duration": 1.0, "dt": 0.0}, "dt is a positive step"),
        ({"duration": 1.0, "count": 2}, "between 1 and 1"),
        ({"duration": 1.0, "count": 0}, "count is a positive integer"),
        ({"duration": 1.0, "blocks": 30}, "multiple of 20"),
        ({"duration": 1.0, "confidence": 1.0}, "confidence lies"),
        ({"duration": 1.0, "transient": -1.0}, "not negative"),
        ({"duration": 1.0, "method": "rk4"}, "pass dt="),
        ({"duration": 10, "discrete": True}, "an iteration a block"),
        ({"duration": 1.0, "tolerance": 0.0}, "tolerance"),
    ],
)
def test_options_are_checked(options, match):
    with pytest.raises(OptionError, match=match):
        lyapunov(lambda t, y: -y, state(1.0), **options)


def test_functions_are_checked():
    with pytest.raises(StateError, match="expected a tensor of the shape"):
        lyapunov(lambda t, y: y.sum(), state(1.0, 2.0), duration=1.0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))

    class Rate(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, t, y):
            return self.net(y)

    with pytest.raises(OptionError, match=r"call .eval\(\) first"):
        lyapunov(Rate(), state(1.0, 2.0), duration=1.0)


def test_fixed_steps_of_a_plain_method():
    result = lyapunov(lambda t, y: -y, state(1.0), duration=20.0, method="rk4", dt=0.1, blocks=20)
    factor = 1 - 0.1 + 0.1**2 / 2 - 0.1**3 / 6 + 0.1**4 / 24
    assert float(result["lambda"][0]) == pytest.approx(math.log(factor) / 0.1, abs=1e-12)  # that of the numerical map
    assert float(result["lambda_lo"][0]) <= -1.0 <= float(result["lambda_hi"][0])  # the interval knows of the step
    assert float(result["lambda_hi"][0] - result["lambda_lo"][0]) < 1e-5


def test_the_tolerance_ends_the_run():
    result = lyapunov(
        lambda n, y: 4 * y * (1 - y),
        state(0.3),
        duration=100_000,
        transient=200,
        blocks=2000,
        discrete=True,
        tolerance=0.05,
    )
    assert result.dataset.sizes["block"] < 2000
    assert float(result["lambda_hi"][0] - result["lambda_lo"][0]) < 0.2


@pytest.mark.parametrize(
    ("exponents", "size", "dimension"),
    [
        ([0.90563, 0.0, -14.57219], 3, 2 + 0.90563 / 14.57219),
        ([0.419217, -1.623190], 2, 1.258267),
        ([0.0, -1.0], 2, 1.0),
        ([-1.0, -2.0], 2, 0.0),
        ([1.0, 0.0, -1.0], 3, 3.0),
        ([1.0, 0.5], 8, math.nan),
    ],
)
def test_kaplan_yorke(exponents, size, dimension):
    assert kaplan_yorke(np.array(exponents), size) == pytest.approx(dimension, abs=1e-6, nan_ok=True)


def test_intervals_cover_as_often_as_they_say():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        groups = rng.normal(size=(20, 1))
        found = jackknife(groups, np.asarray, 0.9, ordered=False)
        hits += bool(abs(found.value[0]) <= found.half[0])
    assert 0.86 < hits / 400 < 0.94


def test_correlated_stretches_widen_the_interval():
    rng, series = np.random.default_rng(1), [0.0]
    for value in rng.normal(size=19):
        series.append(0.8 * series[-1] + value)
    groups = np.array(series)[:, None]
    assert (
        jackknife(groups, np.asarray, 0.9, ordered=True).half > jackknife(groups, np.asarray, 0.9, ordered=False).half
    )


def test_it_is_public():
    assert analysis.lyapunov is lyapunov
