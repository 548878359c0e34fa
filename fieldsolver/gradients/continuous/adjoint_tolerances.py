"""Tolerances of an adjoint, which has units and a size of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch

from fieldsolver.errors import OptionError
from fieldsolver.stepping.error_norm import Tolerance

FORWARD = {"rtol": 1e-6, "atol": 1e-9}
"""What `integrate` takes when it is told nothing."""
SMALL_PART = 1e-3
"""Absolute over relative tolerance of an adjoint whose largest entry is 1."""


@dataclass(frozen=True)
class AdjointTolerances:
    """What the user gave, or None, which follows the forward solve.

    Args:
        name: of the mode.
        rtol: relative tolerance.
        atol: absolute tolerance.

    Raises:
        OptionError: a number that is not positive.
    """

    name: str
    rtol: float | None
    atol: float | None

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if value is not None and not (is_number(value) and 0.0 < value < float("inf")):
                raise OptionError(
                    f"{name} = {value!r} of gradient={self.name!r}, expected a positive number; leave it out to take "
                    "that of the solve"
                )

    def of_solution(self, options: Mapping[str, Any]) -> tuple[Tolerance, Tolerance]:
        """(rtol, atol) of the solution, when it is integrated backward.

        Args:
            options: of the forward solve.
        """
        forward = {name: options.get(name, value) for name, value in FORWARD.items()}
        return (
            forward["rtol"] if self.rtol is None else self.rtol,
            forward["atol"] if self.atol is None else self.atol,
        )

    def of_adjoint(self, options: Mapping[str, Any]) -> tuple[Tolerance, Tolerance]:
        """(rtol, atol) of the adjoint, in units of its largest entry.

        Args:
            options: of the forward solve.

        Raises:
            OptionError: the solve has no relative tolerance that could be taken over.
        """
        rtol, _ = self.of_solution(options)
        if not bool((torch.as_tensor(rtol) > 0).all()):
            raise OptionError(
                f"gradient={self.name!r} judges the adjoint by rtol, which is {rtol} in this solve; give the mode its "
                f"own, as in fs.gradients.{self.name.capitalize()}(rtol=1e-6)"
            )
        return rtol, rtol * SMALL_PART if self.atol is None else self.atol


def is_number(value: object) -> bool:
    """Whether it is one real number: no text, no truth value, no tensor."""
    return isinstance(value, Real) and not isinstance(value, bool)


def error_control(options: Mapping[str, Any]) -> bool:
    """Whether the forward solve chose its steps by the error; if not, the backward one has the same steps."""
    return options.get("dt") is None and options.get("step_times") is None
