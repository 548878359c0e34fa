"""The cross-check of independent engines: it passes what agrees and names what departs."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

import fieldsolver as fs
from fieldsolver.analysis import cross_check
from fieldsolver.analysis.crosscheck import engines as rooms_engines
from fieldsolver.equations.events import Event
from fieldsolver.results import AnalysisResult, Verdict
from fieldsolver.testing import REFERENCE_PROBLEMS, prothero_robinson

KEPLER = REFERENCE_PROBLEMS["Kepler, eccentricity 0.6"]
LINEAR = REFERENCE_PROBLEMS["linear"]
LADDER = (1e-4, 1e-6, 1e-8)


def dop853(f: Any, y0: Tensor, t0: float, t1: float, rtol: float, atol: float) -> Tensor:
    run = solve_ivp(
        lambda t, y: f(t, torch.from_numpy(y.copy())).numpy(), (t0, t1), y0.numpy(), "DOP853", rtol=rtol, atol=atol
    )
    return torch.from_numpy(run.y[:, -1].copy())


def study(problem: Any = LINEAR, **options: Any) -> AnalysisResult:
    return cross_check(problem.f, problem.y0, **{"t_span": problem.t_span, "progress": False, **options})


def verdicts(result: AnalysisResult) -> dict[str, str]:
    return dict(zip(result["engine"].values.tolist(), result["verdict"].values.tolist(), strict=True))


# ------------------------------------------------------------------------------------------------------- agreement


@pytest.mark.parametrize("name", ["linear", "Brusselator", "Kvaerno-Prothero-Robinson", "Lorenz orbit AB", "y' = y^2"])
def test_engines_agree_on_problems_with_known_ends(name: str) -> None:
    problem = REFERENCE_PROBLEMS[name]
    result = study(problem, methods=("tsit5", "dop853"), reference=problem.end)
    assert result.status is Verdict.PASS, result.reason
    assert set(verdicts(result).values()) == {"pass"}
    assert result["difference"].dims == ("engine", "tolerance")
    assert (result["nfev"].values > 0).all()


@pytest.mark.parametrize("name", [pytest.param("Pleiades", marks=pytest.mark.slow), "Kepler, eccentricity 0.6"])
def test_without_a_reference_the_engines_judge_each_other(name: str) -> None:
    result = study(REFERENCE_PROBLEMS[name])
    assert result.status is Verdict.PASS, result.reason
    assert result.dataset.attrs["reference"] in result["engine"].values
    assert 50 < float(result["amplification"]) < 1000
    slopes = result["slope"].values
    assert (abs(slopes[~torch.from_numpy(slopes).isnan().numpy()] - 1) < 0.3).all()


@pytest.mark.slow
def test_a_sensitive_orbit_needs_tight_tolerances() -> None:
    problem = REFERENCE_PROBLEMS["Arenstorf orbit"]
    assert study(problem).status is Verdict.INCONCLUSIVE
    assert study(problem, methods=("vern9",), tolerances=(1e-8, 1e-10, 1e-12)).status is Verdict.PASS


def test_complex_states_go_to_the_engines_that_take_them() -> None:
    y0 = torch.tensor([1.0 + 0.5j], dtype=torch.complex128)
    exact = y0 * complex(math.cos(3), math.sin(3)) * math.exp(-0.3)
    result = cross_check(lambda t, y: (1j - 0.1) * y, y0, t_span=(0, 3), tolerances=LADDER, reference=exact)
    assert result.status is Verdict.PASS
    assert verdicts(result)["scipy LSODA"] == "not applicable"
    assert "without scipy LSODA (LSODA takes no complex states)" in result.reason


@pytest.mark.parametrize("boundary", [fs.Periodic(), fs.Dirichlet(0.5)])
def test_declared_equations_on_grids(boundary: Any) -> None:
    grid = fs.Grid(12, extent=1.0, centring="node") if isinstance(boundary, fs.Dirichlet) else fs.Grid(12, extent=1.0)
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + u - u**3", grid=grid, boundary=boundary, parameters={"D": 0.01}
    ).double()
    u0 = 0.5 + 0.4 * torch.sin(2 * math.pi * torch.linspace(0, 1, 12, dtype=torch.float64))
    result = cross_check(equation, {"u": u0}, t_span=(0, 1), tolerances=LADDER)
    assert result.status is Verdict.PASS, result.reason
    end = fs.solve(equation, {"u": u0}, t_span=(0, 1), rtol=1e-11, atol=1e-11)["u"][-1]
    assert cross_check(equation, {"u": u0}, t_span=(0, 1), tolerances=LADDER, reference={"u": end}).status.holds


def test_arguments_of_functions_reach_every_engine() -> None:
    result = cross_check(
        lambda t, y, rate: -rate * y, torch.ones(2).double(), t_span=(0, 1), args=(torch.tensor(2.0).double(),),
        reference=torch.full((2,), math.exp(-2), dtype=torch.float64), tolerances=LADDER,
    )  # fmt: skip
    assert result.status is Verdict.PASS, result.reason


# ---------------------------------------------------------------------------------------------------------- faults


FAULTS = {
    "another equation": lambda f, y0, t0, t1, rtol, atol: dop853(lambda t, y: 1.0001 * f(t, y), y0, t0, t1, rtol, atol),
    "a small constant": lambda *given: dop853(*given) + 1e-6,
    "one entry": lambda *given: dop853(*given) * torch.tensor([1.0, 1.0 + 1e-6, 1.0, 1.0][: len(given[1])]).double(),
    "an early end": lambda f, y0, t0, t1, rtol, atol: dop853(f, y0, t0, t1 - 1e-4, rtol, atol),
    "deaf to tolerances": lambda f, y0, t0, t1, rtol, atol: dop853(f, y0, t0, t1, 1e-3, 1e-3),
}


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_engine_is_named(fault: str, place: str) -> None:
    others = {"scipy DOP853": "scipy DOP853", "scipy LSODA": "scipy LSODA"}
    engines = {"faulty": FAULTS[fault]} | others if place == "first" else others | {"faulty": FAULTS[fault]}
    result = study(engines=engines)
    assert result.status is Verdict.FAIL, result
    assert {name for name, verdict in verdicts(result).items() if verdict == "fail"} == {"faulty"}
    assert result.reason.startswith("faulty departs, while fieldsolver tsit5 and scipy DOP853 and scipy LSODA agree")


def test_a_fault_of_ours_is_named_however_many_methods_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that share code make the same mistakes: three of one family do not outvote two that are independent."""
    right = rooms_engines.solve

    def wrong(f: Any, *given: Any, **options: Any) -> Any:
        return right(lambda t, y: f(t, y) + 1e-5 * t, *given, **options)

    monkeypatch.setattr(rooms_engines, "solve", wrong)
    result = study(methods=("tsit5", "vern7", "dop853"), engines=("scipy DOP853", "scipy LSODA"), tolerances=LADDER)
    assert result.status is Verdict.FAIL
    ours = "fieldsolver tsit5, fieldsolver vern7, fieldsolver dop853"
    assert result.reason.startswith(f"{ours} departs, while scipy DOP853 and scipy LSODA agree")


def test_a_wrong_reference_is_named() -> None:
    result = study(reference=LINEAR.end + 1e-5, tolerances=LADDER)
    assert result.status is Verdict.FAIL
    assert result.reason.startswith("the reference departs from all engines, which agree with each other")
    faulty = study(reference=LINEAR.end, engines={"faulty": FAULTS["another equation"]}, tolerances=LADDER)
    assert faulty.reason.startswith("faulty departs, while fieldsolver tsit5 agree")


def test_between_two_engines_nobody_can_tell() -> None:
    result = study(engines={"faulty": FAULTS["another equation"]}, tolerances=LADDER)
    assert result.status is Verdict.FAIL
    assert "it cannot be told which one departs" in result.reason


# ------------------------------------------------------------------------------------------------------ no verdict


def test_chaos_is_inconclusive() -> None:
    problem = REFERENCE_PROBLEMS["Lorenz orbit AB"]
    result = study(problem, t_span=(0, 25), tolerances=(1e-4, 1e-5, 1e-6))
    assert result.status is Verdict.INCONCLUSIVE
    assert "a small change of the state grows" in result.reason
    assert "shorten t_span" in result.reason
    assert study(problem, t_span=(0, 1), tolerances=LADDER).status is Verdict.PASS


def test_the_amplification_is_that_of_the_flow() -> None:
    """y' = 3 y grows by e^(3 T), from whichever time; for y' = -3 y nothing grows."""
    options: dict[str, Any] = {"t_span": (0, 1), "tolerances": LADDER}
    y0 = torch.tensor([1e-3], dtype=torch.float64)
    growing = cross_check(lambda t, y: 3 * y, y0, scale=1.0, **options)
    assert float(growing["amplification"]) == pytest.approx(math.exp(3), rel=0.05)
    assert float(cross_check(lambda t, y: -3 * y, y0, scale=1.0, **options)["amplification"]) < 1


def test_engines_that_spend_their_evaluations_decide_nothing() -> None:
    problem = prothero_robinson(-1e4)
    result = study(problem, max_evaluations=2000, tolerances=LADDER)
    assert result.status is Verdict.INCONCLUSIVE
    assert verdicts(result)["scipy LSODA"] == "inconclusive"  # alone it has nobody to agree with
    known = study(problem, max_evaluations=2000, tolerances=LADDER, reference=problem.end)
    assert verdicts(known)["scipy LSODA"] == "pass"
    assert verdicts(known)["scipy DOP853"] == verdicts(known)["fieldsolver tsit5"] == "inconclusive"
    assert known.status is Verdict.INCONCLUSIVE
    assert "fieldsolver tsit5 could not be judged: The sample used up its steps" in known.reason


def test_stiff_problems_with_implicit_engines() -> None:
    result = study(prothero_robinson(-3e3), engines=("scipy LSODA", "scipy Radau"), tolerances=LADDER)
    assert result.status is Verdict.PASS, result.reason
    nfev = dict(zip(result["engine"].values.tolist(), result["nfev"].values[:, -1].tolist(), strict=True))
    assert nfev["scipy LSODA"] < 0.3 * nfev["fieldsolver tsit5"]


def test_a_solution_that_blows_up_has_no_end_to_compare() -> None:
    result = study(REFERENCE_PROBLEMS["y' = y^2"], t_span=(0, 2), engines=("scipy DOP853", "torchdiffeq dopri5"))
    assert result.status is Verdict.INCONCLUSIVE
    assert "fewer than two independent engines reached the end" in result.reason


def test_an_absent_engine_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms_engines.importlib.util, "find_spec", lambda name: None)
    result = study(tolerances=LADDER)
    assert verdicts(result)["torchdiffeq dopri5"] == "not applicable"
    assert result.status is Verdict.PASS


def firing() -> fs.FieldEquation:
    return fs.FieldEquation("dv/dt = 2 - v", events=[Event("v - 1", direction="up", reset={"v": "0"})])


def test_events_are_not_applicable() -> None:
    result = cross_check(firing(), {"v": torch.tensor(0.0).double()}, t_span=(0, 1))
    assert result.status is Verdict.NOT_APPLICABLE
    assert set(verdicts(result).values()) == {"not applicable"}
    assert "events" in result.reason


# -------------------------------------------------------------------------------------------------- results, errors


def test_the_result_is_labelled_and_survives_a_file(tmp_path: Any) -> None:
    result = study(tolerances=LADDER)
    for name, variable in result.dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    again = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "check.nc"))
    assert (again.status, again.reason, again.schema) == (result.status, result.reason, "cross_check/1")
    assert verdicts(again) == verdicts(result)
    assert again.dataset.attrs["scipy_version"]
    again.plot().savefig(tmp_path / "check.png")
    assert (tmp_path / "check.png").read_bytes()[:4] == b"\x89PNG"


def test_every_outcome_has_a_picture() -> None:
    cross_check(firing(), {"v": torch.tensor(0.0).double()}, t_span=(0, 1)).plot()
    study(REFERENCE_PROBLEMS["Lorenz orbit AB"], t_span=(0, 25), tolerances=(1e-3, 1e-4)).plot()


ONE = torch.ones(1, dtype=torch.float64)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"f": 3}, "needs a FieldEquation or a function"),
        ({"f": fs.FieldEquation("dx/dt = -x + white_noise(0)", calculus="ito")}, "the equation has noise"),
        ({"f": fs.FieldEquation("dx/dt = -x"), "args": (1,)}, "args= belongs to plain functions"),
        ({"y0": torch.ones(1)}, r"dtype torch.float32; engines are compared in float64"),
        ({"y0": ONE * math.nan}, "NaN or infinity"),
        ({"y0": {"u": 1.0}}, "needs a FieldEquation"),
        ({"t_span": (1.0, 0.0)}, "from a finite start to a later end"),
        ({"t_span": 1.0}, "pair of numbers"),
        ({"methods": "tsit5"}, "methods is a list of names"),
        ({"methods": ("tsit55",)}, "did you mean 'tsit5'"),
        ({"methods": ("rk4",)}, "no error estimate and follows no tolerance"),
        ({"methods": ("tsit5", "tsit5")}, "named twice"),
        ({"engines": ("scipy DOP85",)}, "did you mean 'scipy DOP853'"),
        ({"engines": "scipy DOP853"}, "engines is a list"),
        ({"engines": ()}, "engines that share no code"),
        ({"tolerances": (1e-4,)}, "at least two numbers"),
        ({"tolerances": (1e-6, 1e-4)}, "from coarse to fine"),
        ({"tolerances": (1e-4, 1e-16)}, "between 1e-13 and 1"),
        ({"tolerances": "loose"}, "tolerances is a list"),
        ({"reference": torch.ones(2)}, r"reference has shape \(2,\), expected .* \(1,\)"),
        ({"reference": ONE * math.inf}, "the reference contains NaN"),
        ({"factor": 0.5}, "factor is a number of at least 1"),
        ({"scale": 0.0}, "scale is a positive number"),
        ({"max_evaluations": 0}, "max_evaluations is a positive integer"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    given = {"f": lambda t, y: -y, "y0": ONE, "t_span": (0.0, 1.0), **change}
    with pytest.raises((fs.OptionError, fs.StateError), match=sentence):
        cross_check(given.pop("f"), given.pop("y0"), **given)


def test_an_engine_that_returns_another_shape_is_refused() -> None:
    with pytest.raises(fs.OptionError, match=r"an engine returned shape \(2,\), expected that of y0, \(1,\)"):
        cross_check(lambda t, y: -y, ONE, t_span=(0, 1), engines={"odd": lambda *given: torch.ones(2)})


def test_jumps_of_f_are_not_called_sensitivity() -> None:
    result = cross_check(
        lambda t, y: torch.sign(torch.sin(5 * t)).expand_as(y), torch.zeros(1, dtype=torch.float64), t_span=(0, 3),
        engines=("scipy DOP853", "scipy LSODA"), tolerances=(1e-4, 1e-6, 1e-8), progress=False,
    )  # fmt: skip
    assert result.status is Verdict.INCONCLUSIVE
    assert "errors do not fall with the tolerance" in result.reason
    assert "restart_at=" in result.reason
    assert "land_at=" in result.reason
    assert 0.5 < float(result.dataset["amplification"]) < 1.0 + 1e-6  # y only shifts the solution
