"""What every scheme can say of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np


class Scheme(ABC):
    """How derivatives along one axis are discretised."""

    @property
    @abstractmethod
    def order(self) -> float:
        """Order of accuracy inside the domain; infinite for spectral schemes."""

    @abstractmethod
    def half_width(self, derivative: int) -> int | None:
        """How many points to each side a derivative reads; None if all of the axis."""

    @abstractmethod
    def symbol(self, derivative: int, theta: np.ndarray, spacing: float) -> np.ndarray:
        """Eigenvalue of a derivative on ``exp(i theta j)`` over points `spacing` apart."""

    @abstractmethod
    def diffusion_symbol(self, theta: np.ndarray, spacing: float) -> np.ndarray:
        """Eigenvalue of ``diffusion(1, u)`` on ``exp(i theta j)``."""
