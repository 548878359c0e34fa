"""Verdicts on orders and costs that a user showed to be wrong, and how they are judged now."""

import math

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver import analysis
from fieldsolver.analysis import convergence_study
from fieldsolver.analysis.orders.evidence import settled_below
from fieldsolver.analysis.precision import study
from fieldsolver.analysis.precision.cheapest import choices
from fieldsolver.analysis.problem import Problem
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import Verdict

ONE = torch.ones(1, dtype=torch.float64)
HALVED = [0.2 / 2**k for k in range(5)]


def decay(t, y):
    return -y


def true_decay(t):
    return torch.tensor([math.exp(-t)], dtype=torch.float64)


def in_time(**changes):
    options = {"t_span": (0, 2), "method": "rk4", "dts": HALVED, "exact": true_decay}
    return analysis.time_convergence(decay, changes.pop("y0", ONE), **{**options, **changes})


def costs(**changes):
    options = {"t_span": (0, 2), "methods": ["bosh3", "tsit5"], "rtols": [1e-3, 1e-4, 1e-5, 1e-6], "atol_ratio": 1.0}
    return analysis.work_precision(decay, ONE, **{**options, "exact": true_decay, "repeats": 3, **changes})


def ladders(levels, count):
    """p, h and ``|C1 h^p + C2 h^(p+1) + C3 h^(p+2)|``; the coefficients of every second one grow."""
    h = 0.2 / 2.0 ** np.arange(levels)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        p = int(rng.integers(1, 5))
        c = rng.standard_normal(3) * (np.array([1, 5, 25]) if seed % 2 else 1)
        yield p, h, np.abs(c[0] * h**p + c[1] * h ** (p + 1) + c[2] * h ** (p + 2))


# --------------------------------------------------------------------- orders


def test_fault_abm_is_not_held_to_its_highest_order():
    rtols = [10 ** (-3 - k / 2) for k in range(8)]
    result = analysis.tolerance_convergence(
        decay, ONE, t_span=(0, 2), method="abm", rtols=rtols, atol_ratio=1.0, exact=true_decay
    )
    assert math.isnan(float(result["expected"]))
    assert result.status is not Verdict.FAIL
    assert "than 6" not in result.reason


def test_fault_a_sign_change_at_the_coarse_end_is_no_stagnation():
    h = [0.2 / 2**k for k in range(8)]
    fit = analysis.fit_order(h, [abs(0.06 * x - 0.5 * x * x - x**3) for x in h], expected=1)
    assert fit.status is Verdict.PRE_ASYMPTOTIC
    assert "changes its sign" in fit.reason
    assert "run h = " in fit.reason


@pytest.mark.parametrize("levels", [3, 4, 5, 6, 7, 8, 10, 12])
def test_fault_true_orders_of_three_term_ladders_rarely_fail(levels):
    """Every FAIL of an order needs `settled_below`, so this bounds them; 35 of 400 were seen at 4 levels."""
    failed = sum(
        settled_below(np.diff(np.log(errors)) / np.diff(np.log(h)), p, 0.15) for p, h, errors in ladders(levels, 400)
    )
    assert failed < 5


@pytest.mark.parametrize(("levels", "least"), [(4, 150), (6, 280), (8, 350)])
def test_orders_that_are_too_low_by_one_can_still_fail(levels, least):
    found = sum(
        settled_below(np.diff(np.log(errors)) / np.diff(np.log(h)), p + 1, 0.15)
        for p, h, errors in ladders(levels, 400)
    )
    assert found > least


def test_fault_no_ladder_of_three_terms_fails_at_its_true_order():
    verdicts = [analysis.fit_order(h, errors, expected=p).status for p, h, errors in ladders(5, 25)]
    assert Verdict.FAIL not in verdicts
    assert verdicts.count(Verdict.PASS) > 5


def test_scatter_below_the_claim_can_fail():
    slopes = 1 + 0.2 * np.array([1.0, -1, 0.5, -1, 1, -0.5, 1, -1])
    assert settled_below(slopes, 3, 0.15)
    assert not settled_below(slopes, 1, 0.15)
    assert not settled_below(np.array([1.0]), 3, 0.15)


def test_fault_local_orders_of_rk38_that_still_rise_are_pre_asymptotic():
    result = analysis.time_convergence(
        lambda t, y: -(y**2) + torch.sin(torch.as_tensor(3.0 * t)), ONE, t_span=(0, 2), method="rk38", dts=HALVED
    )
    assert result.status is Verdict.PRE_ASYMPTOTIC
    assert "have not settled" in result.reason
    assert "0.00625" in result.reason


@pytest.mark.parametrize("exact_in", [torch.float64, torch.float32])
def test_fault_round_off_of_float32_is_named(exact_in):
    result = in_time(y0=ONE.float(), exact=lambda t: true_decay(t).to(exact_in))
    assert result.status is Verdict.ROUNDOFF_LIMITED
    assert "float32" in result.reason
    assert "float64" in result.reason
    assert "0.00625" not in result.reason


def test_float32_passes_and_fails_well_above_its_round_off():
    assert in_time(y0=ONE.float(), method="euler").status is Verdict.PASS
    assert in_time(y0=ONE.float(), method="euler", expected=2).status is Verdict.FAIL


def test_fault_a_line_through_round_off_is_no_order():
    fit = analysis.fit_order([0.4, 0.3, 0.2, 0.1], [3e-15, 1e-15, 2e-15, 5e-16], expected=5)
    assert fit.status is Verdict.ROUNDOFF_LIMITED
    assert math.isnan(fit.order)
    three = analysis.fit_order([0.4, 0.3, 0.25], [9e-15, 1e-15, 2e-16], expected=5)
    assert three.status is Verdict.ROUNDOFF_LIMITED
    assert math.isnan(three.order)


def test_fault_the_study_fits_no_order_to_round_off():
    start = {"x": torch.tensor(1.0, dtype=torch.float64)}
    problem = Problem(fs.FieldEquation("dx/dt = -x"), start, (0.0, 1e-3), "tsit5", None, {"first_step": 1e-4})
    result = convergence_study.study(problem)
    assert result.status is Verdict.ROUNDOFF_LIMITED
    assert math.isnan(float(result["order"]))


def test_no_line_is_drawn_through_an_order_that_is_not_known():
    result = analysis.convergence(lambda h: {0.4: 1e-3, 0.2: 7e-4, 0.1: 3e-6}[h], [0.4, 0.2, 0.1], expected=2)
    assert float(result["order_hi"] - result["order_lo"]) > 4
    labels = [line.get_label() for line in result.plot().axes[0].lines]
    assert not [label for label in labels if "fit" in label]


# --------------------------------------------------------------------- spectra and bands


@pytest.mark.parametrize("error", [lambda n: math.exp(0.1 * n), lambda n: 0.5])
def test_fault_spectral_errors_that_do_not_fall_fail(error):
    result = analysis.spectral_convergence(error, [8, 12, 16, 20, 24, 28, 32])
    assert result.status is Verdict.FAIL
    assert "do not fall" in result.reason


def test_fault_a_kink_has_no_round_off_floor():
    def advected(points):
        grid = fs.Grid(points, extent=2 * math.pi)
        return fs.FieldEquation("du/dt = -d_dx(u)", grid=grid, boundary=fs.Periodic(), scheme=fs.Spectral())

    result = analysis.grid_convergence(
        advected,
        [12, 16, 20, 24, 28, 32],
        t_span=(0, 0.5),
        exact=lambda t, x: {"u": (torch.remainder(x - t, 2 * math.pi) - math.pi).abs()},
        rtol=1e-7,
        atol=1e-8,
    )
    assert result.status in (Verdict.FAIL, Verdict.INCONCLUSIVE)
    assert "floor" not in result.reason


def test_fault_a_finest_value_of_zero_has_a_band():
    result = analysis.grid_convergence_index((0, 0.03, 0.15), (1, 2, 4), expected=2)
    assert result.status is Verdict.PASS
    assert "nan" not in result.reason
    assert float(result["band"]) == pytest.approx(0.0125)
    assert float(result["extrapolated_lo"]) == pytest.approx(-0.0125)
    assert float(result["extrapolated_hi"]) == pytest.approx(0.0125)


# --------------------------------------------------------------------- costs


def test_fault_errors_within_one_decade_compare_nothing():
    result = costs(exact=lambda t: true_decay(t) + 1)
    assert result.status is Verdict.INCONCLUSIVE
    assert "one decade" in result.reason


def test_fault_one_timed_run_has_no_spread():
    result = costs(repeats=1)
    assert result.status is Verdict.INCONCLUSIVE
    assert "no spread" in result.reason
    assert not result["clear"].values.all()


def test_fault_a_lead_of_one_percent_is_not_clear():
    work = np.array([[1.0, 2.0], [1.01, 2.02]])
    error = np.array([[1e-1, 1e-3], [1e-1, 1e-3]])
    (choice,) = choices(np.array([1e-2]), work, error, work, work)
    assert not choice.clear
    (choice,) = choices(np.array([1e-2]), work * [[1], [1.2]], error, work, work * [[1], [1.2]])
    assert choice.clear


@pytest.mark.parametrize(("method", "compared"), [("euler", False), ("dopri5", True)])
def test_fault_the_study_names_the_method_of_the_problem(monkeypatch, method, compared):
    monkeypatch.setattr(study, "REPEATS", 1)
    start = {"x": torch.tensor(1.0, dtype=torch.float64)}
    result = study.study(Problem(fs.FieldEquation("dx/dt = -x"), start, (0.0, 10.0), method))
    if compared:
        assert method in result["method"].values
    else:
        assert "euler, the method of the problem, follows no tolerance" in result.reason


# --------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"t_span": (2, 0)}, "runs forward"),
        ({"foo": 3}, "no option 'foo'"),
        ({"dt": 0.1}, "chosen by the study"),
        ({"expected": "2"}, "claimed order"),
        ({"floor": "0"}, "error level"),
        ({"confidence": "0.9"}, "between 0 and 1"),
    ],
)
def test_fault_options_are_refused_in_one_sentence(changes, sentence):
    with pytest.raises(OptionError, match=sentence):
        in_time(**changes)


def test_fault_an_exact_solution_of_nan_is_named():
    nan = {"exact": lambda t: torch.full((1,), math.nan, dtype=torch.float64)}
    for run in (in_time, costs):
        with pytest.raises(StateError, match="exact= is not finite"):
            run(**nan)


@pytest.mark.parametrize("expected", [2, "22", (2, "2"), (2,)])
def test_fault_a_lattice_wants_a_pair_of_orders(expected):
    with pytest.raises(OptionError, match="pair of claimed orders"):
        analysis.space_time_convergence(lambda h, dt: h + dt, [0.4, 0.2, 0.1], [0.4, 0.2, 0.1], expected=expected)
