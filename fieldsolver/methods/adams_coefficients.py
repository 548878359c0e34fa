"""Adams formulas on unequal steps, as weights of the derivatives that they combine; one set per sample.

The times x_(n+1), x_n, x_(n-1), ... are numbered 0, 1, 2, ...; h = x_0 - x_1 and tau_l = (x_0 - x_l) / h. With ::

    Phi_j = (x_0 - x_1) ... (x_0 - x_j) f[x_0, ..., x_j] = f_0 + sum_(1<=i<=j) C_ji f_i      differences of f at x_(n+1)
    C_ji = - prod_(1<=l<=j, l!=i) tau_l / (tau_l - tau_i)
    g_j(theta) = int_0^theta prod_(1<=l<=j) (s + tau_l - 1) / tau_l ds                  integrals of the Newton basis

the polynomial through f_0, ..., f_k (the implicit, Adams-Moulton formula of order k + 1) gives ::

    y(x_n + theta h) = y_n + h sum_(j<=k) (g_j - g_(j-1)) Phi_j,    g_(-1) = 0

and without f_0 (the explicit, Adams-Bashforth formula of order k) it is h g_k Phi_k less. With theta = 1 this is the
step, with theta < 1 the solution inside it.

Source: Hairer, Norsett, Wanner, *Solving Ordinary Differential Equations I* (1993), section III.5, eqs. (5.5)-(5.10),
summed by parts. The integrals come from Gauss-Legendre points, which are exact for these polynomials: all factors lie
in [0, 1], so nothing cancels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

SMALL = 64
"""Entries of one state up to which all terms of a sum are made at once; beyond, one after the other."""


class AdamsTables:
    """What does not depend on the steps, for formulas of up to J past derivatives.

    Args:
        size: J.

    Attributes:
        places: (J,) int64, 0, ..., J - 1.
        diagonal: (J, J) bool.
        lower: (J, J) bool, j >= i.
        nodes: (Q, 1) float64, Gauss-Legendre points on [0, 1].
        weights: (Q, 1) float64, their weights; exact to degree 2 Q - 1 >= J.
    """

    def __init__(self, size: int) -> None:
        x, w = np.polynomial.legendre.leggauss(size // 2 + 1)
        self.places = torch.arange(size)
        self.diagonal = self.places == self.places.unsqueeze(1)
        self.lower = self.places.unsqueeze(1) >= self.places
        self.nodes, self.weights = (torch.from_numpy(v.reshape(-1, 1)) for v in ((1.0 + x) / 2.0, w / 2.0))
        self._on: dict[torch.device, AdamsTables] = {}

    def on(self, device: torch.device) -> AdamsTables:
        """The tables on a device, copied there once."""
        if device.type == "cpu":
            return self
        if device not in self._on:
            moved = AdamsTables.__new__(AdamsTables)
            for name in ("places", "diagonal", "lower", "nodes", "weights"):
                setattr(moved, name, getattr(self, name).to(device))
            if type(moved.places) is not Tensor:  # a stand-in of a tracer, of no use to anybody else
                return moved
            self._on[device] = moved
        return self._on[device]


class AdamsWeights:
    """The weights for the steps of n samples: of f_0 (n,), and of f_1, ..., f_J (n, J).

    Args:
        tables: for J past derivatives.
        tau: (n, J) float64, tau_1 = 1, ..., tau_J, from `scaled_times`.
        theta: (n,) float64, position within the step; None stands for 1, its end.
    """

    def __init__(self, tables: AdamsTables, tau: Tensor, theta: Tensor | None = None) -> None:
        self.tables = tables.on(tau.device)
        distances = tau.unsqueeze(1) - tau.unsqueeze(2)  # (n, i, l)
        distances = torch.where(self.tables.diagonal, 1.0, distances)
        products = torch.where(self.tables.diagonal, 1.0, tau.unsqueeze(1) / distances).cumprod(2)
        self.C = torch.where(self.tables.lower, products.mT, 0.0).neg()  # (n, J, J): C_ji, rows j = 1, ..., J
        self.g = newton_integrals(self.tables, tau, theta)
        size = tau.shape[1]
        self.steps = self.g.narrow(1, 1, size) - self.g.narrow(1, 0, size)  # (n, J): g_j - g_(j-1), j = 1, ..., J

    def correction(self, order: Tensor) -> tuple[Tensor, Tensor]:
        """What f_0 adds, g_k Phi_k with k = `order` (n,): the implicit formula less the explicit one."""
        g = entry(self.g, order)
        return g, g.unsqueeze(1) * entry(self.C, order - 1)

    def implicit(self, order: Tensor) -> tuple[Tensor, Tensor]:
        """The polynomial through f_0, ..., f_k."""
        used = torch.where(self.tables.places < order.unsqueeze(1), self.steps, 0.0)
        return entry(self.g, order), (used.unsqueeze(2) * self.C).sum(1)

    def local_errors(self, orders: Tensor) -> tuple[Tensor, Tensor]:
        """LE_j / h = (g_j - g_(j-1)) Phi_j for R orders j >= 1 (n, R): (n, R) and (n, R, J)."""
        rows, steps = orders - 1, self.steps.gather(1, orders - 1)
        return steps, steps.unsqueeze(2) * self.C.gather(1, rows.unsqueeze(2).expand(-1, -1, self.C.shape[2]))


def scaled_times(tables: AdamsTables, dt: Tensor, past: Tensor, known: Tensor) -> Tensor:
    """tau_1, ..., tau_J.

    Args:
        tables: for J past derivatives.
        dt: (n,) float64, the signed steps; where it is 0, the times only have to differ.
        past: (n, J - 1) float64, the signed steps before, the latest first.
        known: (n,) int64, how many of them there are; before those the steps are taken to be dt.

    Returns:
        (n, J) float64.
    """
    still = dt == 0.0
    places = tables.on(dt.device).places.narrow(0, 0, past.shape[1])
    unknown = places >= torch.where(still, 0, known).unsqueeze(1)
    ratios = torch.where(unknown, 1.0, past / torch.where(still, 1.0, dt).unsqueeze(1))
    return pad(ratios, (1, 0), value=1.0).cumsum(1)


def newton_integrals(tables: AdamsTables, tau: Tensor, theta: Tensor | None = None) -> Tensor:
    """g_0(theta), ..., g_J(theta): (n, J + 1) float64; the arguments are those of `AdamsWeights`."""
    nodes, weights, tau = tables.nodes, tables.weights, tau.unsqueeze(1)
    if theta is not None:
        nodes, weights = theta.view(-1, 1, 1) * nodes, theta.view(-1, 1, 1) * weights
    basis = ((nodes + (tau - 1.0)) / tau).cumprod(2)  # (n, Q, J), at the Gauss points
    return (weights * pad(basis, (1, 0), value=1.0)).sum(1)


def combine(weights: Tensor, derivatives: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """R weighted sums of derivatives: weights (n, R, J) float64 and J times (n, *state) -> R times (n, *state).

    No matrix product: its result would depend on the batch size and on TF32.
    """
    first = derivatives[0]
    weights = weights.to(first.real.dtype)
    if first.numel() <= SMALL * first.shape[0]:
        stacked = torch.stack(tuple(derivatives), dim=1).unsqueeze(1)  # (n, 1, J, *state)
        return (weights.view(*weights.shape, *[1] * (first.dim() - 1)) * stacked).sum(2).unbind(1)
    rows = weights.view(*weights.shape, *[1] * (first.dim() - 1)).unbind(1)
    used = _used_columns(weights)
    return tuple(_sum(row.unbind(1), derivatives, used) for row in rows)


def _sum(weights: Sequence[Tensor], derivatives: Sequence[Tensor], used: Sequence[int]) -> Tensor:
    total = weights[used[0]] * derivatives[used[0]]
    for j in used[1:]:
        total = torch.addcmul(total, weights[j], derivatives[j])
    return total


def _used_columns(weights: Tensor) -> list[int]:
    """The derivatives that some sample needs; all of them where one would have to wait for the answer."""
    if not can_be_read(weights):
        return list(range(weights.shape[2]))
    return [j for j, used in enumerate((weights != 0.0).any(0).any(0).tolist()) if used] or [0]


def can_be_read(values: Tensor) -> bool:
    """Whether Python may look at the numbers: they are on the host, and nothing traces or batches the computation."""
    plain = type(values) is Tensor and values.device.type == "cpu" and not torch.compiler.is_compiling()
    return plain and not torch._C._functorch.is_functorch_wrapped_tensor(values)


def may_hold(flags: Tensor) -> bool:
    """Whether one of the booleans is true; supposed where it cannot be read."""
    return not can_be_read(flags) or bool(flags.any())


def entry(values: Tensor, places: Tensor) -> Tensor:
    """One of the J entries of each sample: values (n, J) or (n, J, K) at places (n,) -> (n,) or (n, K)."""
    index = places.view(-1, *[1] * (values.dim() - 1))
    return values.gather(1, index.expand(-1, 1, *values.shape[2:])).squeeze(1)


def per_sample_mask(flags: Tensor, like: Tensor) -> Tensor:
    """Booleans (n,), shaped to choose from states (n, *state)."""
    return flags.view(-1, *[1] * (like.dim() - 1))
