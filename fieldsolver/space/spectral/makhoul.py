"""Cosine and sine sums over cell centres by one real FFT of the same length.

With ``N`` cells and coefficients ``c_n`` of

    cosine:  u_j = sum_{n=0}^{N-1} c_n cos(pi n (j + 1/2)/N)
    sine:    u_j = sum_{n=1}^{N}   c_n sin(pi n (j + 1/2)/N)

the even samples followed by the odd ones backwards, ``v = (u_0, u_2, ..., u_3, u_1)``, have the Fourier transform
``V_n = (1/N) sum_j v_j exp(-2 pi i n j/N)``, and

    C_n - i C_(N-n) = exp(-i pi n/(2N)) V_n,      c_0 = C_0,  c_n = 2 C_n

(J. Makhoul, A fast cosine transform in one and two dimensions, IEEE Trans. ASSP 28 (1980) 27). The
sine transform of ``u_j`` is the cosine transform of ``(-1)^j u_j`` read backwards.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .constants import Constants, along, resized


class CellSeries:
    """The pair of transforms of one length.

    Args:
        cells: ``N``.
        odd: sine rather than cosine.
    """

    def __init__(self, cells: int, *, odd: bool) -> None:
        self.cells, self.odd = cells, odd
        self._constants = Constants()

    def forward(self, values: Tensor, dim: int) -> Tensor:
        """Coefficients ``c`` of real values; ``N`` along `dim` in, ``N`` out."""
        reordered = evens_then_odds_back(values, dim, sign=-1 if self.odd else 1)
        spectrum = torch.fft.rfft(reordered, dim=dim, norm="forward")
        spectrum = spectrum * along(self._constants.get("turn", self._turn, values), dim)
        head, tail = spectrum.real, -spectrum.imag.narrow(dim, 1, (self.cells - 1) // 2)
        return torch.cat((tail, head.flip(dim)) if self.odd else (head, tail.flip(dim)), dim)

    def inverse(self, coefficients: Tensor, dim: int) -> Tensor:
        """The sum of the series at the cell centres; undoes `forward`."""
        half = self.cells // 2
        if self.odd:
            head = coefficients.narrow(dim, self.cells - half - 1, half + 1).flip(dim)
            tail = coefficients.narrow(dim, 0, half)
        else:
            head = coefficients.narrow(dim, 0, half + 1)
            tail = coefficients.narrow(dim, self.cells - half, half).flip(dim)
        spectrum = torch.complex(head, -resized(tail, dim, 1, 0))
        spectrum = spectrum * along(self._constants.get("back", self._back, coefficients), dim)
        reordered = torch.fft.irfft(spectrum, self.cells, dim, norm="forward")
        even = reordered.narrow(dim, 0, self.cells - half)
        odd = reordered.narrow(dim, self.cells - half, half).flip(dim)
        return _interleaved(even, -odd if self.odd else odd, dim)

    def _turn(self) -> np.ndarray:
        n = np.arange(self.cells // 2 + 1)
        return np.where(n == 0, 1.0, 2.0) * np.exp(-0.5j * np.pi * n / self.cells)

    def _back(self) -> np.ndarray:
        return 1 / self._turn()


def evens_then_odds_back(values: Tensor, dim: int, *, sign: int) -> Tensor:
    """``(u_0, u_2, ..., +-u_3, +-u_1)``."""
    points = values.shape[dim]
    pairs = resized(values, dim, 0, points % 2).unflatten(dim, ((points + 1) // 2, 2))
    odd = pairs.select(dim, 1).narrow(dim, 0, points // 2).flip(dim)
    return torch.cat((pairs.select(dim, 0), odd if sign == 1 else -odd), dim)


def _interleaved(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    """``even[0], odd[0], even[1], ...``; there may be one more of the even ones."""
    total = even.shape[dim] + odd.shape[dim]
    odd = resized(odd, dim, 0, even.shape[dim] - odd.shape[dim])
    return torch.stack((even, odd), dim).flatten(dim - 1, dim).narrow(dim, 0, total)
