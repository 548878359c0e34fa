"""From unknowns to predictions: many parameter vectors are solved side by side as samples of one batch.

A batch of a hundred small systems costs about as much as one, because the time goes into Python steps. So everything
that needs several solves (starts, differences for a Hessian, ends of intervals, replicates) asks for them at once.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.knowledge import linear_part
from fieldsolver.gradients import solve_with_gradient
from fieldsolver.methods import Method
from fieldsolver.methods.explicit_runge_kutta import ExplicitRungeKutta
from fieldsolver.solve.stability_limit import step_limit
from fieldsolver.stepping import Status, StepLog, VectorField

from .data import own_shape
from .unknowns import Unknowns

# Numbers in one batched state, measured: below, recording every step is the faster gradient; above, memory decides.
LARGEST_RECORDED = 20_000
LARGEST_BATCH = 2_000_000
STABLE = 0.9
"""Share of the stability limit that steps may reach where a gradient is wanted."""


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Solutions of B samples.

    Attributes:
        fields: (T, B, *own) per field.
        reached: (B,) bool, whether the sample got to the last time.
        steps: the accepted steps, for a repetition with other unknowns.
    """

    fields: dict[str, Tensor]
    reached: Tensor
    steps: StepLog


class Model:
    """The equation with its unknowns, solved from `t0`.

    Args:
        equation: declared equation; it is copied and never changed.
        unknowns: what is estimated.
        initial: fixed initial fields, each of the field's own shape.
        t0: where the initial state lies.
        method, options: the scheme, and `rtol`, `atol`, `max_steps`.
    """

    def __init__(
        self, equation: FieldEquation, unknowns: Unknowns, initial: Mapping[str, Tensor], t0: float, method: Method,
        options: dict[str, Any],
    ) -> None:  # fmt: skip
        self.unknowns, self.initial, self.t0, self.method, self.options = unknowns, initial, t0, method, options
        self.plain = copy.deepcopy(equation).requires_grad_(False)  # one sample, for its spectrum
        self.equation = copy.deepcopy(self.plain)
        self.equation.submodules.double()
        trainable = [name for name, item in equation.declared.items() if item.trainable]
        # Spatial parameters have no batched form in the equation: such rows are solved one after the other.
        self.batched = all(equation.declared[name].place == "global" for name in trainable)
        if self.batched:
            self.equation.declared = {
                name: dataclasses.replace(item, place="per sample") if name in trainable else item
                for name, item in equation.declared.items()
            }
        self.function, constants = self.equation.pure()
        names = list(self.equation.parameter_values())
        self.constants = dict(zip(names, constants, strict=False))
        self.weights = constants[len(names) :]
        self.per_sample = (*(self.batched and name in trainable for name in names), *(False for _ in self.weights))
        self.device = next((tensor.device for tensor in constants), torch.device("cpu"))

    @property
    def rows_at_once(self) -> int:
        """How many samples one solve may hold."""
        return max(1, LARGEST_BATCH // math.prod(self.equation.state_shape)) if self.batched else 1

    def predict(
        self, x: Tensor, times: Tensor, *, graph: bool = False, replay: StepLog | None = None, stable: bool = False
    ) -> Predictions:
        """Solve for unknowns `x` (B, P), at most `rows_at_once` of them.

        Args:
            x: unknowns.
            times: (T,) save points.
            graph: keep the gradient to `x`.
            replay: repeat these steps.
            stable: keep the steps below the stability limit of the linear part. Error control does not: while the
                solution is smooth it lets rough modes grow from rounding until they reach the tolerance, and the
                gradient, which has a share in the rough modes from the start, grows with them without limit.
        """
        x = x.to(self.device)
        values = self.unknowns.values(x)
        y0 = self._initial_state(values, x.shape[0])
        mode = "none" if not graph else "direct" if y0.numel() <= LARGEST_RECORDED else "checkpointed"
        adaptive = self.options.get("dt") is None and replay is None
        run = solve_with_gradient(
            mode, self._field(values), self.method, y0, self.t0, float(times[-1]), save_at=times, replay=replay,
            dt_max=self._stable_step(x) if stable else None, land_at=self._knots() if adaptive else None,
            **self.options,
        )  # fmt: skip
        reached = (run.status == Status.SUCCESS).to(self.device)
        return Predictions(self.equation.unpack(run.saved), reached, run.steps)

    def _knots(self) -> Tensor | None:
        """Times at which signals have their kinks; None without signals."""
        signals = self.equation.layout.signals
        return torch.cat([knots.detach().cpu() for knots in signals.values()]) if signals else None

    def _stable_step(self, x: Tensor) -> float | None:
        """`STABLE` times the smallest stability limit of the samples; None without a grid or a limit."""
        if self.equation.grid is None or not isinstance(self.method, ExplicitRungeKutta):
            return None
        limits = []
        stored = x * self.unknowns.scale.to(x.device)
        for row in stored:
            for block, place in self.unknowns.slices():
                if block.kind == "parameter":
                    self.plain.raw[block.name].copy_(row[place].reshape(block.start.shape))
            limits.append(step_limit(self.method, linear_part(self.plain)).dt)
        smallest = min(limits)
        return STABLE * smallest if 0 < smallest < math.inf else None

    def _field(self, values: Mapping[str, Tensor]) -> VectorField:
        current = [
            constant if name not in values else values[name] if self.batched else values[name][0]
            for name, constant in self.constants.items()
        ]
        return VectorField(self.function, (*current, *self.weights), self.per_sample)

    def _initial_state(self, values: Mapping[str, Tensor], rows: int) -> Tensor:
        """(B, C, *grid)."""
        space = self.equation.space
        parts = []
        for name, (_, size) in self.equation.layout.fields.items():
            own = own_shape(self.equation, name)
            value = values.get(f"{name}(t0)")
            if value is None:
                value = self.initial[name].to(self.device).expand(rows, *own)
            elif value.dim() == 1:
                value = value.reshape(rows, *[1] * len(own)).expand(rows, *own)
            parts.append(value.reshape(rows, size, *space.shape_of(name)))
        return space.join(parts)


def repeat_steps(log: StepLog, rows: Tensor) -> StepLog:
    """The log of a batch whose sample i takes the steps of sample ``rows[i]``."""
    return StepLog([t[rows] for t in log.t], [dt[rows] for dt in log.dt], log.t_end[rows], log.status[rows])
