"""The shipped equation files: all load and run; the kink against its exact solution."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize("current", [1.5, 1.05, 3.0, 0.95])
def test_the_neuron_fires_at_the_interval_of_the_closed_form(tmp_path: Path, current: float) -> None:
    """From v(t) = I (1 - exp(-t/tau)): the threshold 1 is reached after tau log(I/(I - 1)), or never."""
    text = find_equation_file("integrate_and_fire").read_text(encoding="utf-8")
    (tmp_path / "neuron.toml").write_text(text.replace("I = 1.5", f"I = {current}"), encoding="utf-8")
    file = load_equation(tmp_path / "neuron.toml")
    tau, end = file.equation.parameter_values()["tau"].item(), file.solve["t_span"][1]
    with torch.no_grad():
        solution = fs.solve(file.equation, file.initial, **file.solve)
    interval = tau * math.log(current / (current - 1)) if current > 1 else math.inf
    expected = interval * torch.arange(1, 1 + int(end / interval), dtype=torch.float64)
    torch.testing.assert_close(solution.events.times("spike"), expected, rtol=0, atol=3e-6)
    phase = solution.t if current < 1 else solution.t % interval
    apart = (phase > 1e-5) & (phase < interval - 1e-5)  # saves at a spike are on either side of it
    exact = current * (1 - torch.exp(-phase / tau))
    assert apart.sum() > 0.9 * len(apart)
    torch.testing.assert_close(solution["v"][apart], exact[apart], rtol=0, atol=1e-6)


def test_the_ball_bounces_when_and_as_fast_as_the_closed_form_says() -> None:
    file = sample("bouncing_ball")
    g, e = (file.equation.parameter_values()[name].item() for name in ("g", "e"))
    end = file.solve["t_span"][1]
    with torch.no_grad():
        solution = fs.solve(file.equation, file.initial, **file.solve)
    assert end < math.sqrt(2 / g) * (1 + e) / (1 - e)  # where the bounces pile up
    fall, n = math.sqrt(2 / g), torch.arange(40, dtype=torch.float64)
    times = fall * (1 + 2 * e * (1 - e**n) / (1 - e))
    times = times[times < end]
    before, after = solution.events.states("bounce")
    torch.testing.assert_close(solution.events.times("bounce"), times, rtol=0, atol=1e-9)
    speed = g * fall * e ** n[: len(times)]
    torch.testing.assert_close(before[:, 1], -speed, rtol=1e-9, atol=0)
    torch.testing.assert_close(after[:, 1], e * speed, rtol=1e-9, atol=0)
    assert solution["x"].min() > -1e-9
    height = (solution["v"] ** 2 / (2 * g) + solution["x"])[solution.t > times[-1]]  # of the last flight
    torch.testing.assert_close(height, torch.full_like(height, e ** (2 * len(times))), rtol=1e-7, atol=0)


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


def test_the_ring_leaves_and_little_of_it_comes_back() -> None:
    file = sample("wave_leaves")
    with torch.no_grad():
        solution = fs.solve(file.equation, file.initial, **file.solve)
    energy = wave_energy(file.equation.grid.spacing[0], solution)
    assert energy[0] == pytest.approx(torch.pi / 2, rel=1e-2)  # the integral of |grad u|^2/2 for a Gaussian
    before = solution.t < 0.5  # the ring has not reached a wall
    torch.testing.assert_close(energy[before], energy[0].expand(int(before.sum())), rtol=1e-2, atol=0)
    assert (energy[solution.t > 0.5].diff() < 1e-5).all()
    assert energy[-1] < 2e-3 * energy[0]
    assert solution["u"][-1].abs().max() < 1e-2


def wave_energy(h: float, solution: fs.Solution) -> torch.Tensor:
    u, v = solution["u"], solution["du/dt"]
    return h**2 * (v**2).sum((1, 2)) / 2 + ((u.diff(dim=1) ** 2).sum((1, 2)) + (u.diff(dim=2) ** 2).sum((1, 2))) / 2


@pytest.fixture(scope="module")
def cells() -> tuple[EquationFile, torch.Tensor]:
    file = sample("kuramoto_sivashinsky")
    with torch.no_grad():
        solution = fs.solve(file.equation, file.initial, **file.solve | {"t_span": (0.0, 60.0), "save_at": None})
    return file, solution["u"][-1]


def test_kuramoto_sivashinsky_against_integrating_factors(cells: tuple[EquationFile, torch.Tensor]) -> None:
    """The same case by another method on another grid: RK4 with integrating factors, 256 points, the 2/3 rule."""
    file, u = cells
    points, L, steps, t = 256, 32 * math.pi, 6000, 60.0
    x = L * np.arange(points) / points
    k = 2 * math.pi / L * np.arange(points // 2 + 1)
    half = np.exp((k**2 - k**4) * t / steps / 2)
    keep = np.arange(points // 2 + 1) < points / 3

    def rate(spectrum: np.ndarray) -> np.ndarray:
        return -0.5j * k * keep * np.fft.rfft(np.fft.irfft(spectrum) ** 2) * t / steps

    v = np.fft.rfft(np.cos(x / 16) * (1 + np.sin(x / 16)))
    for _ in range(steps):
        a = rate(v)
        b = rate(half * (v + a / 2))
        c = rate(half * v + b / 2)
        d = rate(half * (half * v + c))
        v = half**2 * (v + a / 6) + half * (b + c) / 3 + d / 6
    centres = file.equation.grid.coordinate(0).numpy()
    modes = np.where(k == 0, 1, 2) * v / points
    reference = (modes * np.exp(1j * np.multiply.outer(centres, k))).sum(1).real
    np.testing.assert_allclose(u.numpy(), reference, atol=2e-3 * np.abs(reference).max())


def test_kuramoto_sivashinsky_keeps_its_mean_and_its_symmetry(cells: tuple[EquationFile, torch.Tensor]) -> None:
    _, u = cells
    assert 2 < u.abs().max() < 4
    assert abs(u.mean()) < 1e-9
    odd_about = u.roll(24)  # x = 8 pi comes to the middle of the grid
    torch.testing.assert_close(odd_about, -odd_about.flip(0), rtol=0, atol=1e-6)


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
