"""Whether a fixed step is still stable while training, a file or an input moves the coefficients.

At construction an unstable step is refused. Afterwards the limit moves with every update of the optimiser, and judging
it costs more than a small layer. So in evaluation mode it is judged at the first call after a change; in training mode
at the first, the 2nd, the 4th, the 8th change and so on, and from the 64th at every 50th; and at the first call after a
state dict was loaded in either. Fed inputs that set time scales count with the extreme values of the batch: in
evaluation mode at every call that goes beyond what was judged, and in training mode every call is a change. Weights of
modules are not in the limit.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.bound import bound
from fieldsolver.equations.knowledge import linear_part
from fieldsolver.solve.stability_limit import check_fixed_step, step_limit
from fieldsolver.solve.stability_region import stability_region

from .param_groups import rates
from .run_options import RunOptions, plain

EVERY = 50

Range = tuple[Tensor, Tensor]


class StabilityWatch:
    """Remembers for which values of the coefficients the step was judged; it never changes a result.

    Args:
        equation: as it was judged at construction.
        inputs: names of the parameters that are fed.
    """

    def __init__(self, equation: FieldEquation, inputs: tuple[str, ...]) -> None:
        self._fed = tuple(name for name in inputs if name in rates(equation)) if inputs else ()
        self._seen = _versions(equation)
        self._pending = False  # something has changed and was not judged
        self._ranges: dict[str, Range] = {}
        self.expect()

    def expect(self) -> None:
        """Judge the next change, whatever the mode: training begins, or a state dict was loaded."""
        self._changes, self._next = 0, 1

    def look(
        self, equation: FieldEquation, values: Mapping[str, Tensor], options: RunOptions, check: str, *, training: bool
    ) -> None:
        """Warn of a step that has become unstable.

        Args:
            equation: with its coefficients of this moment, not bound to inputs.
            values: ``(B, C)`` or ``(B, C, *grid)`` per input, B >= 1.
            options: of the layer.
            check: ``"off"`` never looks.
            training: the layer's mode.
        """
        if options["dt"] is None or check == "off" or not (len(equation.raw) or self._fed):
            return
        changed = self._has_changed(equation)
        self._pending |= changed
        self._changes += int(changed or bool(self._fed))
        if training and (self._changes < self._next or not (self._pending or self._fed)):
            return
        ranges = {name: torch.aminmax(values[name].detach(), dim=0) for name in self._fed if _is_real(values[name])}
        if not (self._pending or self._goes_beyond(ranges)):
            return
        self._next = self._changes + min(max(self._changes, 1), EVERY)
        self._ranges = {name: self._joined(name, ends) for name, ends in ranges.items()}
        self._pending = False
        self._judge(equation, ranges, options)

    def _has_changed(self, equation: FieldEquation) -> bool:
        now = _versions(equation)
        before, self._seen = self._seen, now
        same = len(now) == len(before) and all(
            a() is b() and old == new for (a, old), (b, new) in zip(before, now, strict=True)
        )
        return not same

    def _goes_beyond(self, ranges: Mapping[str, Range]) -> bool:
        for name, (low, high) in ranges.items():
            if name not in self._ranges:
                return True
            lowest, highest = self._ranges[name]
            if lowest.device != low.device or bool(((low < lowest) | (high > highest)).any()):
                return True
        return False

    def _joined(self, name: str, ends: Range) -> Range:
        """What has been judged by now; coefficients that changed make it this batch alone."""
        before = self._ranges.get(name)
        if before is None or self._pending or before[0].device != ends[0].device:
            return ends
        return torch.minimum(before[0], ends[0]), torch.maximum(before[1], ends[1])

    def _judge(self, equation: FieldEquation, ranges: Mapping[str, Range], options: RunOptions) -> None:
        """At the worst corner of the box of fed values: which end is the stiff one is for the equation to know."""
        method = plain(options["method"])
        finite = [ends for ends in ranges.values() if all(bool(torch.isfinite(end).all()) for end in ends)]
        if stability_region(method) is None or len(finite) < len(ranges):  # the solve says which sample is not finite
            return
        corners = [dict(zip(ranges, corner, strict=True)) for corner in itertools.product(*ranges.values())]
        here = [bound(equation, fed) if fed else equation for fed in corners]
        worst = here[0] if len(here) == 1 else min(here, key=lambda one: step_limit(method, linear_part(one)).dt)
        check_fixed_step(worst, method, options["dt"], "warn")

    def __getstate__(self) -> dict[str, Any]:
        """Weak references cannot be copied: a copy looks again."""
        return {**self.__dict__, "_seen": ()}


def _is_real(value: Tensor) -> bool:
    return not value.is_complex()


def _versions(equation: FieldEquation) -> tuple[tuple[weakref.ref[Tensor], int], ...]:
    """Which tensors the coefficients are, and how often each was written in place.

    Writes in inference mode and through ``.data`` do not count, in torch itself.
    """
    return tuple((weakref.ref(value), 0 if value.is_inference() else value._version) for value in equation.raw.values())
