"""A trained layer looked at for some inputs: a copy in evaluation mode and float64, and the states that it visits."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.bound import bound
from fieldsolver.errors import OptionError
from fieldsolver.methods import Method
from fieldsolver.nn import FieldLayer, SteadyFieldLayer
from fieldsolver.nn.run_options import plain
from fieldsolver.solve import Solution, solve

POINTS = 11
"""Times of the run at which the layer is looked at."""
SAMPLES = 4
"""So many samples are looked at closely."""


@dataclass(frozen=True)
class Visit:
    """What the checks share.

    Attributes:
        layer: the copy.
        inputs: the arguments of its call, float64.
        equation: driven by the inputs, all samples.
        values: ``(B, ...)`` per input.
        duration: of the run; for a steady layer the time to rest.
        times: (T,) within the run, 0 and the duration included; multiples of a fixed step.
        states: (T, B, C, *grid).
        solution: the run in the user's batch axes.
        switched: something in the layer, such as dropout, was in training mode, and in the copy it is not.
    """

    layer: FieldLayer | SteadyFieldLayer
    inputs: tuple[Any, ...]
    equation: FieldEquation
    values: Mapping[str, Tensor]
    duration: float
    times: Tensor
    states: Tensor
    solution: Solution
    switched: bool

    @property
    def dt(self) -> float | None:
        """The fixed step, None for adaptive ones."""
        step: float | None = self.layer.options["dt"]
        return step

    @property
    def method(self) -> Method:
        """The scheme, uncompiled."""
        return plain(self.layer.options["method"])

    @property
    def settings(self) -> dict[str, Any]:
        """For `solve`, as the layer runs."""
        options = self.layer.options
        run = {name: options[name] for name in ("dt", "rtol", "atol", "max_steps")}
        return {**run, "method": self.method.name, "check": "off", "progress": False}

    def of_sample(self, sample: int) -> FieldEquation:
        """The equation with the inputs of one sample."""
        if not self.values:
            return self.equation
        return bound(self.layer.equation, {name: value[sample] for name, value in self.values.items()})


def visit(layer: nn.Module, inputs: tuple[Any, ...]) -> Visit:
    """Run a copy of the layer.

    Raises:
        OptionError: no layer that this knows, a duration of 0, or inputs that do not fit.
        SolveFailed: a sample ended early.
    """
    if not isinstance(layer, (FieldLayer, SteadyFieldLayer)):
        raise OptionError(
            f"trained_report looks at a FieldLayer or a SteadyFieldLayer, got {type(layer).__name__}; of a network "
            "pass the layer and what enters it, of a recurrent layer ask layer.report(x)"
        )
    if isinstance(layer, FieldLayer) and layer.duration == 0:
        raise OptionError("the layer has a duration of 0, so nothing runs; make it with duration= above 0")
    exact = copy.deepcopy(layer).double().eval().requires_grad_(False)
    exact.check = "off"  # whether the step is stable is what is asked here
    wide = tuple(_wide(value) for value in inputs)
    with torch.no_grad():
        solution = _run(exact, wide)
        equation = solution.equation
        if equation is None:
            raise OptionError("the solution of the layer lacks its equation")
        duration = exact.duration if isinstance(exact, FieldLayer) else float(solution.t_end.max())
        times = save_times(duration, exact.options["dt"])
        return _visited(exact, wide, equation, solution, duration, times, _draws_or_mixes(layer))


def _draws_or_mixes(layer: nn.Module) -> bool:
    """Whether a part of the layer is something else in training mode, and is in it."""
    return any(part.training and isinstance(part, (_DropoutNd, _BatchNorm)) for part in layer.modules())


def save_times(duration: float, dt: float | None) -> Tensor:
    """About `POINTS` times from 0 to the duration; where the step is fixed, its multiples."""
    if dt is None or duration <= dt:
        return torch.linspace(0.0, duration, POINTS, dtype=torch.float64)
    steps = round(duration / dt)
    places = torch.linspace(0, steps, min(POINTS, steps + 1), dtype=torch.float64).round().unique()
    return torch.cat([places[:-1] * dt, torch.tensor([duration], dtype=torch.float64)])


def _visited(
    exact: FieldLayer | SteadyFieldLayer, inputs: tuple[Any, ...], equation: FieldEquation, solution: Solution,
    duration: float, times: Tensor, switched: bool,
) -> Visit:  # fmt: skip
    own = equation.state_shape
    start = solution.y[0]
    run = {name: exact.options[name] for name in ("dt", "rtol", "atol", "max_steps")}
    again = solve(
        equation, start, t_span=(0.0, duration), save_at=times, method=plain(exact.options["method"]).name,
        gradient="none", check="off", progress=False, **run,
    )  # fmt: skip
    states = again.y.reshape(len(times), -1, *own)
    values = _values(exact, inputs, states.shape[1])
    return Visit(exact, inputs, equation, values, duration, times, states, again, switched)


def _values(exact: FieldLayer | SteadyFieldLayer, inputs: tuple[Any, ...], batch: int) -> dict[str, Tensor]:
    """``(B, ...)`` per input; what has no batch axes is the same for all."""
    if not exact.inputs.names:
        return {}
    found = {}
    for name, value in exact.inputs.read(inputs[0]).items():
        shape = exact.inputs.shapes[name]
        found[name] = value.reshape(-1, *shape).expand(batch, *shape)
    return found


def _run(exact: FieldLayer | SteadyFieldLayer, inputs: tuple[Any, ...]) -> Solution:
    if isinstance(exact, SteadyFieldLayer):
        return exact.solution(*inputs)
    return exact.trajectory(inputs[0], saves=2, state=inputs[1] if len(inputs) > 1 else None)


def _wide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _wide(one) for name, one in value.items()}
    if isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()):
        return value.detach().to(torch.complex128 if value.is_complex() else torch.float64)
    return value
