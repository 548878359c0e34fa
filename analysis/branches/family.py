"""A family of right-hand sides or maps ``F(u, p)`` over real vectors u and one parameter p."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError

from ..modes.dataset import wave_names
from ..modes.linearise import Linearised, require_scalar
from ..modes.numbers import Floats
from ..modes.start import uniform_part
from ..modes.walls import require_uniform

PlainFamily = Callable[[Tensor, Tensor], Tensor]


class Family:
    """``F(u, p)`` with its derivatives by automatic differentiation.

    A complex field counts as its real and imaginary parts.

    Attributes:
        size: number n of unknowns.
        names: of the unknowns.
        parameter: name of p.
        evaluations: of F or of a derivative.
    """

    def __init__(
        self,
        function: PlainFamily,
        names: list[str],
        parameter: str,
        refuse: Callable[[Tensor, float], None] | None = None,
    ) -> None:
        self._function, self._refuse = function, refuse
        self.names, self.size = names, len(names)
        self.parameter = parameter
        self.evaluations = 0

    def __call__(self, u: Tensor, p: Tensor) -> Tensor:
        """F, float64 ``(n,)``."""
        self.evaluations += 1
        with torch.no_grad():  # derivatives are taken forwards, and weights of modules need none
            return self._function(u, p).to(torch.float64)

    def require_sound(self, u: Tensor, p: float) -> None:
        """That F has derivatives here, and that the walls leave u alone.

        Raises:
            NoPlaneWaves: they do not; names the term or the wall.
        """
        if self._refuse is not None:
            self._refuse(u, p)

    def jacobian(self, u: Tensor, p: Tensor) -> Tensor:
        """``dF/du``, ``(n, n)``."""
        return torch.func.jacfwd(self, 0)(u, p)

    def along(self, u: Tensor, p: Tensor) -> Tensor:
        """``dF/dp``, ``(n,)``."""
        return torch.func.jacfwd(self, 1)(u, p)

    def second(self, u: Tensor, p: Tensor) -> Floats:
        """``d2F/du2``, ``(n, n, n)``."""
        return torch.func.jacfwd(self.jacobian, 0)(u, p).numpy(force=True)

    def third(self, u: Tensor, p: Tensor) -> Floats:
        """``d3F/du3``, ``(n, n, n, n)``."""
        return torch.func.jacfwd(torch.func.jacfwd(self.jacobian, 0), 0)(u, p).numpy(force=True)


def family_of(
    f: Any, state: Any, parameter: str, parameters: Mapping[str, float], t: float, *, walls: bool = True
) -> tuple[Family, Tensor]:
    """The family of a declared equation or function, and the start as a real vector.

    Args:
        f: the equation or function ``f(u, p)``.
        state: a state near the equilibrium.
        parameter: the name of p.
        parameters: values of others.
        t: the time of the coefficients.
        walls: refuse walls that do not let uniform states be; False takes an unbounded medium.

    Raises:
        NoPlaneWaves: the uniform states of the equation do not stay uniform.
        OptionError, StateError, ParameterError: something that is no family.
    """
    if isinstance(f, FieldEquation):
        if walls:
            require_uniform(f)
        return _of_equation(f, state, parameter, parameters, t)
    if not callable(f):
        raise OptionError(f"bifurcation needs a FieldEquation or a function f(u, p), got {type(f).__name__}")
    if parameters:
        raise OptionError("parameters= are those of a FieldEquation; a function has its own")
    start = torch.as_tensor(np.atleast_1d(np.asarray(state, dtype=float)))
    value = f(start, torch.zeros((), dtype=torch.float64))
    if not isinstance(value, Tensor) or value.shape != start.shape:
        raise StateError(f"f(u, p) must return a tensor of the shape of u, {tuple(start.shape)}")
    return Family(f, [f"u{i}" for i in range(len(start))], parameter), start


def _of_equation(
    equation: FieldEquation, state: Any, parameter: str, parameters: Mapping[str, float], t: float
) -> tuple[Family, Tensor]:
    require_scalar(equation, parameter)
    linearised = Linearised(equation, parameters=parameters, t=t)
    start = uniform_part(equation, state)
    names = wave_names(linearised)[: equation.components]

    def refuse(u: Tensor, p: float) -> None:
        half = len(u) // 2
        state = torch.complex(u[:half], u[half:]) if equation.is_complex else u
        given = {**parameters, parameter: p}
        Linearised(equation, parameters=given, t=t).at(state[None], strict=True)

    if not equation.is_complex:
        return Family(lambda u, p: linearised.rates(u, {parameter: p}), names, parameter, refuse), start

    def function(u: Tensor, p: Tensor) -> Tensor:
        half = len(u) // 2
        rates = linearised.rates(torch.complex(u[:half], u[half:]), {parameter: p})
        return torch.cat([rates.real, rates.imag])

    both = [f"Re {name}" for name in names] + [f"Im {name}" for name in names]
    return Family(function, both, parameter, refuse), torch.cat([start.real, start.imag])
