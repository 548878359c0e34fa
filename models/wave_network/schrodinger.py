"""The discrete nonlinear Schroedinger equation on the tokens of a text, declared and in split steps.

    i dz_jk/dt = sum_l H_kl z_jl - J_k (Laplacian z)_jk + kappa_k |z_jk|^2 z_jk

H is Hermitian and couples dimensions, J couples neighbouring tokens, kappa turns each number by its own intensity. The
norm ``sum |z|^2`` is conserved. The terms with H and J are interference: waves are added. The last one is modulation:
waves are multiplied by unit phasors. (Kevrekidis: The Discrete Nonlinear Schroedinger Equation, 2009, chapter 1.)

The split steps are Strang's (1968): half of the phases, half of the bonds, H, and all in reverse; of order 2, each
part unitary. Parts are applied as ``z + (U - I) z``, where rounding errors are random; the rounding of ``U`` itself
would make the norm drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import fieldsolver as fs


def declared(length: int, H: Tensor, J: Tensor, kappa: Tensor) -> fs.FieldEquation:
    """The equation for texts of this many tokens; the state is complex, (*batch, D, length).

    Args:
        length: number of tokens.
        H: (D, D), Hermitian.
        J, kappa: (D,), real.
    """
    return fs.FieldEquation(
        "dz/dt = -1j*(H @ z - J*laplacian(z) + kappa*abs(z)**2*z)",
        grid=fs.Grid((length,), extent=float(length)),
        boundary=fs.Neumann(0),
        components={"z": len(H)},
        complex_fields=("z",),
        parameters={"H": H, "J": J, "kappa": kappa},
    )


@dataclass(frozen=True)
class SplitStep:
    """One step of size dt.

    Attributes:
        turn: (D, D) complex, ``U - I`` of Cayley's ``U = (I + i dt H/2)^-1 (I - i dt H/2)``, transposed.
        hop: (D,) complex, ``(exp(-i J dt) - 1)/2``: half a step of a bond.
        angle: (D,) ``kappa dt/2``: half a step of the phases, per unit of intensity.
    """

    turn: Tensor
    hop: Tensor
    angle: Tensor

    @classmethod
    def of(cls, H: Tensor, J: Tensor, kappa: Tensor, dt: float) -> SplitStep:
        """The step for these coefficients, as in `declared`."""
        unit = torch.eye(len(H), dtype=H.dtype, device=H.device)
        turn = torch.linalg.solve(unit + 0.5j * dt * H, -1j * dt * H)
        return cls(turn.mT, phasor_less_one(-J * dt) / 2, kappa * (dt / 2))

    def __call__(self, z: Tensor, mask: Tensor) -> Tensor:
        """Waves (B, N, D) after dt; no bond leads to padding."""
        z = self._bonds(self._bonds(self._phases(z), mask, 0), mask, 1)
        z = z + z @ self.turn
        return self._phases(self._bonds(self._bonds(z, mask, 1), mask, 0))

    def _phases(self, z: Tensor) -> Tensor:
        intensity = z.real.square() + z.imag.square()
        return z + phasor_less_one(-self.angle * intensity) * z

    def _bonds(self, z: Tensor, mask: Tensor, first: int) -> Tensor:
        """Every second bond, exactly: what is equal on both sides stays, what is opposed turns."""
        last = first + 2 * ((z.shape[1] - first) // 2)
        pairs = z[:, first:last].unflatten(1, (-1, 2))
        linked = mask[:, first:last].unflatten(1, (-1, 2)).all(-1)[..., None]
        moved = torch.where(linked, self.hop * (pairs[:, :, 0] - pairs[:, :, 1]), 0)
        pairs = torch.stack([pairs[:, :, 0] + moved, pairs[:, :, 1] - moved], 2)
        return torch.cat([z[:, :first], pairs.flatten(1, 2), z[:, last:]], 1)


def phasor_less_one(angle: Tensor) -> Tensor:
    """``exp(i angle) - 1`` without cancellation at small angles."""
    return torch.complex(-2 * torch.sin(angle / 2).square(), torch.sin(angle))


def hermitian(free: Tensor) -> Tensor:
    """The Hermitian matrix of a free real one: its symmetric part plus i times the antisymmetric one."""
    return torch.complex((free + free.mT) / 2, (free - free.mT) / 2)
