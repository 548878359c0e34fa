"""The one loop: an ensemble and its tangents, one step of the method, or one iteration of the map, after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fieldsolver.methods import Method
from fieldsolver.methods.host_runge_kutta import on_host

from .tangents import Tangents


@dataclass
class Orbit:
    """B states with k tangents each, moved in place.

    Attributes:
        function: (y, V) -> (f, J V).
        method: the scheme; None for a map.
        dt: its step, 1 for a map.
        t: (B,) float64.
        y: (B, n).
        frame: (B, k, n), the tangents.
    """

    function: Tangents
    method: Method | None
    dt: float
    t: Tensor
    y: Tensor
    frame: Tensor

    def advance(self, steps: int) -> None:
        """The tangents are stepped by the method that steps the state: this is the derivative of the step."""
        size = self.y.shape[1]
        z = torch.cat([self.y, self.frame.flatten(1)], 1)
        z = self._iterated(z, steps) if self.method is None else self._stepped(z, steps)
        self.t = self.t + steps * self.dt
        self.y, self.frame = z[:, :size], z[:, size:].reshape(self.frame.shape)

    def _iterated(self, z: Tensor, steps: int) -> Tensor:
        for step in range(steps):
            z = self.function(self.t + step, z)
        return z

    def _stepped(self, z: Tensor, steps: int) -> Tensor:
        if self.method is None or steps == 0:
            return z
        f, t = self.function, self.t
        dt = torch.full_like(t, self.dt)
        k1 = f(t, z)
        method = on_host(self.method, z, k1)
        memory = method.start(f, t, z, k1)
        for step in range(steps):
            made = method.step(f, t + step * self.dt, dt, z, memory, estimate=False)
            z, memory = made.y_new, made.memory
        return z

    def orthonormalise(self) -> Tensor:
        """Householder QR with positive diagonal: the tangents become a frame; returns log of the diagonal, (B, k)."""
        if self.frame.shape[1] == 1:  # the factors of one column are its direction and its length
            length = self.frame.norm(dim=2)
            safe = torch.where(length == 0, 1.0, length).unsqueeze(2)
            self.frame = torch.where(length.unsqueeze(2) == 0, self._axis(), self.frame / safe)
            return length.log()
        q, r = torch.linalg.qr(self.frame.mT)
        diagonal = r.diagonal(0, -2, -1)
        self.frame = (q * torch.where(diagonal < 0, -1.0, 1.0).unsqueeze(-2)).mT
        return diagonal.abs().log()

    def _axis(self) -> Tensor:
        """The first axis: where a tangent has vanished one direction is as good as another, as QR would choose."""
        axis = torch.zeros_like(self.frame)
        axis[..., 0] = 1.0
        return axis

    def grow(self, steps: int, every: int) -> Tensor:
        """`steps` steps with an orthonormalisation after every so many; the sum of the logarithms, (B, k)."""
        total = torch.zeros(self.frame.shape[:2], dtype=torch.float64)
        for done in range(0, steps, every):
            self.advance(min(every, steps - done))
            total += self.orthonormalise()
        return total

    def copy(self, *, dt: float | None = None) -> Orbit:
        """The same place, perhaps with another step; the function and its count are shared."""
        return Orbit(self.function, self.method, self.dt if dt is None else dt, self.t, self.y, self.frame)

    @property
    def finite(self) -> bool:
        """Whether every state and tangent is a finite number."""
        return bool(torch.isfinite(self.y).all() and torch.isfinite(self.frame).all())

    def rate(self) -> Tensor:
        """f at the present states, (B, n)."""
        size = self.y.shape[1]
        z = torch.cat([self.y, self.frame.flatten(1)], 1)
        return self.function(self.t, z)[:, :size]

    def steepness(self) -> float:
        """Largest norm of J on the span of the tangents, over the ensemble."""
        batch, size = self.y.shape
        z = torch.cat([self.y, self.frame.flatten(1)], 1)
        products = self.function(self.t, z)[:, size:].reshape(batch, -1, size)
        norm = float(torch.linalg.matrix_norm(products).max())
        count = self.frame.shape[1]
        return norm * math.sqrt(size / count)
