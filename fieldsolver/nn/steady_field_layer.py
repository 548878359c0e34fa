"""`SteadyFieldLayer`: a declared equation, run to its steady state, as an ordinary `nn.Module`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.gradients import GradientMode
from fieldsolver.solve import Solution, solve
from fieldsolver.stepping import CompiledMethod, SteadyState
from fieldsolver.stepping.march import cannot_be_read

from .equation_layer import EquationLayer, Fed, State
from .precision import solving
from .readout import Selection
from .run import Span, run
from .run_options import for_this_call, refuse_endings, run_options, shown
from .samples import Samples, refuse_own_samples
from .steady_report import SteadyReport, report_of_rest


class SteadyFieldLayer(EquationLayer):
    """Maps inputs, or an initial state, to the steady state: y* with f(y*, x) = 0.

    Each sample stops by itself when it is at rest, and the gradient is that of the root, by the implicit function
    theorem: memory does not depend on how long it took. A root that is isolated does not depend on where the run began,
    so the start, input or not, gets no gradient; feed what matters as a parameter: ``inputs=``.

    Whether there is one steady state, and whether every start leads there, is for the equation to say: with
    `Contractive` dynamics it is certain, and `report` proves it.

    Under a compiler, an exporter or a transform of `torch.func` nobody can see who is at rest: the layer then makes all
    its fixed steps up to ``until.max_time``, with the gradient of these steps.

    Args:
        equation: the dynamics.
        until: when a sample is at rest, and when it gives up: ``fs.SteadyState(max_time=100.0)``.
        inputs, initial, readout, method, dt, rtol, atol, max_steps, check: as in `FieldLayer`.
        gradient: ``"implicit"``, or an object such as ``fs.gradients.Implicit(solver="anderson")``; other modes
            differentiate the run.

    Raises:
        OptionError, StabilityError: at construction, for options that cannot work.
    """

    def __init__(
        self,
        equation: FieldEquation,
        *,
        until: SteadyState,
        inputs: str | Sequence[str] = (),
        initial: Mapping[str, Any] | float | None = None,
        readout: Selection = None,
        method: str | CompiledMethod = "auto",
        dt: float | None = None,
        rtol: float = 1e-4,
        atol: float = 1e-6,
        gradient: str | GradientMode = "implicit",
        max_steps: int = 10_000,
        check: str = "refuse",
    ) -> None:
        super().__init__(equation, inputs=inputs, initial=initial, learn_initial=False, readout=readout)
        refuse_endings(equation, "SteadyFieldLayer")
        if not isinstance(until, SteadyState) or until.max_time is None:
            raise OptionError(f"until says when to give up, as in fs.SteadyState(max_time=100.0), got {until!r}")
        self.until = until
        self.check = check
        self.options = run_options(
            equation, span=until.max_time, method=method, dt=dt, rtol=rtol, atol=atol, gradient=gradient,
            max_steps=max_steps, check=check, to_rest=True,
        )  # fmt: skip
        self._span = Span.of(until.max_time, (until.max_time,), dt)

    def forward(self, x: State | Fed, state: State | None = None, *, mask: Tensor | None = None) -> Tensor:
        """The read-out of the steady states, ``(*batch, c, *grid)``; arguments as in `FieldLayer.forward`.

        Raises:
            OptionError, StateError: arguments that do not fit.
            SolveFailed: a sample did not come to rest.
            ConvergenceError: (in the backward pass) the implicit gradient of a sample does not exist.
        """
        with solving(x, state) as (x, state):
            samples = self._samples(x, state)
            if mask is not None:
                refuse_own_samples(self.equation, self.inputs)
            samples = samples.active(mask)
            return samples.to_user(samples.everyone(self.readout(self._at_rest(samples))))

    def solution(self, x: State | Fed, state: State | None = None) -> Solution:
        """The start and the steady state, with the residual and the time to converge of every sample in ``.stats``."""
        with solving(x, state) as (x, state):
            samples = self._samples(x, state)
            return self._solve(samples, samples.to_user(samples.y))

    def report(self, x: State | Fed, state: State | None = None) -> SteadyReport:
        """What it costs to come to rest, how stable the steady state is, and whether it is proved to be unique."""
        with torch.no_grad(), solving(x, state) as (x, state):
            samples = self._samples(x, state)
            return report_of_rest(self, samples.values, self._solve(samples, samples.y))

    def _at_rest(self, samples: Samples) -> Tensor:
        """(rows, C, *grid)"""
        if samples.y.shape[0] == 0:
            return self._unsolved(samples.y, samples.values)
        if cannot_be_read(samples.y):
            span = self._span.up_to_date(self.options["dt"])
            return run(self._driven(samples.values), samples.y, span, self.options)[0]
        return self._solve(samples, samples.y).y[-1]

    def _solve(self, samples: Samples, y: Tensor) -> Solution:
        self._judge(samples)
        return solve(self._driven(samples.values), y, until=self.until, **for_this_call(self.options))

    def config(self) -> dict[str, Any]:
        """What a weights file must agree with."""
        return self._shared_config()

    def extra_repr(self) -> str:
        """How the equation, which is printed below as a submodule, is run."""
        return f"max_time={self.until.max_time:g}, {shown(self.options)}{self._shown()}"
