"""The wave layer in continuous depth: tokens on an axis of a grid, coupled by the energies of their columns.

A residual wave block is an Euler step of

    dw_j/dt = A [Re, Im](Z1 op Z2)_j - decay w_j,    Z_i the waves of A_i w + b_i,

a system of particles that see each other through sums over all of them, that is, through integrals. Divided by the root
mean square of their columns, the waves have the size 1, so the drive is bounded and no token can run away.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fieldsolver as fs

from .columns import Columns
from .config import Config
from .wave_block import Layered

LEAST, KEPT = 2, 64
"""Points of the shortest grid, where a text of one token stands beside padding; grids that are kept."""
FLOOR = 1e-6
"""Smallest square of an imaginary part over the energy of its column."""

ENERGY = "(integral({w}**2) + 1e-12)"
CONTEXT = f"sqrt(max({ENERGY} - {{w}}**2, 0) + {FLOOR}*{ENERGY})"
W1, W2 = "(m*first(w))", "(m*second(w))"  # padding is left out after the linear maps
S1, S2 = CONTEXT.format(w=W1), CONTEXT.format(w=W2)
SIZE = f"sqrt({ENERGY.format(w=W1)}*{ENERGY.format(w=W2)})"
REAL, IMAGINARY = f"({W1}*{W2} - {S1}*{S2})", f"({W1}*{S2} + {W2}*{S1})"
PRODUCT = (f"{REAL}/{SIZE}", f"{IMAGINARY}/{SIZE}")
RMS = f"sqrt(integral(m*(({W1} + {W2})**2 + ({S1} + {S2})**2))/(integral(m) + 1e-12) + 1e-12)"
TOTAL = (f"({W1} + {W2})/{RMS}", f"({S1} + {S2})/{RMS}")


def drive(mode: str) -> str:
    """The right-hand side as text; `m` is 1 on real tokens."""
    real, imaginary = PRODUCT if mode == "modulation" else TOTAL
    if mode == "learnable":
        real, imaginary = (f"mix*({p}) + (1 - mix)*({s})" for p, s in zip(PRODUCT, TOTAL, strict=True))
    return f"dw/dt = read({real}, {imaginary}) - decay*w"


class ContinuousWave(nn.Module):
    """The tokens after `duration` under the equation of `drive`; texts of all lengths share the weights.

    Each length has its own grid, with one cell of width 1 per token, and a layer that is kept for the next batch of
    that length; of the last `KEPT` lengths.

    Unlike in the wave block, the sum over the other tokens is a difference here, G^2 - w^2, cut at 0: where one token
    holds a whole column, up to rounding, the cut has no gradient, and the floor keeps that of the root finite.

    Args:
        config: of the network.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.first, self.second = nn.Linear(dim, dim), nn.Linear(dim, dim)
        for linear in (self.first, self.second):
            nn.init.orthogonal_(linear.weight)
            nn.init.zeros_(linear.bias)
        self.read = nn.Linear(2 * dim, dim)
        self.rate = nn.Parameter(torch.zeros(dim))
        self.mix = nn.Parameter(torch.zeros(())) if config.mode == "learnable" else None
        self._layers: dict[int, fs.nn.FieldLayer] = {}

    def forward(self, x: Tensor, columns: Columns) -> Layered:
        places = x.shape[1]
        mask = F.pad(columns.mask, (0, max(0, LEAST - places)))
        start = torch.where(columns.mask.unsqueeze(-1), x, 0).transpose(1, 2)
        start = F.pad(start, (0, max(0, LEAST - places)))
        end = self.layer(mask.shape[1])(self.inputs(mask, x.dtype), start)
        return Layered(end.transpose(1, 2)[:, :places].to(x.dtype), None, 2 * self.config.steps)

    def inputs(self, mask: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
        """What the equation is fed besides the state."""
        fed = {"m": mask.unsqueeze(1).to(dtype), "decay": F.softplus(self.rate)}
        if self.mix is not None:
            fed["mix"] = torch.sigmoid(self.mix).reshape(1)
        return fed

    def layer(self, length: int) -> fs.nn.FieldLayer:
        """The layer for texts of this length."""
        if length not in self._layers:
            while len(self._layers) >= KEPT:
                del self._layers[next(iter(self._layers))]
            self._layers[length] = fs.nn.FieldLayer(
                self.equation(length),
                duration=self.config.duration,
                inputs=("m", "decay", *(("mix",) if self.mix is not None else ())),
                method="heun",
                dt=self.config.duration / self.config.steps if self.config.duration else None,
                gradient="direct",
            )
        return self._layers[length]

    def equation(self, length: int) -> fs.FieldEquation:
        """The declared equation on a grid of this many tokens."""
        fed: dict[str, Any] = {"m": fs.Spatial(torch.ones(length)), "decay": torch.ones(self.config.dim)}
        if self.mix is not None:
            fed["mix"] = 0.5
        return fs.FieldEquation(
            drive(self.config.mode),
            grid=fs.Grid((length,), extent=float(length)),
            boundary=fs.Neumann(0),
            components={"w": self.config.dim},
            parameters=fed,
            modules={"first": self.first, "second": self.second, "read": self.read},
        )

    def _apply(self, fn: Any, recurse: bool = True) -> ContinuousWave:
        """Other devices and dtypes need other grids."""
        self._layers.clear()
        return super()._apply(fn, recurse)
