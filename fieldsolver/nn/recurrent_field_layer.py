"""`RecurrentFieldLayer`: a declared equation driven by a sequence, input by input."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.bound import Ramp, bound
from fieldsolver.errors import OptionError, StateError
from fieldsolver.gradients import GradientMode
from fieldsolver.stepping import CompiledMethod
from fieldsolver.stepping.march import cannot_be_read

from .equation_layer import EquationLayer, Fed, State
from .layer_report import LayerReport, report_of_run
from .precision import solving
from .readout import Selection
from .run import Span, depends_on_time, run
from .run_options import checked_duration, refuse_endings, run_options, shown
from .samples import Samples, gather, refuse_own_samples

FORCINGS = ("hold", "linear")


class RecurrentState(NamedTuple):
    """Everything that a `RecurrentFieldLayer` carries from one input to the next.

    Attributes:
        y: ``(*batch, C, *grid)``.
        seen: number of inputs so far, which times the interval is the time; ``(*batch)`` int64 as soon as there was a
            mask, because a masked step is no input: the clock of that sample stands still.
        before: the last input by name, where the forcing is linear; empty where it is held.
    """

    y: Tensor
    seen: int | Tensor
    before: Mapping[str, Tensor]

    def detach(self) -> RecurrentState:
        """The same numbers without their history, for truncated backpropagation through time."""
        seen = self.seen.detach() if isinstance(self.seen, Tensor) else self.seen
        return RecurrentState(self.y.detach(), seen, {name: value.detach() for name, value in self.before.items()})


class RecurrentFieldLayer(EquationLayer):
    """Maps a sequence of inputs to the sequence of read-outs, one after each interval.

    ``forward(sequence)`` is ``step`` after ``step``: the same numbers bit by bit, so a trained layer streams. The
    read-out at position k depends on the inputs up to k only, and of other samples on none.

    Args:
        equation: the dynamics.
        inputs: names of the parameters of the equation that are fed.
        interval: time between inputs, in the equation's time. Steps land on its ends.
        forcing: ``"hold"``: during interval k the input is x_k (zero-order hold). ``"linear"``: it goes from x_(k-1) to
            x_k on a straight line, and before the first it was zero; causal, so half an interval behind.
        initial: where a sequence starts if the call does not say it: fields, or a number for all of them.
        learn_initial, readout, method, dt, rtol, atol, gradient, max_steps, check: as in `FieldLayer`. `gradient` is
            that of each interval; states between intervals are kept.

    Raises:
        OptionError, StabilityError: at construction, for options that cannot work.
    """

    def __init__(
        self,
        equation: FieldEquation,
        *,
        inputs: str | Sequence[str],
        interval: float = 1.0,
        forcing: str = "hold",
        initial: Mapping[str, Any] | float | None = None,
        learn_initial: bool = False,
        readout: Selection = None,
        method: str | CompiledMethod = "auto",
        dt: float | None = None,
        rtol: float = 1e-4,
        atol: float = 1e-6,
        gradient: str | GradientMode = "checkpointed",
        max_steps: int = 10_000,
        check: str = "refuse",
    ) -> None:
        super().__init__(equation, inputs=inputs, initial=initial, learn_initial=learn_initial, readout=readout)
        if not self.inputs.names:
            raise OptionError(
                "a RecurrentFieldLayer needs at least one input; name parameters of the equation: inputs="
            )
        if forcing not in FORCINGS:
            raise OptionError(f"forcing is one of {FORCINGS}, got {forcing!r}")
        refuse_endings(equation, "RecurrentFieldLayer")
        self.interval = checked_duration("interval", interval, zero=False)
        self.forcing = forcing
        self.check = check
        self.options = run_options(
            equation, span=self.interval, method=method, dt=dt, rtol=rtol, atol=atol, gradient=gradient,
            max_steps=max_steps, check=check,
        )  # fmt: skip
        self._span = Span.of(self.interval, (self.interval,), dt)
        self._timed = depends_on_time(equation)

    def forward(
        self, sequence: Fed, state: RecurrentState | State | None = None, *, mask: Tensor | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """All read-outs ``(*batch, T, c, *grid)``, and the state after the last input.

        Args:
            sequence: ``(*batch, T, C)``, for `Spatial` inputs ``(*batch, T, C, *grid)``, or a dict of these.
            state: that of an earlier call, to go on; or, where the forcing is held, fields to start from at time 0;
                None starts from `initial`.
            mask: bool ``(*batch, T)``; where it is false there is no input: the state and the sample's clock stay as
                they are, the read-out is zero, and nothing depends on what `sequence` holds there.

        Raises:
            OptionError, StateError: arguments that do not fit.
            SolveFailed: a sample ended early.
        """
        with solving(sequence, state) as (sequence, state):
            values = self.inputs.read(sequence)
            length = self._length(values)
            rows = {name: value.unbind(len(self.inputs.lead(name, value)) - 1) for name, value in values.items()}
            current = self._begin({name: row[0] for name, row in rows.items()}, state)
            valid = None if mask is None else self._checked_mask(mask, rows, current.y, length).unbind(-1)
            outputs = []
            for k in range(length):
                now = {name: row[k] for name, row in rows.items()}
                output, current = self._advance(now, current, None if valid is None else valid[k])
                outputs.append(output)
            return torch.stack(outputs, dim=current.y.dim() - len(self.equation.state_shape)), current

    def step(
        self, x: Fed, state: RecurrentState | State | None = None, *, mask: Tensor | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """The next read-out ``(*batch, c, *grid)`` and state, for one input.

        Args:
            x: ``(*batch, C)``, for `Spatial` inputs ``(*batch, C, *grid)``, or a dict of these.
            state: that of the step before; or, where the forcing is held, fields to start from at time 0; None starts
                from `initial`.
            mask: bool ``(*batch)``: which samples have an input.
        """
        with solving(x, state) as (x, state):
            values = self.inputs.read(x)
            return self._advance(values, self._begin(values, state), mask)

    def report(self, x: Fed, state: State | None = None) -> LayerReport:
        """What one interval with the input `x` costs, how accurate and how stiff it is."""
        with torch.no_grad(), solving(x, state) as (x, state):
            samples = self._samples(x, state)
            return report_of_run(self, samples.values, samples.y, self.interval, self.options, horizon=math.inf)

    def _length(self, values: Mapping[str, Tensor]) -> int:
        leads = {name: self.inputs.lead(name, value) for name, value in values.items()}
        lengths = {lead[-1] if lead else 0 for lead in leads.values()}
        if len(lengths) != 1 or 0 in lengths:
            shapes = {name: tuple(value.shape) for name, value in values.items()}
            raise StateError(f"a sequence is (*batch, T, C, *grid), with the same T >= 1 for all inputs; got {shapes}")
        return lengths.pop()

    def _begin(self, values: Mapping[str, Tensor], state: RecurrentState | State | None) -> RecurrentState:
        """The state before the first of these inputs, with the batch axes of the inputs."""
        if isinstance(state, RecurrentState):
            return self._checked_state(state)
        if state is not None and self.forcing == "linear":
            raise StateError(
                "with forcing='linear' a state is not enough, the input before it counts too; pass the RecurrentState "
                "of the last call, or to start from these fields fs.nn.RecurrentState(y, 0, {name: the input before})"
            )
        samples = gather(self.equation, self.inputs, self._start(values, state), values)
        before = {name: torch.zeros_like(value) for name, value in values.items()} if self.forcing == "linear" else {}
        return RecurrentState(samples.to_user(samples.y), 0, before)

    def _advance(
        self, values: Mapping[str, Tensor], state: RecurrentState, mask: Tensor | None
    ) -> tuple[Tensor, RecurrentState]:
        everyone = gather(self.equation, self.inputs, state.y, values)
        if mask is not None:
            refuse_own_samples(self.equation, self.inputs)
        active = everyone.active(mask)
        earlier = gather(self.equation, self.inputs, state.y, state.before).active(mask).values if state.before else {}
        if active.y.shape[0]:
            y = self._after_interval(active, earlier, state.seen)
        else:
            y = self._unsolved(active.y, {**active.values, **{f"{name} before": v for name, v in earlier.items()}})
        read = everyone.to_user(active.everyone(self.readout(y)))
        before = self._remembered(values, state.before, mask)
        seen = state.seen + (1 if mask is None else mask.to(everyone.y.device, torch.int64))
        return read, RecurrentState(everyone.to_user(active.everyone(y, everyone.y)), seen, before)

    def _after_interval(self, samples: Samples, earlier: Mapping[str, Tensor], seen: int | Tensor) -> Tensor:
        """(rows, C, *grid) at the end of the interval with number `seen`, which is that of each sample."""
        self._judge(samples)
        if not self._timed:  # then every interval may begin at 0
            return self._between(samples.y, samples.values, earlier, 0.0)
        if not isinstance(seen, Tensor):
            return self._between(samples.y, samples.values, earlier, seen * self.interval)
        seen = seen.expand(samples.batch).reshape(-1)
        if cannot_be_read(samples.y):
            return self._between(samples.y, samples.values, earlier, seen.double() * self.interval)
        return self._by_the_clock(samples, earlier, seen if samples.rows is None else seen[samples.rows])

    def _by_the_clock(self, samples: Samples, earlier: Mapping[str, Tensor], seen: Tensor) -> Tensor:
        """Samples whose clocks agree are solved together: a run has one span."""
        result, place = [], []
        for number in seen.unique().tolist():
            rows = torch.nonzero(seen == number).flatten()
            values, ends = ({n: v.index_select(0, rows) for n, v in each.items()} for each in (samples.values, earlier))
            result.append(self._between(samples.y.index_select(0, rows), values, ends, number * self.interval))
            place.append(rows)
        return torch.cat(result).index_select(0, torch.cat(place).argsort())

    def _between(
        self, y: Tensor, values: Mapping[str, Tensor], earlier: Mapping[str, Tensor], start: float | Tensor
    ) -> Tensor:
        """From `start`, one time or that of each row, for one interval."""
        fed: dict[str, Tensor | Ramp] = dict(values)
        if self.forcing == "linear":
            begin = cast("float", start)  # a ramp takes a time for each row too, where t has one
            fed = {name: Ramp(earlier[name], value, begin, begin + self.interval) for name, value in values.items()}
        span = self._span.up_to_date(self.options["dt"])
        return run(bound(self.equation, fed), y, span, self.options, start)[0]

    def _checked_state(self, state: RecurrentState) -> RecurrentState:
        expected = set(self.inputs.names) if self.forcing == "linear" else set()
        if set(state.before) != expected:
            held = "forcing='linear'" if state.before else "forcing='hold'"
            raise StateError(
                f"this RecurrentState remembers the inputs {sorted(state.before)}, as one of a layer with {held} does, "
                f"and this layer has forcing={self.forcing!r} and needs {sorted(expected)}; pass a state of its own"
            )
        return state

    def _checked_mask(self, mask: Tensor, rows: Mapping[str, Sequence[Tensor]], y: Tensor, length: int) -> Tensor:
        leads = [self.inputs.lead(name, row[0]) for name, row in rows.items()]
        batch = max((tuple(y.shape[: y.dim() - len(self.equation.state_shape)]), *leads), key=len)
        if mask.dtype != torch.bool or tuple(mask.shape) != (*batch, length):
            raise StateError(
                f"mask is {mask.dtype} {tuple(mask.shape)}, expected torch.bool (*batch, T), which is "
                f"{(*batch, length)}"
            )
        return mask

    def _remembered(
        self, values: Mapping[str, Tensor], before: Mapping[str, Tensor], mask: Tensor | None
    ) -> dict[str, Tensor]:
        """The last input of every sample that had one."""
        if self.forcing == "hold":
            return {}
        if mask is None:
            return dict(values)
        ones = {name: (1,) * len(shape) for name, shape in self.inputs.shapes.items()}
        return {
            name: torch.where(mask.reshape(*mask.shape, *ones[name]), values[name], before[name]) for name in values
        }

    def config(self) -> dict[str, Any]:
        """What a weights file must agree with."""
        return {**self._shared_config(), "interval": self.interval, "forcing": self.forcing}

    def extra_repr(self) -> str:
        """How the equation, which is printed below as a submodule, is run."""
        return f"interval={self.interval:g}, forcing={self.forcing!r}, {shown(self.options)}{self._shown()}"
