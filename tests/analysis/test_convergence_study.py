"""What `fieldsolver analyze convergence` does with a whole problem."""

import math

import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis.convergence_study import study
from fieldsolver.analysis.problem import Problem
from fieldsolver.analysis.registry import find_analyser
from fieldsolver.results import AnalysisResult, Verdict


def problem(text="dv/dt = -v*cos(t)", start=1.0, **options):
    equation = fs.FieldEquation(text, parameters=options.pop("parameters", {}), events=options.pop("events", ()))
    given = {"t_span": (0.0, 20.0), "method": "auto", "progress": False, **options}
    return Problem(equation, {"v": torch.tensor(start, dtype=torch.float64)}, **given)


def test_the_command_line_knows_it():
    assert find_analyser("convergence").load() is study


@pytest.mark.parametrize("method", ["heun", "bosh3"])
def test_a_smooth_problem_shows_the_order_of_its_method(method, tmp_path):
    given = problem(method=method, dt=0.1) if method == "heun" else problem(method=method)
    result = study(given)
    assert result.status is Verdict.PASS, result.reason
    assert result.dataset.attrs["method"] == method
    assert AnalysisResult.from_netcdf(result.to_netcdf(tmp_path / "study.nc")).status is Verdict.PASS


def test_the_span_ends_before_the_first_event():
    event = fs.Event("v - 1", direction="up", reset={"v": "0"})
    result = study(problem("dv/dt = 1.5 - v + 0.1*cos(t)", start=0.0, events=[event], method="rk4", dt=0.5))
    first = 1.05
    assert float(result.dataset.attrs["t_span"].split(",")[1].strip(" )")) < first
    assert float(result["order"]) == pytest.approx(4, abs=0.5)


def test_a_problem_that_is_solved_exactly_says_so():
    result = study(problem("dv/dt = 1 + t", start=0.0))
    assert result.status is Verdict.ROUNDOFF_LIMITED, result.reason
    assert "solve exactly" in result.reason


def test_a_method_of_variable_order_has_none(tmp_path):
    result = study(problem(method="abm"))
    assert result.status is Verdict.NOT_APPLICABLE
    assert "tolerance_convergence" in result.reason
    again = AnalysisResult.from_zarr(result.to_zarr(tmp_path / "study.zarr"))
    again.plot("dark")


def test_a_field_far_too_large_is_left_to_the_user():
    grid = fs.Grid((1500, 1500), extent=1.0)
    equation = fs.FieldEquation("du/dt = -u", grid=grid, boundary=fs.Periodic())
    result = study(Problem(equation, {"u": torch.ones(1500, 1500)}, (0.0, 1.0), "rk4", 0.1, progress=False))
    assert result.status is Verdict.NOT_APPLICABLE
    assert "too long" in result.reason


def test_diffusion_on_a_grid_is_studied_in_single_precision_too():
    """The ladder runs in double precision whatever the file's start is."""
    grid = fs.Grid(32, extent=2 * math.pi)
    equation = fs.FieldEquation("du/dt = laplacian(u) + u - u**3", grid=grid, boundary=fs.Periodic())
    start = torch.sin(grid.coordinate(0)).float()
    result = study(Problem(equation, {"u": start}, (0.0, 2.0), "bosh3", progress=False))
    assert result.dataset.attrs["dtype"] == "float64"
    assert result.status in (Verdict.PASS, Verdict.ROUNDOFF_LIMITED, Verdict.INCONCLUSIVE), result.reason
