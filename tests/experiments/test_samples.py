"""The shipped equation files: all load and run; the kink against its exact solution."""

from __future__ import annotations

import math

import pytest
import torch

import fieldsolver as fs
from fieldsolver.equations.file_format import EquationFile, load_equation
from fieldsolver.experiments.sample_files import find_equation_file, sample_names


def sample(name: str) -> EquationFile:
    return load_equation(find_equation_file(name))


@pytest.mark.parametrize("name", sample_names())
def test_a_sample_loads_and_takes_some_steps(name: str) -> None:
    file = sample(name)
    assert file.title
    assert file.source
    start, end = file.solve["t_span"]
    options = file.solve | {"t_span": (start, start + (end - start) / 500), "save_at": None}
    with torch.no_grad():
        solution = fs.solve(file.equation, file.initial, **options)
    assert solution.success
    assert solution.stats.accepted.item() >= 2
    assert fs.explain(file.equation).limits


C = 0.5
GAMMA = 1 / math.sqrt(1 - C**2)


@pytest.fixture(scope="module")
def kink() -> tuple[torch.Tensor, fs.Solution]:
    file = sample("sine_gordon_kink")
    options = file.solve | {"save_at": torch.linspace(0.0, 40.0, 9, dtype=torch.float64)}
    return file.equation.grid.coordinate(0), fs.solve(file.equation, file.initial, **options)


def test_the_kink_follows_the_exact_solution(kink: tuple[torch.Tensor, fs.Solution]) -> None:
    x, solution = kink
    exact = 4 * torch.atan(torch.exp(GAMMA * (x + 10 - C * solution.t[:, None])))
    assert (solution["u"] - exact).abs().max() < 1e-4


def test_the_kink_moves_at_half_the_speed_of_light(kink: tuple[torch.Tensor, fs.Solution]) -> None:
    x, solution = kink
    u = solution["u"]
    after = (u > math.pi).double().argmax(dim=1)
    rows = torch.arange(len(u))
    low, high = u[rows, after - 1], u[rows, after]
    position = x[after - 1] + (math.pi - low) / (high - low) * (x[1] - x[0])
    speed = (position[-1] - position[0]) / (solution.t[-1] - solution.t[0])
    assert speed.item() == pytest.approx(C, abs=1e-5)


def test_the_energy_of_the_kink_is_eight_gamma(kink: tuple[torch.Tensor, fs.Solution]) -> None:
    x, solution = kink
    u, v, h = solution["u"], solution["v"], (x[1] - x[0]).item()
    slope = (u[:, :-3] - 27 * u[:, 1:-2] + 27 * u[:, 2:-1] - u[:, 3:]) / (24 * h)  # fourth order, between the points
    energy = h * (v**2 / 2 + 1 - torch.cos(u)).sum(1) + h * (slope**2 / 2).sum(1)
    torch.testing.assert_close(energy, torch.full_like(energy, 8 * GAMMA), rtol=1e-6, atol=0)


@pytest.mark.slow
def test_gray_scott_makes_a_pattern_that_fills_the_domain() -> None:
    file = sample("gray_scott")
    with torch.no_grad():
        v = fs.solve(file.equation, file.initial, **file.solve)["v"]
    quarters = v[-1].reshape(2, 64, 2, 64).permute(0, 2, 1, 3).reshape(4, -1)
    assert (quarters.std(1) > 0.05).all()
    assert (v[0] > 0.1).double().mean() < 0.05


@pytest.mark.slow
def test_the_spiral_keeps_rotating() -> None:
    file = sample("fitzhugh_nagumo_spiral")
    u = fs.solve(file.equation, file.initial, **file.solve)["u"]
    late = u[len(u) // 2 :, 64, 20]
    crossings = ((late[1:] > 0) & (late[:-1] <= 0)).sum().item()
    assert crossings >= 3
