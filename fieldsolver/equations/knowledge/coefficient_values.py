"""Numeric values of the coefficients of an equation, at its current parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..graph import Node
from ..lowering import Lowering

if TYPE_CHECKING:
    from ..field_equation import FieldEquation


class CoefficientValues:
    """Numeric values of coefficients at the equation's current parameters and at time `t`."""

    def __init__(self, equation: FieldEquation, t: float = 0.0, row: str = "") -> None:
        self._equation, self._row = equation, row
        self._time = torch.tensor(t, dtype=torch.float64)
        self._cache: dict[Node, np.ndarray] = {}
        self._rows: dict[str, CoefficientValues] = {}

    def of(self, row: str) -> CoefficientValues:
        """The values on the grid of one state: these, unless the grids differ."""
        if not self._equation.layout.domains:
            return self
        if row not in self._rows:
            self._rows[row] = CoefficientValues(self._equation, float(self._time), row)
        return self._rows[row]

    def __call__(self, node: Node) -> np.ndarray:
        """Values as an array whose leading axis is the component when there is one per component."""
        if node not in self._cache:
            self._cache[node] = self._evaluate(node)
        return self._cache[node]

    def _evaluate(self, node: Node) -> np.ndarray:
        equation = self._equation
        lowering = Lowering(equation.layout)
        tape = lowering.finish([lowering.of(self._row).compile(node)])
        like = torch.zeros(equation.state_shape, dtype=torch.complex128 if node.is_complex else torch.float64)
        (value,) = equation.run_tape(tape, self._time, like)
        # A folded number is a Python float, which torch would otherwise round to float32.
        return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
