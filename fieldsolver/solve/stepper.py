"""`init` and `step`: an integration driven by its user, one attempted step at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError, listing, nearest
from fieldsolver.methods import Step
from fieldsolver.stepping import Status, check_vector_field
from fieldsolver.stepping.controllers import Controller, get_controller
from fieldsolver.stepping.single_step import Numbers, Scheme, attempt, begin

from .events import refuse_events
from .options import ToleranceOption, check_sizes, check_step, choose_method, number, resolved_tolerances
from .problem import Problem, make_problem


@dataclass(frozen=True, eq=False)
class StepState:
    """An integration between two steps; `step` makes the next one from it and leaves it as it is.

    Attributes:
        problem: what is solved.
        scheme: how.
        numbers: everything that changes.
        source: what the problem was made from.
        last: the record of the last attempt, for `at`.
    """

    problem: Problem
    scheme: Scheme
    numbers: Numbers
    source: tuple[Any, ...]
    last: Step | None = None

    @property
    def t(self) -> Tensor:
        """Time of each sample, float64, with the batch's shape."""
        return self.problem.to_user(self.numbers.t)

    @property
    def y(self) -> Tensor:
        """States, ``(*batch, C, *grid)``."""
        return self.problem.to_user(self.numbers.y)

    def __getitem__(self, name: str) -> Tensor:
        """One field of a declared equation, ``(*batch, *grid)``."""
        if self.problem.equation is None:
            raise OptionError("a plain function has no named fields; use state.y")
        fields = self.problem.equation.unpack(self.y)
        if name not in fields:
            raise OptionError(f"there is no field {name!r}; fields: {listing(fields)}{nearest(str(name), fields)}")
        return fields[name]

    @property
    def dt(self) -> Tensor:
        """Size of the next attempt, with the batch's shape; a step that ends at `until` may be shorter."""
        return self.problem.to_user(self.numbers.size)

    @property
    def status(self) -> Tensor:
        """`Status` as integers, with the batch's shape: running, or how the sample failed."""
        return self.problem.to_user(self.numbers.status)

    @property
    def accepted(self) -> Tensor:
        """Steps kept, with the batch's shape."""
        return self.problem.to_user(self.numbers.accepted)

    @property
    def rejected(self) -> Tensor:
        """Steps thrown away, with the batch's shape."""
        return self.problem.to_user(self.numbers.rejected)

    @property
    def arrived(self) -> bool:
        """Whether no sample is on its way any more: all are at `until`, or have failed (one host read)."""
        numbers = self.numbers
        return not bool(((numbers.status == int(Status.RUNNING)) & (numbers.t != numbers.t_end)).any())

    def until(self, t: float, *, on_failure: str = "raise") -> StepState:
        """The same integration with another time that steps do not pass.

        Args:
            t: that time.
            on_failure: ``"raise"`` refuses to go on when a sample has failed, which `arrived` does not tell;
                ``"keep"`` goes on with the others.

        Raises:
            OptionError: a time behind a sample, or a sample that has failed.
        """
        t = number("until", t, "the time that steps do not pass, a number")
        if on_failure not in ("raise", "keep"):
            raise OptionError(f"on_failure is 'raise' or 'keep', got {on_failure!r}")
        if on_failure == "raise":
            self._refuse_failed()
        if bool(((t - self.numbers.t) * self.scheme.direction < 0).any()):
            raise OptionError(f"until({t}) lies behind the samples; steps go on from t = {self.numbers.t.tolist()}")
        return replace(self, numbers=self.numbers._replace(t_end=torch.full_like(self.numbers.t_end, t)))

    def with_state(self, y: Mapping[str, Any] | Tensor) -> StepState:
        """The same integration from other states, which the outside world has put there.

        The method and the controller forget the past; the step size stays as a first guess.

        Args:
            y: as in `init`, of the same shape.
        """
        numbers, equation = self.numbers, self.problem.equation
        packed = torch.as_tensor(y) if equation is None else equation.pack(y)
        if packed.shape != self.y.shape or packed.dtype != numbers.y.dtype:
            raise StateError(
                f"with_state has shape {tuple(packed.shape)} and dtype {packed.dtype}, expected {tuple(self.y.shape)} "
                f"and {numbers.y.dtype}"
            )
        return _from(self, packed.reshape(numbers.y.shape), self.scheme.field)

    def with_parameters(self) -> StepState:
        """The same integration with the parameters that the equation or module has now."""
        problem = make_problem(*self.source)
        return _from(replace(self, problem=problem), self.numbers.y, problem.field)

    def at(self, t: float | Tensor) -> Tensor:
        """Dense output within the last accepted step: the states at a time, ``(*batch, C, *grid)``.

        Raises:
            OptionError: there was no step yet, or the time lies outside the last step of a sample.
        """
        if self.last is None:
            raise OptionError("there was no step yet; call fs.step(state) first")
        step, when = self.last, torch.as_tensor(t, dtype=torch.float64, device=self.numbers.t.device)
        theta = (when - step.t) / step.dt
        if not bool(((theta >= 0) & (theta <= 1) & (self.numbers.t != step.t)).all()):
            raise OptionError(f"at({t}) is not inside the last accepted step of every sample; ask solve(dense=True)")
        method = self.scheme.method
        return self.problem.to_user(method.interpolate(method.extend(self._field(), step), theta.expand_as(step.t)))

    def _refuse_failed(self) -> None:
        status = self.numbers.status
        failed = torch.nonzero(status != int(Status.RUNNING)).flatten().tolist()
        if failed:
            first = failed[0]
            raise OptionError(
                f"{len(failed)} of {status.numel()} sample(s) failed; sample {first} at "
                f"t = {self.numbers.t[first].item():.6g}: {Status(int(status[first])).sentence} Look at state.status; "
                f"until(t, on_failure='keep') goes on with the other samples"
            )

    def _field(self) -> Callable[[Tensor, Tensor], Tensor]:
        return self.scheme.field.with_parameters(self.numbers.parameters)

    def __repr__(self) -> str:
        t = self.numbers.t
        where = f"t = {t.min().item():g}" if t.numel() == 1 else f"t from {t.min().item():g} to {t.max().item():g}"
        steps = int(self.numbers.accepted.sum())
        return f"<StepState: {self.scheme.method.name}, {where}, y {tuple(self.y.shape)}, {steps} step(s) accepted>"


def init(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t0: float = 0.0,
    until: float = math.inf,
    dt: float | None = None,
    method: str = "auto",
    rtol: ToleranceOption = 1e-6,
    atol: ToleranceOption = 1e-9,
    dt_min: float = 0.0,
    dt_max: float = math.inf,
    first_step: float | None = None,
    controller: str | Controller = "pi",
    batch_dims: int | None = None,
    args: Sequence[Any] = (),
) -> StepState:
    """Set an integration up for `step`, without making any.

    For control loops, coupled programs and compilers; `solve` is what everybody else wants.

    Args:
        f: as in `solve`, and so are `y0`, `dt`, `method`, `rtol`, `atol`, `batch_dims` and `args`.
        y0: initial states.
        t0: where they are.
        until: no step passes this time; before `t0` for steps backwards. `StepState.until` changes it.
        dt: size of fixed steps; None: the method chooses its steps.
        method: name of the scheme.
        rtol: relative tolerance.
        atol: absolute tolerance.
        dt_min: a sample that needs smaller steps than this fails.
        dt_max: steps are not longer than this.
        first_step: size of the first attempt; None chooses it by two evaluations of f.
        controller: law of the step size.
        batch_dims: as in `solve`.
        args: further arguments of a plain function.

    Raises:
        OptionError, StateError: an option or the state cannot be.
    """
    t0, until = number("t0", t0, "the time of y0, a number"), number("until", until, "a time to head for, a number")
    if not math.isfinite(t0) or until == t0:
        raise OptionError(f"t0 = {t0} and until = {until}, expected a finite start and another time to head for")
    check_step(dt)
    check_sizes(dt_min, dt_max, first_step, abs(until - t0))
    refuse_events(f, "fs.init")
    source = (f, y0, batch_dims, args)
    problem = make_problem(*source)
    relative, absolute = resolved_tolerances(rtol, atol, problem)
    scheme_method, _ = choose_method(method, dt)
    if dt is None and scheme_method.error_order is None:
        raise OptionError(f"method {scheme_method.name!r} has no error estimate; give dt=")
    law = get_controller(controller) if dt is None else None
    scheme = Scheme(problem.field, scheme_method, law, 1.0 if until > t0 else -1.0)
    k1 = check_vector_field(problem.field, t0, problem.y0)
    numbers = begin(
        scheme, t0, problem.y0, k1, t_end=until, rtol=relative, atol=absolute, dt_min=dt_min, dt_max=dt_max,
        first_step=first_step if dt is None else dt,
    )  # fmt: skip
    return StepState(problem, scheme, numbers, source)


def step(state: StepState) -> StepState:
    """Try one step of every sample that is on its way.

    A sample whose step is rejected stays where it is, with a smaller `dt`; one that has arrived at `until` or has
    failed stays too. Nothing is read from the device: ``torch.compile(fs.step, fullgraph=True)`` works, and other step
    sizes, tolerances, times or parameters do not compile it again.

    Args:
        state: from `init` or an earlier `step`; it is left as it is.
    """
    if not isinstance(state, StepState):
        raise OptionError(f"step takes a state from fs.init or an earlier fs.step, got {type(state).__name__}")
    numbers, last = attempt(state.scheme, state.numbers)
    return replace(state, numbers=numbers, last=last)


def _from(state: StepState, y: Tensor, field: Any) -> StepState:
    numbers, method = state.numbers, state.scheme.method
    k1 = field(numbers.t, y)
    fresh = replace(state.scheme, field=field)
    restarted = begin(
        fresh, float(numbers.t[0]), y, k1, t_end=float(numbers.t_end), rtol=numbers.rtol, atol=numbers.atol,
        dt_min=float(numbers.dt_min), dt_max=float(numbers.dt_max), first_step=1.0,
    )  # fmt: skip
    kept = {name: getattr(numbers, name) for name in ("t", "size", "status", "accepted", "rejected", "t_end")}
    memory = method.start(field, numbers.t, y, k1)
    return replace(state, scheme=fresh, numbers=restarted._replace(**kept, memory=memory), last=None)
