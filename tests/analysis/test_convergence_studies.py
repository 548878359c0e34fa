"""Ladders that the analyser runs itself: methods in time, equations in space, seeded bugs, files and pictures."""

import math

import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import convergence, grid_convergence, time_convergence
from fieldsolver.equations.lowering.axes import ghost_layers
from fieldsolver.methods import METHODS, ButcherTableau, ExplicitRungeKutta
from fieldsolver.results import AnalysisResult, Verdict, VerdictNotReached

Y0 = torch.ones(1, dtype=torch.float64)


def swing(t, y):
    """y' = 2 y cos t, y = exp(2 sin t): not autonomous."""
    return 2 * y * torch.cos(t)


def swing_exact(t):
    return torch.tensor([math.exp(2 * math.sin(t))], dtype=torch.float64)


def halvings(coarsest, levels):
    return [coarsest / 2**k for k in range(levels)]


# ---------------------------------------------------------------------------------------------------- in time


FIXED = [name for name in METHODS if METHODS[name].fixed_steps]
HIGH = [name for name in FIXED if METHODS[name].order > 6]
TURNING = ["reversible_bosh3", "reversible_tsit5"]
"""Their error changes its sign somewhere in a series of halvings."""


@pytest.mark.parametrize("method", HIGH)
def test_a_high_order_is_beyond_double_precision_and_no_failure(method):
    """The tests of the methods step these in extended precision."""
    result = time_convergence(swing, Y0, t_span=(0, 2), method=method, dts=halvings(0.2, 5), exact=swing_exact)
    assert result.status in (Verdict.ROUNDOFF_LIMITED, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("method", TURNING)
def test_an_error_that_changes_its_sign_is_no_order(method):
    """The tests of these methods see their orders before and after."""
    result = time_convergence(swing, Y0, t_span=(0, 2), method=method, dts=halvings(0.2, 5), exact=swing_exact)
    assert result.status in (Verdict.PRE_ASYMPTOTIC, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("method", [name for name in FIXED if name not in HIGH + TURNING])
def test_every_method_has_its_order(method):
    coarsest = 0.02 if method in ("ab2", "ab3", "ab4") else 0.2  # a past that is long for the problem is of little use
    result = time_convergence(swing, Y0, t_span=(0, 2), method=method, dts=halvings(coarsest, 5), exact=swing_exact)
    assert result.status is Verdict.PASS, result.reason
    assert float(result["order"]) == pytest.approx(METHODS[method].order, abs=0.15)
    assert result.dataset.attrs["method"] == method


def test_self_convergence_reports_the_error_of_its_reference():
    result = time_convergence(swing, Y0, t_span=(0, 2), method="heun", dts=halvings(0.2, 4))
    assert result.status is Verdict.PASS, result.reason
    assert 0 < float(result["reference_error"]) < 0.01 * float(result["error"][-1])
    assert "32 times finer" in result.reason


def test_a_reference_that_is_not_accurate_enough_decides_nothing():
    """At round-off the reference is no better than what it judges."""
    result = time_convergence(swing, Y0, t_span=(0, 2), method="tsit5", dts=halvings(0.05, 4))
    assert result.status is Verdict.INCONCLUSIVE
    assert "reference" in result.reason


def test_a_step_that_does_not_divide_the_span_is_refused():
    with pytest.raises(fs.OptionError, match=r"does not divide.*take for example 0.2857"):
        time_convergence(swing, Y0, t_span=(0, 2), method="rk4", dts=[0.3, 0.15])


@pytest.mark.parametrize(
    ("b", "status"),
    [
        (("1/6", "1/3", "1/3", "1/6"), Verdict.PASS),
        (("1/6", "1/2", "1/6", "1/6"), Verdict.FAIL),  # consistent: order 2
        (("1/6", "1/4", "1/4", "1/3"), Verdict.FAIL),  # consistent: order 1
        (("1/6", "100001/300000", "99999/300000", "1/6"), None),  # a misprint in the sixth digit
    ],
)
def test_a_wrong_weight_of_rk4_turns_pass_into_another_verdict(b, status):
    method = ExplicitRungeKutta(
        ButcherTableau(
            name="rk4",
            order=4,
            source="Kutta 1901",
            c=(0, "1/2", "1/2", 1),
            a=((), ("1/2",), (0, "1/2"), (0, 0, 1)),
            b=b,
        )
    )

    def error(dt):
        t, y, step = torch.zeros_like(Y0), Y0.unsqueeze(0), torch.full_like(Y0, dt)
        for _ in range(round(2 / dt)):
            y = method.step(lambda t, y: swing(t.unsqueeze(-1), y), t, step, y).y_new
            t = t + step
        return float((y[0] - swing_exact(2.0)).abs())

    result = convergence(error, halvings(0.2, 7), expected=4, label="dt")
    if status is None:
        assert not result.status.holds
    else:
        assert result.status is status, result.reason


def test_a_solve_that_fails_is_a_level_without_an_error():
    def problem(h):
        if h > 0.3:
            fs.solve(lambda t, y: y**2, Y0, t_span=(0, 2))
        return h**2

    result = convergence(problem, halvings(0.4, 4), expected=2)
    assert result.status is Verdict.INCONCLUSIVE
    assert "h = 0.4" in result.reason


# --------------------------------------------------------------------------------------------------- in space


def heat(points, space_order=2):
    return fs.FieldEquation(
        "du/dt = D*laplacian(u)",
        grid=fs.Grid(points, extent=2 * math.pi),
        boundary=fs.Periodic(),
        parameters={"D": 0.5},
        space_order=space_order,
    )


def heat_exact(t, x):
    return {"u": math.exp(-0.5 * t) * torch.sin(x) + math.exp(-2 * t) * torch.cos(2 * x)}


@pytest.mark.parametrize("order", [2, 4])
def test_the_order_of_the_laplacian(order):
    result = grid_convergence(lambda n: heat(n, order), [24, 48, 96, 192], exact=heat_exact, t_span=(0, 0.1))
    assert result.status is Verdict.PASS, result.reason
    assert float(result["expected"]) == order


def test_a_wrong_stencil_coefficient_fails(monkeypatch):
    right = ghost_layers.derivative
    monkeypatch.setattr(ghost_layers, "derivative", lambda values, **options: 1.01 * right(values, **options))
    result = grid_convergence(heat, [12, 24, 48, 96], exact=heat_exact, t_span=(0, 0.3))
    assert not result.status.holds


def test_a_ladder_that_measures_the_time_integration_decides_nothing():
    result = grid_convergence(
        lambda n: heat(n, 4), [16, 24, 32], exact=heat_exact, t_span=(0, 0.3), method="euler", dt=0.01
    )
    assert result.status is Verdict.INCONCLUSIVE
    assert "time integration" in result.reason


def test_grids_must_become_finer_before_anything_is_solved():
    with pytest.raises(fs.OptionError, match="coarse to fine"):
        grid_convergence(heat, [24, 12], exact=heat_exact, t_span=(0, 1))


# ------------------------------------------------------------------------------------------ results and errors


def study(**options):
    return convergence(lambda h: h**2 * (1 + h), halvings(0.5, 6), expected=2, **options)


def test_every_variable_says_what_it_is():
    dataset = study().dataset
    for name, variable in dataset.variables.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name
    assert dataset["order_lo"].attrs["confidence"] == 0.95


def test_a_saved_study_keeps_its_verdict(tmp_path):
    result = study()
    again = AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "study.nc"))
    assert (again.status, again.reason, again.schema) == (result.status, result.reason, "convergence/1")
    assert float(again["order"]) == float(result["order"])
    assert str(again["model"].values) == "next order q=1"
    again.plot()


def test_the_picture_is_a_png(tmp_path):
    path = tmp_path / "study.png"
    study().plot().savefig(path)
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_a_study_without_an_order_has_a_picture_too():
    convergence(lambda h: 0.0, [0.1, 0.05]).plot()


def test_assert_pass_raises_the_reason():
    with pytest.raises(VerdictNotReached, match="clearly lower"):
        convergence(lambda h: h, halvings(0.5, 5), expected=2).assert_pass()


@pytest.mark.parametrize(
    ("problem", "ladder", "sentence"),
    [
        (lambda h: h, [0.1, 0.2], "coarse to fine"),
        (lambda h: h, [], "positive finite sizes"),
        (lambda h: h, ["a"], "list of sizes"),
        (lambda h: None, [0.1], "must return one number"),
        (lambda h: -h, [0.1], "cannot be negative"),
    ],
)
def test_bad_ladders_are_refused_in_one_sentence(problem, ladder, sentence):
    with pytest.raises(fs.OptionError, match=sentence):
        convergence(problem, ladder)
