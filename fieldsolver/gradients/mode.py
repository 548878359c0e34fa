"""What a gradient mode is: how the derivatives of a solve are computed, and what for."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.methods import Method
from fieldsolver.stepping import Ends, Trajectory, VectorField


class GradientMode(Protocol):
    """A way to the gradient, with its options as attributes."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Refuse what this mode cannot differentiate, before anything runs.

        Args:
            method: the scheme.
            equation: the declared equation, or None for a plain function.
            span: t1 - t0 of the run.

        Raises:
            OptionError: says which method or mode can.
        """
        ...

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """Integrate; `saved` and `y_end` carry a graph where one is wanted.

        Args:
            field: the right-hand side; its parameters get gradients.
            method: the scheme.
            y0: (B, *state), initial states.
            t0: start.
            t1: end.
            ends: the same two times as tensors, if somebody asks for their gradients.
            **options: those of `integrate`.
        """
        ...
