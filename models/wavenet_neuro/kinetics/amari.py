"""Amari's neural field: near neurons excite, farther ones inhibit, and activity holds itself in a bump."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.errors import OptionError, ParameterError

from .kinetics import Kinetics

_SOURCE = "S. Amari, Biol. Cybern. 27 (1977) 77"


def mexican_hat(numbers: Mapping[str, float]) -> fs.Kernel:
    """``w(x) = A exp(-x^2/2a^2) - B exp(-x^2/2b^2)``; nothing lies beyond the ends of an open line.

    Raises:
        OptionError: it is not excitatory near and inhibitory far: that takes A > B > 0 and b > a > 0.
    """
    A, a, B, b = (numbers[name] for name in ("A", "a", "B", "b"))
    if not (A > B > 0 and b > a > 0):
        raise OptionError(f"a Mexican hat has A > B > 0 and b > a > 0, got A={A:g}, B={B:g}, a={a:g}, b={b:g}")

    def shape(*displacement: Tensor) -> Tensor:
        squared = sum((d**2 for d in displacement), displacement[0] * 0)
        return A * torch.exp(-squared / (2 * a**2)) - B * torch.exp(-squared / (2 * b**2))

    return fs.Kernel(shape, edge="zero")


_HAT = {"A": 1.5, "a": 1.0, "B": 0.75, "b": 2.0}

AMARI = Kinetics(
    name="amari",
    about="bumps of one stable width, the root of W(L) = theta with w(L) < 0; its step has no slope to train through",
    source=_SOURCE,
    rates={"u": "(-u + convolve(w, heaviside(u - theta)) + J)/tau"},
    mixed={"u": "(-u + J)/tau"},
    parameters={"theta": 0.5, "tau": 1.0, "J": 0.0},
    kernels={"w": mexican_hat},
    shape=_HAT,
    smooth=False,
)

AMARI_SMOOTH = Kinetics(
    name="amari_smooth",
    about="Amari's field with a firing rate of finite slope, through which gradients pass",
    source=f"{_SOURCE}; the slope: S. Coombes, Biol. Cybern. 93 (2005) 91",
    rates={"u": "(-u + convolve(w, sigmoid(slope*(u - theta))) + J)/tau"},
    mixed={"u": "(-u + J)/tau"},
    parameters={"theta": 0.5, "tau": 1.0, "J": 0.0, "slope": 10.0},
    kernels={"w": mexican_hat},
    shape=_HAT,
)


def hat_integral(x: float, numbers: Mapping[str, float] = _HAT) -> float:
    """``W(x)``, the integral of the Mexican hat from 0 to x."""
    A, a, B, b = (numbers[name] for name in ("A", "a", "B", "b"))
    root = math.sqrt(math.pi / 2)
    return root * (A * a * math.erf(x / (a * math.sqrt(2))) - B * b * math.erf(x / (b * math.sqrt(2))))


def hat(x: float, numbers: Mapping[str, float] = _HAT) -> float:
    """``w(x)``."""
    A, a, B, b = (numbers[name] for name in ("A", "a", "B", "b"))
    return A * math.exp(-(x**2) / (2 * a**2)) - B * math.exp(-(x**2) / (2 * b**2))


def bump_widths(**changes: float) -> tuple[float, float]:
    """Widths of the unstable and the stable bump without input: roots of ``W(L) = theta`` (Amari 1977, theorem 3).

    W rises up to the zero of w and falls behind it; the root on the falling side has w(L) < 0 and is stable.

    Raises:
        ParameterError: the threshold is not between W's limit and its largest value, so there are not two bumps.
    """
    numbers = AMARI.numbers(changes)
    theta = numbers["theta"]
    a, b = numbers["a"], numbers["b"]
    top = math.sqrt(2 * math.log(numbers["A"] / numbers["B"]) / (1 / a**2 - 1 / b**2))  # w = 0
    far = 20 * b
    if not max(0.0, hat_integral(far, numbers)) < theta < hat_integral(top, numbers):
        raise ParameterError(
            f"there are two bumps for theta between {max(0.0, hat_integral(far, numbers)):.4g} and "
            f"{hat_integral(top, numbers):.4g}, got {theta:g}"
        )
    return _root(0.0, top, theta, numbers), _root(far, top, theta, numbers)


def _root(below: float, above: float, theta: float, numbers: Mapping[str, float]) -> float:
    """By bisection; W is below theta at one end and above at the other."""
    for _ in range(200):
        middle = (below + above) / 2
        if hat_integral(middle, numbers) < theta:
            below = middle
        else:
            above = middle
    return (below + above) / 2
