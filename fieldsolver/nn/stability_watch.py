"""Whether a fixed step is still stable while training moves the coefficients.

At construction an unstable step is refused. Afterwards the limit moves with every update of the optimiser, and judging
it costs more than a small layer; so it is judged again at the first call in evaluation mode after a change, and in
training mode after every `EVERY`-th change. Weights of modules are not in the limit, and fed inputs count as declared.
"""

from __future__ import annotations

import torch

from fieldsolver.equations import FieldEquation
from fieldsolver.solve.stability_limit import check_fixed_step

from .run_options import RunOptions, plain

EVERY = 50


class StabilityWatch:
    """Remembers for which values of the coefficients the step was judged; it never changes a result.

    Args:
        equation: as it was judged at construction.
    """

    def __init__(self, equation: FieldEquation) -> None:
        self._judged = self._seen = _versions(equation)
        self._changes = 0

    def look(self, equation: FieldEquation, options: RunOptions, check: str, *, training: bool) -> None:
        """Warn of a step that has become unstable.

        Args:
            equation: with its coefficients of this moment.
            options: of the layer.
            check: ``"off"`` never looks.
            training: the layer's mode.
        """
        if options["dt"] is None or check == "off" or not len(equation.raw) or _is_traced():
            return
        versions = _versions(equation)
        if versions != self._seen:
            self._seen = versions
            self._changes += 1
        if versions == self._judged or (training and self._changes < EVERY):
            return
        self._judged, self._changes = versions, 0
        check_fixed_step(equation, plain(options["method"]), options["dt"], "warn")


def _versions(equation: FieldEquation) -> tuple[int, ...]:
    """How often each coefficient was written in place; those made in inference mode do not count, and do not train."""
    return tuple(0 if value.is_inference() else value._version for value in equation.raw.values())


def _is_traced() -> bool:
    """Whether numbers cannot be looked at: under a compiler, or inside a transform of `torch.func`."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
