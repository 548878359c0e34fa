"""The study of a problem of a file, the energy that an equation offers, and what is saved."""

import numpy as np
import pytest
import torch

import fieldsolver as fs
from fieldsolver.analysis import energy
from fieldsolver.analysis.energy import study
from fieldsolver.analysis.problem import Problem
from fieldsolver.equations import FieldEquation
from fieldsolver.results import AnalysisResult, Verdict


def problem(equation, initial, end, **more):
    return Problem(equation, initial, (0.0, end), **more)


def pendulum(q=1.0):
    return FieldEquation("dq/dt = p; dp/dt = -sin(q)"), {
        "q": torch.tensor(q, dtype=torch.float64),
        "p": torch.tensor(0.0, dtype=torch.float64),
    }


def test_a_study_finds_the_hamiltonian_and_holds_the_solution_to_it():
    result = study(problem(*pendulum(), 8.0))
    assert result.status is Verdict.PASS, result.reason
    assert "Hamiltonian" in result.dataset.attrs["density"]
    assert result.dataset.attrs["expect"] == "conserved"
    assert result["role"].values.tolist() == ["conservative", "conservative"]


def test_a_study_judges_the_step_of_the_problem():
    result = study(problem(*pendulum(), 30.0, method="heun", dt=0.3))
    assert result.status is Verdict.FAIL
    assert "the time steps made" in result.reason
    assert "smaller dt" in result["repair"].values


def test_a_long_problem_is_studied_at_its_beginning():
    equation, start = pendulum()
    result = study(problem(equation, start, 1e6, settings={"rtol": 1e-8, "atol": 1e-10}))
    assert result.status is not Verdict.NOT_APPLICABLE
    assert float(result["time"][-1]) < 1e4
    assert float(result["steps"]) <= 400
    assert "of 1e+06" in result.reason


def test_a_solution_that_blows_up_is_named():
    """Its energy falls until then, and that is not the end of the story."""
    equation = FieldEquation("dy/dt = y**2")
    result = study(problem(equation, {"y": torch.tensor(1.0, dtype=torch.float64)}, 2.0))
    assert "up to t = 1 of 2, where the solution ended" in result.reason
    assert result.reason.count("the energy is") == 1


def test_without_the_structure_of_an_energy_the_budget_has_to_close():
    lorenz = FieldEquation(
        "dx/dt = s*(y - x); dy/dt = x*(r - z) - y; dz/dt = x*y - b*z", parameters={"s": 10.0, "r": 28.0, "b": 8 / 3}
    )
    start = {name: torch.tensor(1.0, dtype=torch.float64) for name in "xyz"}
    result = study(problem(lorenz, start, 5.0))
    assert result.status is Verdict.PASS
    assert "structure of no energy" in result.dataset.attrs["density"]


def test_noise_is_not_applicable():
    equation = FieldEquation("dx/dt = -x + 0.1*white_noise(0)", calculus="ito")
    result = study(problem(equation, {"x": torch.tensor(1.0, dtype=torch.float64)}, 1.0))
    assert result.status is Verdict.NOT_APPLICABLE
    assert "noise" in result.reason


def test_the_energy_that_an_equation_offers_can_be_asked_for():
    equation, start = pendulum()
    solution = fs.solve(equation, start, t_span=(0, 1), save_at=[0, 0.5, 1])
    named = energy(equation, solution, density="p**2/2 - cos(q)")
    found = energy(equation, solution, density="auto")
    assert np.ptp((found["energy"] - named["energy"]).values) < 1e-12
    default = energy(equation, solution)
    assert default.dataset.attrs["density"].endswith("(default: no density was given)")


@pytest.mark.parametrize("store", ["netcdf", "zarr"])
def test_every_part_survives_a_round_trip(store, tmp_path):
    equation = FieldEquation(
        "d2u/dt2 = c**2*laplacian(u)", grid=fs.Grid(16, extent=1.0), boundary=fs.Periodic(), parameters={"c": 1.0}
    )
    (x,) = equation.grid.coordinates()
    start = equation.pack({"u": torch.sin(2 * torch.pi * x), "du/dt": 0 * x}).expand(2, -1, -1)
    solution = fs.solve(equation, start, t_span=(0, 1), dt=0.05, method="heun", save_at=torch.linspace(0, 1, 11),
                        check="off")  # fmt: skip
    result = energy(equation, solution, density="0.5*d_dt(u)**2 - 0.5*c**2*u*laplacian(u)", expect="conserved",
                    ladder=[0.05, 0.025, 0.0125], wavenumbers=True)  # fmt: skip
    for name in ("repair", "mode", "k", "level", "component", "batch"):
        assert name in result.dataset.dims, name
    for name, variable in result.dataset.variables.items():
        assert {"units", "long_name"} <= set(variable.attrs), name
    for key in ("inputs_sha256", "equation", "dtype", "wall_time_s", "seed", "density"):
        assert key in result.dataset.attrs
    path = tmp_path / f"energy.{store}"
    if store == "zarr":
        pytest.importorskip("zarr")
        again = AnalysisResult.from_zarr(result.to_zarr(path))
    else:
        again = AnalysisResult.from_netcdf(result.to_netcdf(path))
    assert again["budget_by_component"].equals(result["budget_by_component"])
    assert again["repair_text"].values.tolist() == result["repair_text"].values.tolist()
    for theme in ("light", "dark"):
        again.plot(theme).savefig(tmp_path / f"{theme}.png")
    assert len(result.to_dataframe("mode")) == result.dataset.sizes["mode"]
