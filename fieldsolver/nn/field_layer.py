"""`FieldLayer`: a declared equation, run for a finite time, as an ordinary `nn.Module`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.gradients import GradientMode
from fieldsolver.solve import Solution, solve
from fieldsolver.solve.options import times_inside
from fieldsolver.stepping import CompiledMethod

from .equation_layer import EquationLayer, Fed, State
from .layer_report import LayerReport, report_of_run
from .precision import solving
from .readout import Selection
from .run import Span, run
from .run_options import checked_duration, for_this_call, refuse_endings, run_options, shown
from .samples import Samples, refuse_own_samples


class FieldLayer(EquationLayer):
    """Maps an initial state, or inputs, or both, to the state after `duration`.

    Every sample of the batch is integrated by itself: neighbours change nothing. Nothing is remembered between calls.

    * ``layer(state)``: the input is the initial state.
    * ``layer(x)`` with ``inputs="I", initial=0.0``: the input is the forcing; the start is the same for all.
    * ``layer(x, state)`` with ``inputs="I"``: both.

    Under `torch.autocast` the solve keeps float32; see `Autocast`. Float16 and bfloat16 inputs then become float32.

    Args:
        equation: the dynamics; its parameters and modules are the layer's parameters.
        duration: how long to run, in the equation's time; 0 passes the state through (the zero-dynamics ablation).
        inputs: names of parameters of the equation that are fed at every call, one value per sample, constant over the
            run. Of these, the equation's own value counts where the layer is not involved.
        initial: where to start if the call does not say it: fields, or a number for all of them.
        learn_initial: make the initial state a parameter.
        readout: which fields are returned, a name or several, or component numbers per field: ``{"phi": [0, 1]}``;
            None: the whole state.
        save_at: times within ``[0, duration]`` at which the read-out is returned; None: at the end only.
        method: name of the scheme, or `fs.CompiledMethod` of one.
        dt: fixed step; None lets the method choose its steps.
        rtol: relative tolerance of adaptive steps.
        atol: absolute tolerance of adaptive steps.
        gradient: a mode by name, or an object with its options, such as ``fs.gradients.Checkpointed(states=16)``.
        max_steps: attempted steps per sample.
        check: what to do about an unstable fixed step, as in `solve`; judged at construction, and while training
            moves the coefficients judged again from time to time, with a warning.

    Raises:
        OptionError, StabilityError: at construction, for options that cannot work.
    """

    def __init__(
        self,
        equation: FieldEquation,
        *,
        duration: float = 1.0,
        inputs: str | Sequence[str] = (),
        initial: Mapping[str, Any] | float | None = None,
        learn_initial: bool = False,
        readout: Selection = None,
        save_at: Tensor | Sequence[float] | None = None,
        method: str | CompiledMethod = "auto",
        dt: float | None = None,
        rtol: float = 1e-4,
        atol: float = 1e-6,
        gradient: str | GradientMode = "checkpointed",
        max_steps: int = 10_000,
        check: str = "refuse",
    ) -> None:
        super().__init__(equation, inputs=inputs, initial=initial, learn_initial=learn_initial, readout=readout)
        refuse_endings(equation, "FieldLayer")
        self.duration = checked_duration("duration", duration, zero=True)
        self.save_at = None if save_at is None else times_inside("save_at", save_at, 0.0, self.duration).tolist()
        self.options = run_options(
            equation, span=self.duration, method=method, dt=dt, rtol=rtol, atol=atol, gradient=gradient,
            max_steps=max_steps, check=check,
        )  # fmt: skip
        self.check = check
        times = (self.duration,) if self.save_at is None else tuple(self.save_at)
        self._span = Span.of(self.duration, times, dt) if self.duration else None  # without time there are no steps

    def forward(self, x: State | Fed, state: State | None = None, *, mask: Tensor | None = None) -> Tensor:
        """The read-out ``(*batch, c, *grid)``, or ``(*batch, T, c, *grid)`` with `save_at`.

        Args:
            x: without inputs the state; with inputs a tensor ``(*batch, C)``, for a `Spatial` one ``(*batch, C,
                *grid)``, or a dict of these if there are several.
            state: ``(*batch, C, *grid)`` or a dict of fields; None starts from `initial`. What has no batch axes, input
                or state, is the same for all samples.
            mask: bool ``(*batch)``; where it is false the sample is not solved, its output is zero, and nothing depends
                on what it holds.

        Raises:
            OptionError, StateError: arguments that do not fit.
            SolveFailed: a sample ended early.
        """
        with solving(x, state) as (x, state):
            samples = self._masked(self._samples(x, state), mask)
            saved = self._saved(samples)  # (T, rows, C, *grid)
            read = self.readout(saved.select(0, 0) if self.save_at is None else saved.transpose(0, 1))
            return samples.to_user(samples.everyone(read))

    def trajectory(self, x: State | Fed, saves: int = 11, *, state: State | None = None) -> Solution:
        """The whole evolution at `saves` equidistant times, as a `Solution` with statuses, costs and steps."""
        if self.duration == 0 or saves < 2:
            raise OptionError("a trajectory needs a positive duration and at least 2 save points")
        with solving(x, state) as (x, state):
            samples = self._samples(x, state)
            self._judge(samples)
            return solve(
                self._driven(samples.values),
                samples.to_user(samples.y),
                t_span=(0.0, self.duration),
                save_at=torch.linspace(0.0, self.duration, saves, dtype=torch.float64),
                **for_this_call(self.options),
            )

    def report(self, x: State | Fed, state: State | None = None) -> LayerReport:
        """What the layer costs, how accurate and how stiff it is, for this input; printing it shows a page."""
        with torch.no_grad(), solving(x, state) as (x, state):
            samples = self._samples(x, state)
            return report_of_run(self, samples.values, samples.y, self.duration, self.options, horizon=self.duration)

    def _masked(self, samples: Samples, mask: Tensor | None) -> Samples:
        if mask is not None:
            refuse_own_samples(self.equation, self.inputs)
        return samples.active(mask)

    def _saved(self, samples: Samples) -> Tensor:
        """(T, rows, C, *grid)"""
        if self._span is None or samples.y.shape[0] == 0:
            same = self._unsolved(samples.y, samples.values)
            return same.expand(1 if self.save_at is None else len(self.save_at), *same.shape)
        self._judge(samples)
        span = self._span.up_to_date(self.options["dt"])
        return run(self._driven(samples.values), samples.y, span, self.options)

    def config(self) -> dict[str, Any]:
        """What a weights file must agree with."""
        times = {} if self.save_at is None else {"save_at": self.save_at}
        return {**self._shared_config(), "duration": self.duration, **times}

    def extra_repr(self) -> str:
        """How the equation, which is printed below as a submodule, is run."""
        return f"duration={self.duration:g}, {shown(self.options)}{self._shown()}"
