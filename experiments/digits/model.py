"""The network: pixels start a field, a declared equation evolves it, a linear readout classifies what it became."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

import fieldsolver as fs

from .settings import Settings

TEXT = "du/dt = D*laplacian(u) - k*u + react(u, d_dx(u), d_dy(u))"
PIXELS = 8
CLASSES = 10


class DigitField(nn.Module):
    """A reaction-diffusion field with a linear readout.

    The field has `components`; the image is the initial value of the first, the others start at zero. Walls let nothing
    through. Every component diffuses and decays at its own trained rate; ``react`` is a small perceptron, applied at
    every point to the field and its slopes.

    Args:
        settings: sizes, duration and steps; a duration of 0 is the network without dynamics.
        seed: of the initial weights.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layer = _layer(settings)
            self.readout = nn.Linear(settings.components * PIXELS**2, CLASSES)
        self.scale = settings.scale

    def refined(self, factor: int) -> DigitField:
        """The same trained network, its equation solved with steps smaller by `factor`; for evaluation."""
        finer = copy.deepcopy(self)
        finer.layer.options["dt"] = self.layer.options["dt"] / factor
        return finer

    def start(self, images: Tensor) -> Tensor:
        """The initial field of images ``(B, 8, 8)``: ``(B, C, 8, 8)``."""
        field = images.new_zeros(len(images), self.layer.equation.components, PIXELS, PIXELS)
        # Grid axes are x (to the right) and y (upwards); rows of an image run downwards.
        field[:, 0] = self.scale * images.flip(1).transpose(1, 2)
        return field

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(B, 8, 8)`` to class scores ``(B, 10)``."""
        return self.readout(self.layer(self.start(images)).flatten(1))


def _layer(settings: Settings) -> fs.nn.FieldLayer:
    number, hidden = settings.components, settings.hidden
    first, last = nn.Linear(3 * number, hidden), nn.Linear(hidden, number)
    with torch.no_grad():  # the usual start is so weak that nothing happens within the duration
        first.weight.mul_(settings.gain)
        last.weight.mul_(settings.gain)
    equation = fs.FieldEquation(
        TEXT,
        grid=fs.Grid(shape=(PIXELS, PIXELS), extent=float(PIXELS)),
        boundary=fs.Neumann(0.0),
        components={"u": number},
        parameters={
            "D": fs.Parameter(torch.full((number,), settings.diffusion), positive=True),
            "k": fs.Parameter(torch.full((number,), settings.decay), positive=True),
        },
        modules={"react": nn.Sequential(first, nn.Tanh(), last)},
    )
    # At 8x8 pixels every step fits into memory many times over: the direct gradient is the fastest.
    return fs.nn.FieldLayer(
        equation, duration=settings.duration, method=settings.method, dt=settings.dt, gradient="direct"
    )
