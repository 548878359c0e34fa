"""Problems with a solution in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .reference_problem import ReferenceProblem, with_solution

HW = "Hairer, Wanner, Solving Ordinary Differential Equations II (1996)"


def prothero_robinson(rate: float, t_end: float = 1.0) -> ReferenceProblem:
    """``y' = rate (y - atan t) + 1/(1 + t^2)``: the solution is atan t at every rate, and orders fall with it.

    Args:
        rate: negative; -1e6 shows the reduction of order of implicit methods.
        t_end: end of the time span, which starts at 0.
    """

    def f(t: Tensor, y: Tensor) -> Tensor:
        t = torch.as_tensor(t)
        return rate * (y - torch.atan(t)) + 1 / (1 + t * t)

    return with_solution(
        f"Prothero-Robinson, rate {rate:g}",
        f,
        lambda t: torch.atan(t).unsqueeze(-1),
        (0.0, t_end),
        f"Prothero, Robinson, Math. Comp. 28 (1974) 145-162; {HW}, eq. (IV.15.1); phi = atan as in SUNDIALS",
    )


def _relaxation(t: Tensor, y: Tensor) -> Tensor:
    """y' = -50 (y - cos t)."""
    return -50 * (y - torch.cos(torch.as_tensor(t)))


def _relaxation_exact(t: Tensor) -> Tensor:
    y = (2500 * torch.cos(t) + 50 * torch.sin(t) - 2500 * torch.exp(-50 * t)) / 2501
    return y.unsqueeze(-1)


HAIRER_WANNER_1_1 = with_solution(
    "Hairer-Wanner 1.1", _relaxation, _relaxation_exact, (0.0, 1.5), f"{HW}, eq. (IV.1.1), here from y(0) = 0"
)


def _kpr(t: Tensor, y: Tensor) -> Tensor:
    """u = sqrt(1 + cos(t)/2), v = sqrt(2 + cos(2 t)), held by the stable linear part A of their squares."""
    t = torch.as_tensor(t)
    u, v = y.split(1, -1)
    a = (u * u - 1 - 0.5 * torch.cos(t)) / (2 * u)
    b = (v * v - 2 - torch.cos(2 * t)) / (2 * v)
    du = -2.0 * a + 0.5 * b - 0.5 * torch.sin(t) / (2 * u)
    dv = 0.5 * a - 1.0 * b - 2 * torch.sin(2 * t) / (2 * v)
    return torch.cat((du, dv), -1)


def _kpr_exact(t: Tensor) -> Tensor:
    return torch.stack((torch.sqrt(1 + 0.5 * torch.cos(t)), torch.sqrt(2 + torch.cos(2 * t))), -1)


KPR = with_solution(
    "Kvaerno-Prothero-Robinson", _kpr, _kpr_exact, (0.0, 5.0), "SUNDIALS, test/unit_tests/problems/kpr.hpp"
)

ECCENTRICITY = 0.6


def _kepler(t: Tensor, y: Tensor) -> Tensor:
    """y = (q1, q2, p1, p2), attracted by 1/r^2."""
    q, p = y.split(2, -1)
    return torch.cat((p, -q / q.square().sum(-1, keepdim=True) ** 1.5), -1)


def _kepler_exact(t: Tensor) -> Tensor:
    """From Kepler's equation E - e sin E = t by Newton's method."""
    E = t + ECCENTRICITY * torch.sin(t)
    for _ in range(20):
        E = E - (E - ECCENTRICITY * torch.sin(E) - t) / (1 - ECCENTRICITY * torch.cos(E))
    minor, rate = math.sqrt(1 - ECCENTRICITY**2), 1 / (1 - ECCENTRICITY * torch.cos(E))
    cos, sin = torch.cos(E), torch.sin(E)
    return torch.stack((cos - ECCENTRICITY, minor * sin, -sin * rate, minor * cos * rate), -1)


KEPLER = with_solution(
    "Kepler, eccentricity 0.6", _kepler, _kepler_exact, (0.0, 10.0), "Kepler's equation, from the perihelion"
)

LINEAR_MATRIX = torch.tensor([[-0.5, 2.0, 0.0], [-2.0, -0.5, 1.0], [0.0, 0.0, -0.3]], dtype=torch.float64)
_LINEAR_START = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)


def _linear(t: Tensor, y: Tensor) -> Tensor:
    return y @ LINEAR_MATRIX.to(y).T


LINEAR = with_solution(
    "linear",
    _linear,
    lambda t: torch.stack([torch.matrix_exp(LINEAR_MATRIX * s) @ _LINEAR_START for s in t]),
    (0.0, 2.0),
    "y = exp(A t) y0 with a damped rotation that a decaying mode drives",
)

GAUSSIAN = with_solution(
    "y' = -2 t y", lambda t, y: -2 * t * y, lambda t: torch.exp(-t * t).unsqueeze(-1), (0.0, 1.5), "y = exp(-t^2)"
)

DETEST_A3 = with_solution(
    "y' = y cos t",
    lambda t, y: y * torch.cos(torch.as_tensor(t)),
    lambda t: torch.exp(torch.sin(t)).unsqueeze(-1),
    (0.0, 20.0),
    "Hull, Enright, Fellen, Sedgwick, SIAM J. Numer. Anal. 9 (1972) 603-637, problem A3: y = exp(sin t)",
)

RATIONAL = with_solution(
    "y' = y^2", lambda t, y: y * y, lambda t: (1 / (1 - t)).unsqueeze(-1), (0.0, 0.9), "y = 1/(1 - t), a pole at t = 1"
)

EXACT = (
    prothero_robinson(-10.0),
    HAIRER_WANNER_1_1,
    KPR,
    KEPLER,
    LINEAR,
    GAUSSIAN,
    DETEST_A3,
    RATIONAL,
)
