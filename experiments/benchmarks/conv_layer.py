"""Benchmark `train`, convolution layer: reaction and diffusion of 16 channels on 32 x 32 cells as a layer of a network.

    dphi/dt = D*laplacian(phi) + K @ phi - phi**3,  periodic, batch of 32, float32, 20 steps of rk4

Forward and backward, gradients of the state, D and K. The other side is what one writes by hand: `torch.nn.Conv2d`
arithmetic, each channel with its stencil and a 1 x 1 convolution between channels, every stage kept by autograd. Both
compute the same numbers. The first run of ours, which waits for the compiler, is the warm-up that the page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fieldsolver as fs

from .comparison import Comparison, Measurement, Quantity
from .held_memory import held_bytes
from .result import OTHER, OURS
from .settings import BenchSettings
from .timing import measure_alternately

SAMPLES, CHANNELS, CELLS, STEPS, DT = 32, 16, 32, 20, 0.05
COMPILED_BAR = 1.7
CHECKPOINTED_BAR = 1.0
MEMORY_BAR = 10.0
STATES = 15
"""Of two MiB each: less than a tenth of what the other side keeps."""


class HandWritten(nn.Module):
    """The layer by convolutions.

    Args:
        D: (C,) diffusivities.
        K: (C, C) coupling.
    """

    def __init__(self, D: Tensor, K: Tensor) -> None:
        super().__init__()
        self.D, self.K = nn.Parameter(D.clone()), nn.Parameter(K.clone())
        self.register_buffer("stencil", torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]))

    def rate(self, phi: Tensor) -> Tensor:
        """(B, C, X, Y) -> (B, C, X, Y), cells of size 1."""
        channels = phi.shape[1]
        kernel = self.D.view(-1, 1, 1, 1) * self.get_buffer("stencil")
        spread = F.conv2d(F.pad(phi, (1, 1, 1, 1), mode="circular"), kernel, groups=channels)
        return spread + F.conv2d(phi, self.K.view(channels, channels, 1, 1)) - phi**3

    def forward(self, phi: Tensor) -> Tensor:
        """20 steps of the classical Runge-Kutta method."""
        for _ in range(STEPS):
            k1 = self.rate(phi)
            k2 = self.rate(phi + DT / 2 * k1)
            k3 = self.rate(phi + DT / 2 * k2)
            k4 = self.rate(phi + DT * k3)
            phi = phi + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return phi


def compare(settings: BenchSettings) -> list[Comparison]:
    """All cases, timed in turns in one run."""
    settings.say("convolution layer: wall time against F.conv2d")
    ours, by_hand, phi = make_layers()
    sides = {name: _step(layer, phi) for name, layer in (*ours.items(), (OTHER, by_hand))}
    times = measure_alternately(sides, settings)
    held = {name: held_bytes(layer, phi) for name, layer in (*ours.items(), (OTHER, by_hand))}
    other = Measurement(f"F.conv2d, {_mebibytes(held[OTHER])}").with_times(times[OTHER])
    bars = {"compiled": COMPILED_BAR, "compiled, checkpoints": CHECKPOINTED_BAR}
    return [
        Comparison(
            f"convolution layer, {name}", Quantity.SECONDS,
            Measurement(f"{OURS}, {_mebibytes(held[name])}").with_times(times[name]), other, bar,
        )
        for name, bar in bars.items()
    ]  # fmt: skip


def make_layers(cells: int = CELLS, backend: str = "inductor") -> tuple[Mapping[str, nn.Module], nn.Module, Tensor]:
    """Our layers by name, the hand-written one with the same numbers, and an initial state."""
    generator = torch.Generator().manual_seed(0)
    K = 0.1 * torch.randn(CHANNELS, CHANNELS, generator=generator)
    phi = 0.5 * torch.randn(SAMPLES, CHANNELS, cells, cells, generator=generator)
    D = torch.linspace(0.1, 0.5, CHANNELS)
    modes: dict[str, str | fs.gradients.GradientMode] = {
        "compiled": "direct",
        "compiled, checkpoints": fs.gradients.Checkpointed(states=STATES),
    }
    ours = {
        name: fs.nn.FieldLayer(
            fs.FieldEquation(
                "dphi/dt = D*laplacian(phi) + K @ phi - phi**3",
                grid=fs.Grid((cells, cells), extent=(float(cells), float(cells))),
                boundary=fs.Periodic(),
                components={"phi": CHANNELS},
                parameters={"D": fs.Parameter(D), "K": fs.Parameter(K)},
            ).float(),
            duration=STEPS * DT, dt=DT, method=fs.CompiledMethod("rk4", backend=backend), gradient=mode,
        )
        for name, mode in modes.items()
    }  # fmt: skip
    return ours, HandWritten(D, K), phi


def _step(layer: nn.Module, phi: Tensor) -> Callable[[], None]:
    def step() -> None:
        layer.zero_grad()
        layer(phi.clone().requires_grad_()).square().mean().backward()

    return step


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB kept for the backward pass"
