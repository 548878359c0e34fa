"""Work-precision studies: fronts and choices on made-up numbers, and real runs judged by counts, never by the clock."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import work_precision
from fieldsolver.analysis.precision import runs, study
from fieldsolver.analysis.precision.cheapest import choices, crossover, decades, pareto_front, work_for
from fieldsolver.analysis.problem import Problem
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

Y0 = torch.ones(1, dtype=torch.float64)
SPAN = (0.0, 2.0)
LADDER = [10.0**-k for k in range(3, 9)]


def growth(t, y):
    return 2 * y * torch.cos(t)


def exact(t):
    return torch.tensor([math.exp(2 * math.sin(t))], dtype=torch.float64)


def compared(**changes):
    options = {"t_span": SPAN, "methods": ["bosh3", "tsit5"], "rtols": LADDER, "atol_ratio": 1.0, "exact": exact}
    return work_precision(growth, Y0, **{**options, "repeats": 2, **changes})


@pytest.fixture(scope="module")
def result():
    return compared()


# --------------------------------------------------------------------- fronts and choices


def test_the_front_holds_the_runs_that_none_beats():
    work = np.array([[1.0, 2.0, 4.0], [1.0, 3.0, np.nan]])
    error = np.array([[1e-1, 1e-3, 1e-4], [1e-2, 1e-3, 1e-9]])
    assert pareto_front(work, error).tolist() == [[False, True, True], [True, False, False]]


def test_equal_runs_are_both_on_the_front():
    assert pareto_front(np.array([1.0, 1.0]), np.array([2.0, 2.0])).all()


def test_work_between_settings_follows_the_power_law():
    work = np.array([10.0, 100.0, 1000.0])
    error = work**-3.0
    assert work_for(1e-5, work, error) == pytest.approx(10 ** (5 / 3))
    assert work_for(1e-2, work, error) == 10.0  # the loosest run is accurate enough
    assert math.isnan(work_for(1e-10, work, error))


def power_laws():
    """Orders 2 and 5, which cross at work 8, error 1/64."""
    work = np.geomspace(2, 512, 9)
    return work, np.stack([work**-2.0, 8**3 * work**-5.0])


def test_methods_cross_where_their_power_laws_do():
    work, error = power_laws()
    both = np.stack([work, work])
    assert crossover(0.1, 1e-4, (work, error[0]), (work, error[1])) == pytest.approx(1 / 64, rel=1e-9)
    best = choices(np.array([1e-1, 1e-3]), both, error, both, both)
    assert [one.method for one in best] == [0, 1]
    assert best[1].advantage == pytest.approx(1e-3**-0.5 / (1e-3 / 8**3) ** -0.2, rel=1e-9)


def test_overlapping_spreads_are_not_clear():
    work, error = power_laws()
    both = np.stack([work, work])
    (wide,) = choices(np.array([1e-3]), both, error, both / 2, both * 2)
    (narrow,) = choices(np.array([1e-3]), both, error, both * 0.99, both * 1.01)
    assert not wide.clear
    assert narrow.clear


def test_decades_lie_within_the_errors():
    assert decades(np.array([3e-2, 4e-5, np.nan, 0.0])) == pytest.approx([1e-2, 1e-3, 1e-4])
    assert decades(np.array([np.nan])).size == 0


# --------------------------------------------------------------------- real runs


def test_every_point_is_run_once_for_its_error_and_timed_repeatedly(result):
    assert result["wall_time"].shape == (2, 6, 2)
    assert (result["wall_time"] > 0).all()
    assert (result["time_q25"] <= result["time_median"]).all()
    assert (result["time_median"] <= result["time_q75"]).all()
    assert result.dataset.attrs["rounds"] == 2


def test_tighter_tolerances_cost_more_and_err_less(result):
    error = result["error"].sel(error_norm="max")
    assert (error.diff("setting") < 0).all()
    assert (result["nfev"].diff("setting") > 0).all()


def test_high_order_wins_in_evaluations_at_small_errors(result):
    names = result["cheapest_nfev"].values.tolist()
    assert names[-1] == "tsit5"
    assert np.nanmax(result["advantage_nfev"].values) > 2
    assert np.isnan(result["advantage_nfev"].values[-1])  # bosh3 did not get so far
    assert result["order"].values.tolist() == [3, 5]
    assert set(result["family"].values) == {"explicit Runge-Kutta"}


def test_counts_are_those_of_the_solver(result):
    solution = fs.solve(growth, Y0, t_span=SPAN, method="tsit5", rtol=LADDER[2], atol=LADDER[2])
    assert result["nfev"].values[1, 2] == int(solution.stats.nfev)
    assert result["nsteps"].values[1, 2] == int(solution.stats.accepted)
    assert result["error"].values[1, 2, 0] == pytest.approx(float((solution.y[-1] - exact(2.0)).abs()), rel=1e-9)


def test_the_verdict_names_a_method_for_every_decade(result):
    assert result.status in (Verdict.PASS, Verdict.INCONCLUSIVE)  # the clock decides which
    assert "is fastest for errors of" in result.reason
    assert (result.status is Verdict.PASS) == bool(result["clear"].values.all())


def test_fixed_steps_are_compared_by_their_size():
    found = compared(rtols=None, atol_ratio=None, dts=[0.2, 0.1, 0.05], methods=["heun", "rk4", "ab3"])
    assert found["dt"].values.tolist() == [0.2, 0.1, 0.05]
    assert found["nfev"].values[1].tolist() == [40, 80, 160]
    assert found["family"].values.tolist() == ["explicit Runge-Kutta", "explicit Runge-Kutta", "multistep"]


def test_a_computed_reference_has_an_error_of_its_own():
    found = compared(exact=None, rtols=LADDER[:4], repeats=1)
    assert 0 < float(found["reference_error"]) < 1e-11


def test_a_poor_reference_decides_nothing(monkeypatch):
    module = __import__("fieldsolver.analysis.work_precision", fromlist=["TIGHTEST"])
    monkeypatch.setattr(module, "TIGHTEST", 1e-5)
    found = compared(exact=None, repeats=1)
    assert found.status is Verdict.INCONCLUSIVE
    assert "more than 1 % of the finest error" in found.reason


def test_runs_that_fail_are_points_without_an_error():
    found = compared(max_steps=60, repeats=1)
    failed = np.isnan(found["error"].values[..., 0])
    assert failed[0, -1]
    assert not failed[1].any()
    assert np.isnan(found["wall_time"].values[failed]).all()
    assert not found["pareto"].values[failed].any()


def test_ctrl_c_keeps_what_is_done(monkeypatch):
    calls = []

    def interrupting(run):
        calls.append(run)
        if len(calls) == 9:
            raise KeyboardInterrupt
        run()
        return 0.5

    monkeypatch.setattr(runs, "_timed", interrupting)
    found = compared(rtols=LADDER[:3], repeats=4)
    assert found.status is Verdict.INCONCLUSIVE
    assert "interrupted after 8 of 24" in found.reason
    assert np.isfinite(found["wall_time"].values).sum() == 8
    assert found.dataset.attrs["rounds"] == 1


@pytest.mark.parametrize("store", ["netcdf", "zarr"])
def test_round_trip(result, tmp_path, store):
    path = getattr(result, f"to_{store}")(tmp_path / f"work.{store}")
    again = getattr(AnalysisResult, f"from_{store}")(path)
    assert again.status is result.status
    assert again.dataset.drop_attrs().identical(result.dataset.drop_attrs())


def test_everything_has_units_and_a_name(result):
    for variable in result.dataset.variables.values():
        assert {"units", "long_name"} <= set(variable.attrs)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_drawn(result, theme):
    figure = result.plot(theme)
    assert len(figure.axes) == 2
    assert result.status.name in figure.get_suptitle()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"rtols": None}, "one of the two"),
        ({"dts": [0.1]}, "one of the two"),
        ({"atol_ratio": None}, "atol_ratio is"),
        ({"rtols": None, "dts": [0.1]}, "belongs to rtols"),
        ({"methods": []}, "different names"),
        ({"methods": ["tsit5", "tsit5"]}, "different names"),
        ({"methods": ["rk5"]}, "unknown method"),
        ({"methods": ["rk4"]}, "no error estimate"),
        ({"rtols": None, "atol_ratio": None, "dts": [0.1], "methods": ["abm"]}, "chooses its steps itself"),
        ({"rtols": None, "atol_ratio": None, "dts": [0.3]}, "does not divide"),
        ({"rtols": [1e-6, 1e-3]}, "from coarse to fine"),
        ({"repeats": 0}, "number of timed runs"),
        ({"repeats": True}, "number of timed runs"),
        ({"norm": "l1"}, "'max' or 'rms'"),
    ],
)
def test_options_that_are_refused(changes, fault):
    with pytest.raises(OptionError, match=fault):
        compared(**changes)


# --------------------------------------------------------------------- the study of the command line


def problem(text, **options):
    equation = fs.FieldEquation(text, **options)
    return Problem(equation, {name: torch.tensor(1.0, dtype=torch.float64) for name in equation.fields}, (0.0, 10.0))


def test_study_compares_three_methods(monkeypatch):
    monkeypatch.setattr(study, "REPEATS", 1)
    monkeypatch.setattr(study, "RTOLS", (1e-3, 1e-4, 1e-5))
    found = study.study(problem("dx/dt = v;  dv/dt = -sin(x)"))
    assert found["method"].values.tolist() == list(study.METHODS)
    assert np.isfinite(found["error"].values).all()


def test_study_of_noise_is_not_applicable():
    found = study.study(problem("dx/dt = -x + 0.1*white_noise(0)", calculus="ito"))
    assert found.status is Verdict.NOT_APPLICABLE
    assert "noise" in found.reason
    assert found.plot().texts


def test_study_of_a_slow_problem_says_what_to_do(monkeypatch):
    monkeypatch.setattr(study, "BUDGET", 0.0)
    found = study.study(problem("dx/dt = -x"))
    assert found.status is Verdict.NOT_APPLICABLE
    assert "call work_precision" in found.reason
