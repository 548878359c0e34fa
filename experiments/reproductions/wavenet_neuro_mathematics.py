"""Claims about WaveNetNeuro that a computation decides."""

from __future__ import annotations

import math

import torch

from fieldsolver.experiments.compare import Finding
from fieldsolver.models.wavenet_neuro.operation_counts import field_macs, transformer_macs

TOKENS, CHANNELS, LAYERS, EVALUATIONS = 1000, 512, 12, 20


def operations() -> Finding:
    """ "305,000 times fewer operations"."""
    theirs = transformer_macs(TOKENS, CHANNELS, layers=LAYERS)
    ours = field_macs(TOKENS, CHANNELS, evaluations=EVALUATIONS)
    words = (
        f"n = {TOKENS}, {CHANNELS} channels: {theirs:.2g} multiply-accumulates in {LAYERS} transformer layers over "
        f"{ours:.2g} in {EVALUATIONS} evaluations is {theirs / ours:.1f}; the claim counts one operation per position "
        "and forgets the channels"
    )
    return Finding(theirs / ours >= 0.9 * 305_000, words)


def gelu_is_bounded() -> Finding:
    """ "GELU is bounded, so the reaction is"."""
    x = torch.linspace(-10, 1000, 1_010_001, dtype=torch.float64)
    value = torch.nn.functional.gelu(x)
    lowest = int(value.argmin())
    words = f"its minimum is {value[lowest]:.5f} at {x[lowest]:.4f}; at x = 1000 it is {value[-1]:.0f}"
    return Finding(bool(value.abs().max() < 10), words)


def convergence_is_guaranteed() -> Finding:
    """ "Convergence to a steady state is guaranteed": D Lap phi + 2 GELU(phi) on 64 cells, from 0.01."""
    phi, dt = torch.full((64,), 0.01, dtype=torch.float64), 0.01
    phi = phi + 0.001 * torch.cos(2 * math.pi * torch.arange(64) / 64)
    time = 0.0
    while time < 100 and float(phi.abs().max()) < 1e6:
        phi = phi + dt * (0.1 * line_laplacian(phi) + 2 * torch.nn.functional.gelu(phi))
        time += dt
    size = float(phi.abs().max())
    words = f"with the reaction 2 GELU(phi) a field of 0.01 reaches {size:.0e} at t = {time:.0f} and goes on growing"
    return Finding(size < 1e6, words)


def step_bound() -> Finding:
    """ "Stable for dt < 2 D / lambda_max"."""
    diffusivity, largest = 10.0, 4.0  # of -Lap on a line of spacing 1
    claimed, right = 2 * diffusivity / largest, 2 / (diffusivity * largest)
    grown = [_growth(diffusivity, dt) for dt in (0.2 * claimed, 0.99 * right, 1.01 * right)]
    words = (
        f"D = {diffusivity:g}, lambda_max = {largest:g}: the claim allows dt up to {claimed:g}, and explicit Euler at "
        f"{0.2 * claimed:g} multiplies a field by {grown[0]:.0e} in 100 steps; the bound is 2/(D lambda_max) = "
        f"{right:g}: {grown[1]:.2f} at 0.99 of it, {grown[2]:.0f} at 1.01"
    )
    return Finding(grown[0] <= 1, words)


def energy_decreases() -> Finding:
    """ "The energy, the integral of phi^2, decreases"."""
    phi = torch.linspace(0.5, 1.5, 64, dtype=torch.float64)
    rate = 2 * (phi * (0.1 * line_laplacian(phi) + torch.nn.functional.gelu(phi))).sum()
    words = (
        f"its rate is 2 of the integral of phi phi_t, {float(rate):+.1f} for D Lap phi + GELU(phi) on a ramp; it falls "
        "for every field only if the reaction is the downhill direction of a potential"
    )
    return Finding(float(rate) <= 0, words)


def full_coverage() -> Finding:
    """ "n/2 iterations until every position has seen every other"."""
    sizes = (64, 256, 1024)
    steps = [_steps_to_cover(round(math.sqrt(size))) for size in sizes]
    exponent = math.log(steps[-1] / steps[0]) / math.log(sizes[-1] / sizes[0])
    counted = ", ".join(f"{step} for n = {size}" for size, step in zip(sizes, steps, strict=True))
    words = (
        f"in a square fold with a 3 x 3 stencil {counted}, which grows like n^{exponent:.2f}; n - 1 on a line. That is "
        "where influence can reach at all: diffusion reaches a distance r with a weight of order 1 after a time of "
        "order r^2/D"
    )
    return Finding(all(abs(step - size / 2) < 0.1 * size for step, size in zip(steps, sizes, strict=True)), words)


def average_work() -> Finding:
    """ "O(n log n) on the average"."""
    sizes = (64, 256, 1024)
    work = [size * _steps_to_cover(round(math.sqrt(size))) for size in sizes]
    exponent = math.log(work[-1] / work[0]) / math.log(sizes[-1] / sizes[0])
    words = (
        f"cells times steps until a square fold is covered grow like n^{exponent:.2f}, on a line like n^2; with a "
        "fixed number of steps the work is n, and then not every token hears of every other"
    )
    return Finding(exponent < 1.25, words)


def line_laplacian(phi: torch.Tensor) -> torch.Tensor:
    """Second difference of (n,) cells of width 1 between walls without flux."""
    flux = phi.diff()
    zero = phi.new_zeros(1)
    return torch.cat((flux, zero)) - torch.cat((zero, flux))


def _growth(diffusivity: float, dt: float, steps: int = 100, cells: int = 64) -> float:
    """By how much explicit Euler multiplies the fastest alternating field of a ring."""
    phi = torch.tensor((1.0, -1.0), dtype=torch.float64).repeat(cells // 2)
    for _ in range(steps):
        phi = phi + dt * diffusivity * (phi.roll(1) + phi.roll(-1) - 2 * phi)
    return float(phi.abs().max())


def _steps_to_cover(side: int) -> int:
    """Steps of a 3 x 3 stencil until a corner of a square has been heard everywhere."""
    heard = torch.zeros(1, 1, side, side)
    heard[..., 0, 0] = 1
    steps = 0
    while not bool(heard.all()):
        heard = torch.nn.functional.max_pool2d(heard, 3, stride=1, padding=1)
        steps += 1
    return steps
