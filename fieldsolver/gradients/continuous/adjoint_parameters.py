"""Gradients of parameters by Gauss-Legendre quadrature over the accepted steps of the adjoint equation.

The integral of a . df/dp feeds back into nothing, so it is no part of the differential equation: no state as large as
the parameters is stepped or kept, rejected steps cost nothing, and a few nodes per step are exact for polynomials of
degree 2 S - 1. With S nodes and interpolants of order q < 2 S its error is that of the interpolants.

Source: Norcliffe, Deisenroth, *Faster training of neural ODEs using Gauss-Legendre quadrature*, TMLR (2023),
arXiv 2308.10644; that the parameters need no error control: Kidger, Chen, Lyons, *"Hey, that's not an ODE": faster ODE
adjoints via seminorms*, ICML (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from fieldsolver.methods import Method
from fieldsolver.methods.protocol import per_sample
from fieldsolver.stepping import Attempt, VectorField
from fieldsolver.stepping.arithmetic import masked
from fieldsolver.stepping.batch import Batch
from fieldsolver.stepping.ledger import Ledger

from .adjoint_rate import parameter_gradients

Unpack = Callable[[VectorField, Tensor, Tensor], tuple[VectorField, Tensor, Tensor]]
"""(backward field of n samples, t (n,), z (n, ...)) -> (f, y, a): the right-hand side, the solution, the adjoint."""


class ParameterQuadrature:
    """Observer of a backward run that adds up the integral of a . df/dp.

    Args:
        unpack: from the state of the backward run to the solution and the adjoint.
        wanted: places of the parameters whose gradients are needed.
        totals: gradients so far, one for each entry of `wanted`, which are added to; None is zero.
        unit: (B,), what the adjoint of each sample is measured in.

    Attributes:
        nodes: (S,) places inside a step, from 0 to 1.
        weights: (S,), their sum is 1.
    """

    def __init__(self, unpack: Unpack, wanted: Sequence[int], totals: list[Tensor | None], unit: Tensor) -> None:
        self._unpack, self.wanted, self.totals, self._unit = unpack, list(wanted), totals, unit

    def start(self, batch: Batch, method: Method) -> None:
        """Choose the nodes by the order of the interpolant."""
        self._method, self._rest, self._samples = method, batch.rest, batch.rows.size
        nodes, weights = np.polynomial.legendre.leggauss((method.interpolant_order or 0) // 2 + 1)
        self.nodes, self.weights = (nodes + 1.0) / 2.0, weights / 2.0

    def after(self, attempt: Attempt, ledger: Ledger) -> None:
        """Add the accepted steps; the others are evaluated where the run began, with weight zero."""
        if not self.wanted:
            return
        step, rows = self._method.extend(attempt.field, attempt.step), attempt.rows
        device = step.y.device
        dt, unit = torch.from_numpy(attempt.accepted_dt()).to(device), self._of(self._unit, rows)
        moved = None if attempt.everyone or attempt.accepted.all() else dt != 0.0
        for node, weight in zip(self.nodes, self.weights, strict=True):
            t, z = torch.add(step.t, step.dt, alpha=node), self._method.interpolate(step, torch.full_like(dt, node))
            if moved is not None:
                t, z = torch.where(moved, t, self._rest.t), masked(moved, z, self._of(self._rest.y, rows))
            field, y, a = self._unpack(attempt.field, t, z)
            weighted = a * per_sample(-weight * dt * unit, a)  # the run goes from t1 to t0, the integral from t0 to t1
            self._add(parameter_gradients(field, t, y, weighted, self.wanted), field, rows)

    def _of(self, values: Tensor, rows: np.ndarray) -> Tensor:
        """Some of the samples."""
        if rows.size == self._samples:
            return values
        return values.index_select(0, torch.from_numpy(rows).to(values.device))

    def _add(self, shares: Sequence[Tensor | None], field: VectorField, rows: np.ndarray) -> None:
        for place, (i, share) in enumerate(zip(self.wanted, shares, strict=True)):
            if share is None:
                continue
            if rows.size != self._samples and field.per_sample is not None and field.per_sample[i]:
                whole = share.new_zeros(self._samples, *share.shape[1:])
                share = whole.index_copy_(0, torch.from_numpy(rows).to(share.device), share)
            total = self.totals[place]
            self.totals[place] = share if total is None else total + share
