"""Declared equations with noise, in fixed steps: ``dy = f dt + sum_i g_i dW_i``.

Ito and Stratonovich are different equations where g depends on y; each scheme here solves one of them and refuses the
other. (P. E. Kloeden and E. Platen, Numerical Solution of Stochastic Differential Equations (1992), chapters 10, 15.)

| scheme | calculus | strong order | with additive noise |
| --- | --- | --- | --- |
| ``euler_maruyama`` | Ito | 1/2 | 1 |
| ``implicit_euler_maruyama`` | Ito | 1/2 | 1, the linear part implicitly |
| ``milstein`` | Ito | 1, one noise | 1 |
| ``heun`` | Stratonovich | 1, one noise | 1 |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.equations.build import number
from fieldsolver.errors import OptionError, listing, nearest

from .noise_fields import coloured, white_increment

CALCULUS = {
    "euler_maruyama": "ito",
    "implicit_euler_maruyama": "ito",
    "milstein": "ito",
    "heun": "stratonovich",
}


class NoisyEquation:
    """A declared equation with noise as the functions that schemes need, at its current parameter values.

    Args:
        equation: with noise in its text.

    Raises:
        OptionError: it has none.
    """

    def __init__(self, equation: fs.FieldEquation) -> None:
        if not equation.noises:
            raise OptionError("the equation has no noise; write sigma*white_noise(0) into it, or use fs.solve")
        self.equation = equation
        self.sources = list(dict.fromkeys(noise for row in equation.noises.values() for noise in row))
        self.drift, self.parameters = equation.pure()
        self._factors = [equation.pure_state(self._row(source)) for source in self.sources]

    def _row(self, source: Any) -> dict[str, Any]:
        return {name: self.equation.noises.get(name, {}).get(source, number(0)) for name in self.equation.fields}

    def f(self, t: Tensor, y: Tensor) -> Tensor:
        """The drift."""
        return self.drift(self.parameters, t, y)

    def g(self, source: int, t: Tensor, y: Tensor) -> Tensor:
        """The factor of one noise."""
        return self._factors[source](self.parameters, t, y)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distances of the grid's points; empty without a grid."""
        return () if self.equation.grid is None else tuple(self.equation.layout.required_grid().spacing)

    def increments(self, y: Tensor, dt: float, generator: torch.Generator) -> list[Tensor]:
        """One increment per noise; every component of the state feels the same."""
        spacing = self.spacing
        shape = list(y.shape)
        shape[-1 - len(spacing)] = 1
        drawn = []
        for source in self.sources:
            white = white_increment(shape, dt, cell=math.prod(spacing), generator=generator, dtype=y.dtype)
            length = source.content[2]
            drawn.append(white if length is None else coloured(white, spacing, length, periodic=self._repeats()))
        return drawn

    def _repeats(self) -> bool:
        boundary = self.equation.given.boundary
        if not isinstance(boundary, (fs.Periodic, fs.Neumann)):
            raise OptionError(
                f"coloured noise takes boundary=fs.Periodic() or fs.Neumann(0) on all sides, got {boundary!r}"
            )
        return isinstance(boundary, fs.Periodic)


def integrate(
    equation: fs.FieldEquation,
    y0: Tensor,
    *,
    duration: float,
    steps: int,
    scheme: str = "euler_maruyama",
    generator: torch.Generator | None = None,
    increments: Sequence[Sequence[Tensor]] | None = None,
    watch: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """The state after `duration`, ``(*batch, C, *grid)``; gradients pass through the steps.

    Args:
        equation: with noise; on one grid or none.
        y0: the start, ``(*batch, C, *grid)``; batch entries feel independent noise.
        duration, steps: fixed steps.
        scheme: see the table above.
        generator: draws the noise; required without `increments`.
        increments: per step one increment per noise, as `NoisyEquation.increments` shapes them.
        watch: called with the number of steps done and the state, after every step.

    Raises:
        OptionError: no such scheme, a scheme of the other calculus, several or coloured noises for a scheme of one or
            of white ones, no source of noise, or steps that do not fit the increments.
    """
    if scheme not in CALCULUS:
        raise OptionError(f"there is no scheme {scheme!r}; known: {listing(CALCULUS)}{nearest(scheme, CALCULUS)}")
    if equation.calculus is not None and equation.calculus != CALCULUS[scheme]:
        other = ", ".join(name for name, calculus in CALCULUS.items() if calculus == equation.calculus)
        raise OptionError(
            f"{scheme} solves {CALCULUS[scheme]} equations and this one says calculus={equation.calculus!r}; "
            f"use {other}"
        )
    noisy = NoisyEquation(equation)
    if len(noisy.sources) > 1 and scheme in ("milstein", "heun"):
        raise OptionError(f"{scheme} is of strong order 1 for one noise, got {len(noisy.sources)}; use euler_maruyama")
    if scheme == "milstein" and noisy.sources[0].content[2] is not None:
        raise OptionError("milstein knows the variance of white noise only; use euler_maruyama for coloured noise")
    if (generator is None) == (increments is None):
        raise OptionError("say where the noise comes from: generator=torch.Generator(), or increments=, and not both")
    if steps < 1 or (increments is not None and len(increments) != steps):
        raise OptionError(f"steps is at least 1 and as long as the increments, got {steps}")
    dt, y = duration / steps, y0
    step = _stepper(scheme, noisy, dt)
    for n in range(steps):
        dW = increments[n] if increments is not None else noisy.increments(y, dt, generator)  # type: ignore[arg-type]  # one of the two is given
        y = step(torch.tensor(n * dt, dtype=torch.float64), y, dW)
        if watch is not None:
            watch(n + 1, y)
    return y


def _stepper(scheme: str, noisy: NoisyEquation, dt: float) -> Callable[[Tensor, Tensor, Sequence[Tensor]], Tensor]:
    def kicks(t: Tensor, y: Tensor, dW: Sequence[Tensor]) -> Tensor:
        return torch.stack([noisy.g(i, t, y) * one for i, one in enumerate(dW)]).sum(0)

    def euler_maruyama(t: Tensor, y: Tensor, dW: Sequence[Tensor]) -> Tensor:
        return y + dt * noisy.f(t, y) + kicks(t, y, dW)

    def milstein(t: Tensor, y: Tensor, dW: Sequence[Tensor]) -> Tensor:
        pair = torch.func.jvp(lambda z: noisy.g(0, t, z), (y,), (noisy.g(0, t, y),))
        g, slope = pair[0], pair[1]  # g and g'g, place by place
        return y + dt * noisy.f(t, y) + g * dW[0] + slope * (dW[0].square() - dt / cell) / 2

    def heun(t: Tensor, y: Tensor, dW: Sequence[Tensor]) -> Tensor:
        f, g = noisy.f(t, y), noisy.g(0, t, y)
        guess = y + dt * f + g * dW[0]
        return y + dt * (f + noisy.f(t + dt, guess)) / 2 + (g + noisy.g(0, t + dt, guess)) * dW[0] / 2

    cell = math.prod(noisy.spacing)
    if scheme == "implicit_euler_maruyama":
        solver = noisy.equation.shifted_solver()

        def implicit(t: Tensor, y: Tensor, dW: Sequence[Tensor]) -> Tensor:
            # (1 - dt L)(y_+ - y) = dt f + g dW: L implicitly, the rest of f explicitly.
            return y + solver.solve(dt * noisy.f(t, y) + kicks(t, y, dW), dt)

        return implicit
    return {"euler_maruyama": euler_maruyama, "milstein": milstein, "heun": heun}[scheme]
