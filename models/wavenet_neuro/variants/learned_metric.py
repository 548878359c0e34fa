"""Tokens on a curved line: how far neighbours are from each other is learned from what they say.

With ``√g = r`` per token the Laplace-Beltrami operator of a line is ``(1/r) d/dx ((1/r) dphi/dx)``. In flux form,

    r_i dphi_i/dt = D (phi_{i+1} - phi_i)/l_{i+1/2} - D (phi_i - phi_{i-1})/l_{i-1/2},    l_{i+1/2} = (r_i + r_{i+1})/2,

it conserves ``sum_i r_i phi_i`` and damps ``sum_i r_i phi_i^2``. (I. Chavel, Eigenvalues in Riemannian Geometry (1984),
chapter I.) In the plane a metric needs all of ``g_ij``: `manifold_field`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.models.wavenet_neuro.reactions import Perceptron

from .dynamics import Dynamics
from .line import divergence, slopes
from .medium import BoundedRate


def beltrami(values: Tensor, widths: Tensor, mask: Tensor) -> Tensor:
    """The Laplace-Beltrami operator of a line: values (B, N, C), widths ``√g`` (B, N, 1) -> (B, N, C)."""
    distance = (widths[:, 1:] + widths[:, :-1]) / 2
    return divergence(slopes(values, mask) / distance) / widths


class LearnedMetricField(Dynamics):
    """A reaction-diffusion field on a line whose metric its features make.

    Widths lie between 1/2 and 2; a network that returns zero leaves the line flat, which is where training starts
    from nearly. The metric is taken from the features once, and stays while the field evolves.

    Args:
        channels: C.
        duration, steps: of the explicit Euler run.
    """

    def __init__(self, channels: int, *, duration: float, steps: int) -> None:
        super().__init__(channels, duration=duration, steps=steps)
        self.stretch = nn.Linear(channels, 1)
        self.diffusivity = BoundedRate(channels, self.dt, stretch=0.5)
        self.react = Perceptron(channels, 2 * channels)

    def widths(self, features: Tensor) -> Tensor:
        """``√g`` per token, (B, N, 1)."""
        return torch.exp2(torch.tanh(self.stretch(features)))

    def evolve(self, features: Tensor, mask: Tensor) -> Tensor:
        """Explicit Euler."""
        widths, D = self.widths(features), self.diffusivity()
        phi = features
        for _ in range(self.steps):
            rate = D * beltrami(phi, widths, mask) - phi + self.react(phi) + features
            phi = phi + self.dt * rate
        return phi


def manifold_field(
    grid: fs.Grid, network: nn.Module, react: nn.Module, *, components: int, boundary: Any, D: float = 0.1
) -> fs.FieldEquation:
    """``dphi/dt = D laplacian_g(phi) - phi + react(phi)`` on a manifold whose metric a network learns.

    Args:
        grid: the coordinates, of any dimension.
        network: coordinates ``(*grid, d)`` to ``(*grid, d (d + 1)/2)``, as `fieldsolver.LearnedMetric` takes it.
        react: the reaction, ``(..., components)`` to the same.
        components: number of channels.
        boundary: as `fieldsolver.FieldEquation` takes it.
        D: first value of the diffusivities.
    """
    return fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) - phi + react(phi)",
        grid=grid,
        boundary=boundary,
        components={"phi": components},
        parameters={"D": fs.Parameter(torch.full((components,), D), positive=True)},
        modules={"react": react},
        metric=fs.LearnedMetric(network, grid.dimension),
    )
