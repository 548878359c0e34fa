"""Each of the kinetics at what it is known for: a place, a start, and long enough to see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import fieldsolver as fs

from .catalogue import find_kinetics

Start = Callable[[fs.Grid, torch.Generator], dict[str, Tensor]]


@dataclass(frozen=True)
class Demo:
    """How to show one of the kinetics.

    Attributes:
        shows: one line.
        shape, extent: of the grid.
        duration: of the run.
        start: fields at time 0.
        changes: numbers that differ from the kinetics' own.
        periodic: no ends; walls without flux otherwise.
    """

    shows: str
    shape: tuple[int, ...]
    extent: float
    duration: float
    start: Start
    changes: Mapping[str, Any] = field(default_factory=dict)
    periodic: bool = False


def _step(height: float = 1.0, share: float = 0.15) -> Start:
    def start(grid: fs.Grid, generator: torch.Generator) -> dict[str, Tensor]:
        x = grid.coordinates()[0]
        return {"u": torch.where(x < share * grid.lengths[0], height, 0.0).double().expand(grid.shape).clone()}

    return start


def _noise(size: float, **rest: float) -> Start:
    """Noise around a uniform state, one value per species."""

    def start(grid: fs.Grid, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            species: value + size * torch.randn(grid.shape, dtype=torch.float64, generator=generator)
            for species, value in rest.items()
        }

    return start


def _broken_front(u: tuple[float, float], v: tuple[float, float]) -> Start:
    """Excited on the left and refractory below: where the edges cross, the front curls."""

    def start(grid: fs.Grid, generator: torch.Generator) -> dict[str, Tensor]:
        x, y = grid.coordinates()
        middle = [length / 2 for length in grid.lengths]
        excited = torch.where(x < middle[0], u[0], u[1]).double().expand(grid.shape)
        return {"u": excited.clone(), "v": torch.where(y < middle[1], v[0], v[1]).double().expand(grid.shape).clone()}

    return start


def _winding(name: str, **changes: Any) -> Start:
    """The phase of the well-mixed oscillation winds once around the middle, and has to turn for ever."""

    def start(grid: fs.Grid, generator: torch.Generator) -> dict[str, Tensor]:
        kinetics = find_kinetics(name)
        times = torch.linspace(10.0, 30.0, 4001, dtype=torch.float64)
        one = dict.fromkeys(kinetics.species, 0.1)
        run = fs.solve(kinetics.equation(**changes), one, t_span=(0.0, 30.0), save_at=times, rtol=1e-5, atol=1e-8)
        first = run[kinetics.species[0]]
        rising = (first.diff().sign().diff() < 0).nonzero().flatten() + 1
        begin, end = (int(index) for index in rising[:2])  # from one maximum to the next: a period
        x, y = (position - length / 2 for position, length in zip(grid.coordinates(), grid.lengths, strict=True))
        phase = (torch.atan2(y, x) / (2 * math.pi)) % 1
        index = (begin + phase * (end - begin)).long()
        return {species: run[species][index] for species in kinetics.species}

    return start


def _seed(grid: fs.Grid, generator: torch.Generator) -> dict[str, Tensor]:
    """Gray-Scott's empty state with a square of the other in the middle."""
    x, y = grid.coordinates()
    inside = ((x - grid.lengths[0] / 2).abs() < 0.1) & ((y - grid.lengths[1] / 2).abs() < 0.1)
    rough = 0.01 * torch.randn(grid.shape, dtype=torch.float64, generator=generator)
    return {"u": torch.where(inside, 0.5, 1.0).double() + rough, "v": torch.where(inside, 0.25, 0.0).double()}


def _spots(name: str) -> Start:
    """Active in the middle of the line."""

    def start(grid: fs.Grid, generator: torch.Generator) -> dict[str, Tensor]:
        (x,) = grid.coordinates()
        inside = ((x - grid.lengths[0] / 2).abs() < grid.lengths[0] / 20).double()
        first, *others = find_kinetics(name).species
        return {first: inside, **{other: torch.zeros_like(inside) for other in others}}

    return start


DEMOS: dict[str, Demo] = {
    "allen_cahn": Demo("two phases coarsen", (48, 48), 48.0, 60.0, _noise(0.1, u=0.0), periodic=True),
    "amari": Demo("a pulse becomes the stable bump", (240,), 12.0, 15.0, _spots("amari")),
    "amari_smooth": Demo("the same with a rate of finite slope", (240,), 12.0, 15.0, _spots("amari_smooth")),
    "brusselator": Demo("a pattern out of noise", (32, 32), 64.0, 30.0, _noise(0.05, u=3.0, v=3.0), periodic=True),
    "fisher_kpp": Demo("an invasion at twice the root of D r", (160,), 80.0, 30.0, _step()),
    "fitzhugh_nagumo": Demo(
        "a spiral", (80, 80), 160.0, 240.0, _broken_front((1.5, -1.2), (0.8, -0.6)), {"eps": 0.04, "gamma": 0.5}
    ),
    "gierer_meinhardt": Demo("peaks out of noise", (32, 32), 40.0, 40.0, _noise(0.02, u=1.1, v=1.21), periodic=True),
    "gray_scott": Demo("a labyrinth grows from a seed", (64, 64), 0.8, 2500.0, _seed, periodic=True),
    "nagumo": Demo("a front that keeps its shape", (160,), 60.0, 80.0, _step()),
    "oregonator": Demo(
        "a spiral", (80, 80), 24.0, 6.0, _winding("oregonator", f=1.4, q=0.002), {"f": 1.4, "q": 0.002},
    ),
    "schnakenberg": Demo("spots out of noise", (32, 32), 52.0, 40.0, _noise(0.02, u=1.0, v=0.9), periodic=True),
    "wilson_cowan": Demo("activity spreads and cycles", (96,), 24.0, 40.0, _spots("wilson_cowan")),
}  # fmt: skip


def demo(name: str, *, saves: int = 41, share: float = 1.0, **options: Any) -> fs.Solution:
    """Solve a demonstration; seconds to a minute on one core.

    Args:
        name: of the kinetics.
        saves: number of equidistant save points.
        share: of the duration.
        options: further arguments of `fieldsolver.solve`.

    Raises:
        OptionError: there are no such kinetics.
    """
    kinetics = find_kinetics(name)
    shown = DEMOS[name]
    grid = fs.Grid(shown.shape, extent=shown.extent)
    boundary = fs.Periodic() if shown.periodic else fs.Neumann(0)
    end = share * shown.duration
    given = {"rtol": 1e-4, "atol": 1e-6, **options}
    with torch.no_grad():
        return fs.solve(
            kinetics.equation(grid=grid, boundary=boundary, **shown.changes),
            shown.start(grid, torch.Generator().manual_seed(0)),
            t_span=(0.0, end),
            save_at=torch.linspace(0.0, end, saves, dtype=torch.float64),
            **given,
        )
