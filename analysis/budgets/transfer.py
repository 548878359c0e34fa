"""Which scales gain and lose energy: the budget by wave number, on periodic grids.

With the discrete Fourier transform the power of a term, ``sum_x g f`` with ``g = dE/dy``, is a sum over wave vectors
(Parseval), ``sum_k Re conj(g_k) f_k / N``. Collected in shells of one width it is the transfer ``T(k)``; what
conservative terms take out of all shells up to k is the flux ``Pi(k) = -sum_(q <= k) T(q)`` towards smaller scales.

Source: U. Frisch, *Turbulence* (1995), sections 2.4 and 6.2.2.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError

from ..orders.models import Floats
from .budget import Budget


def shells(equation: FieldEquation) -> tuple[Floats, Tensor]:
    """Wave numbers ``(S,)`` of the shells, and for every wave vector the number of its shell, ``(*grid)``.

    Shells are as wide as the smallest nonzero wave number of the grid and centred at its multiples.

    Raises:
        OptionError: the grid has walls, unequal spacing or curved coordinates, or there is none.
    """
    layout = equation.layout
    flat = layout.grid is not None and not layout.is_curved and layout.mask is None and layout.graph is None
    if not flat or not all(layout.is_periodic(axis) and layout.reflects(axis) for axis in range(layout.dimension)):
        raise OptionError("wavenumbers=True needs a grid that is uniform and periodic along every axis; leave it out")
    grid = layout.required_grid()
    lengths = [high - low for low, high in grid.bounds]
    vectors = [
        2 * math.pi * torch.fft.fftfreq(points, length / points, dtype=torch.float64)
        for points, length in zip(grid.shape, lengths, strict=True)
    ]
    size = torch.stack(torch.meshgrid(*vectors, indexing="ij")).square().sum(dim=0).sqrt()
    width = 2 * math.pi / max(lengths)
    number = (size / width).round().long()
    return np.asarray(np.arange(int(number.max()) + 1) * width, dtype=np.float64), number


def transfer(budget: Budget, times: Tensor, states: Tensor) -> tuple[Floats, Floats]:
    """Power of every term in every shell.

    Args:
        budget: splits the energy by terms.
        times: ``(T,)``.
        states: ``(T, B, C, *grid)``.

    Returns:
        Wave numbers ``(S,)`` and powers ``(K, S, T, B)``; their sum over shells is the budget.
    """
    wave_numbers, number = shells(budget.equation)
    axes = tuple(range(-budget.equation.dimension, 0))
    rows = []
    for t, y in zip(times.to(states.device), states, strict=True):
        powers = [
            (torch.fft.fftn(force, dim=axes).conj() * torch.fft.fftn(rate, dim=axes)).real.sum(dim=1)
            for force, rate in budget.fields(t.reshape(1), y)
        ]
        flat = torch.stack(powers).to(torch.float64).flatten(start_dim=2).cpu() / number.numel()  # (K, B, N)
        gathered = torch.zeros(*flat.shape[:2], len(wave_numbers), dtype=torch.float64)
        rows.append(gathered.index_add(2, number.flatten(), flat).movedim(2, 1))
    values = torch.stack(rows, dim=2)  # (K, S, T, B)
    missing = len(budget.labels) - len(values)
    blank = torch.full((missing, *values.shape[1:]), math.nan, dtype=torch.float64)
    return wave_numbers, torch.cat([values, blank]).numpy()


def flux(powers: Floats, conservative: list[bool]) -> Floats:
    """``Pi(k) = -sum_(q <= k) T(q)`` of the conservative terms, ``(S, T, B)``."""
    return np.asarray(-np.cumsum(powers[np.array(conservative)].sum(axis=0), axis=0))
