"""The gradient of a steady state by the implicit function theorem: the way there is forgotten.

Of f(t, y*, p) = 0 follows J dy* + f_p dp = 0 with J = df/dy at y*. A loss with the gradient g at y* therefore has

    J^T u = g,        dL/dp = -u^T f_p

The linear system is solved for each sample by itself, with products of J^T and vectors alone: one backward pass through
the graph of one evaluation of f for each. Memory and cost do not depend on how long the run was.

What it is: the gradient of the exact root, evaluated at the state where the run ended. Its error is that state's
distance from the root, and the tolerance of the linear solver. What it is not: the gradient of y* in y0, which is zero
where the root is isolated. Where it is not, as with a conserved quantity, J is singular, y* moves with y0, and the
system has no solution; then the backward pass raises `ConvergenceError`. Complex states are pairs of real ones: f need
not be holomorphic.

Source: S. Bai, J. Z. Kolter, V. Koltun, *Deep equilibrium models*, NeurIPS 2019, theorem 1, for the form with J^T.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.methods import Method
from fieldsolver.methods.transformed import in_transform
from fieldsolver.stepping import BackwardStatistics, Ends, Status, SteadyState, Trajectory, VectorField
from fieldsolver.stepping.arithmetic import spread

from .constancy import refuse_written, testimony
from .continuous.adjoint_tolerances import is_number
from .none import without_gradient
from .probe import tracks_gradients
from .steady.implicit_polish import polished
from .steady.implicit_root import Root, at_root
from .steady.implicit_solver import SOLVERS, LinearSolver


@dataclass(frozen=True)
class Implicit:
    """The gradient of the steady state that a solve has ended in.

    Args:
        solver: of the linear systems: ``"gmres"``, or ``"anderson"``, which takes less memory and more iterations.
        rtol: of their relative residual; None: eps^(2/3) of the state's dtype, 4e-11 in float64 and 2e-5 in float32.
        max_iterations: products of J^T with a vector, per sample.
        vectors: states that the solver keeps; None: for GMRES 20 to 200, up to 2^20 entries per sample, for Anderson
            20. GMRES with few of them can stagnate.
        polish: Newton steps on the state at which the run has ended. Each is a linear solve without any graph, and
            squares the distance from the root until round-off stops it: the gradient's error is then that of the
            linear solver alone. A step that does not make the residual smaller is not taken.

    Raises:
        OptionError: an option that cannot be.
    """

    solver: str = "gmres"
    rtol: float | None = None
    max_iterations: int = 2000
    vectors: int | None = None
    polish: int = 0
    name = "implicit"

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            hint = nearest(str(self.solver), SOLVERS)
            raise OptionError(f"the solver of Implicit is one of {listing(SOLVERS)}, got {self.solver!r}{hint}")
        if self.rtol is not None and not (is_number(self.rtol) and 0.0 < self.rtol < 1.0):
            raise OptionError(f"rtol of Implicit is a relative residual between 0 and 1, got {self.rtol!r}")
        for what, count, least in (
            ("max_iterations", self.max_iterations, 1), ("vectors", self.vectors, 2), ("polish", self.polish, 0),
        ):  # fmt: skip
            if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < least):
                raise OptionError(f"{what} of Implicit is a whole number, at least {least}, got {count!r}")

    def check(self, method: Method, equation: FieldEquation | None, span: float) -> None:
        """Every method will do: the steps leave no trace in this gradient."""

    def solve(
        self, field: VectorField, method: Method, y0: Tensor, t0: float, t1: float, *, ends: Ends | None = None,
        **options: Any,
    ) -> Trajectory:  # fmt: skip
        """Integrate to the steady states; `y_end`, and `saved` at t1, have a graph from all that f depends on.

        Neither `ends` nor y0 have an influence on a steady state: y0 gets zeros.

        Raises:
            OptionError: no `until`, events, or save points on the way, which have no implicit gradient.
            ConvergenceError: (in the backward pass) a sample that is not at rest, or whose linear system has no
                solution.
        """
        until, save_at = _refuse_unfit(t0, t1, options)
        before = testimony(field)
        found = without_gradient(field, method, y0, t0, t1, **options)
        at_rest = found.status == Status.STEADY
        solver = LinearSolver(self.solver, self.rtol, self.max_iterations, self.vectors)
        if self.polish and bool(at_rest.any()):
            found = polished(found, field, solver, until, self.polish)
        if not tracks_gradients(field, t0, y0):
            return found
        refuse_written(field, before, self.name)
        record = BackwardStatistics()
        y_end = at_root(Root(field, found, solver, record), y0)
        return replace(found, y_end=y_end, saved=_saved(save_at, t0, y0, found, y_end), backward=record)


def _refuse_unfit(t0: float, t1: float, options: dict[str, Any]) -> tuple[SteadyState, Tensor]:
    until, save_at = options.get("until"), options.get("save_at")
    instead = "use gradient='checkpointed'"
    if until is None:
        raise OptionError(
            f"gradient='implicit' is the gradient of a steady state; add until=fs.SteadyState(), or {instead}"
        )
    if options.get("events"):
        raise OptionError(f"gradient='implicit' knows nothing of events on the way to the steady state; {instead}")
    times = torch.empty(0, dtype=torch.float64) if save_at is None else save_at
    between = times[(times != t0) & (times != t1)]
    if between.numel():
        raise OptionError(
            f"gradient='implicit' knows nothing of the way, and save_at has t = {between[0].item():g} on it; leave "
            f"save_at out, or {instead}"
        )
    if in_transform():
        raise OptionError(
            "gradient='implicit' knows no forward mode and does not work inside torch.func; use gradient='direct'"
        )
    return until, times


def _saved(times: Tensor, t0: float, y0: Tensor, found: Trajectory, y_end: Tensor) -> Tensor:
    """(T, B, *state): y0 at t0, and at t1 the states of the samples that ran so long; the graph goes with them."""
    rows = zip(times.tolist(), found.saved, strict=True)
    ends = [(time, spread((found.t_end == time).to(row.device), row), row) for time, row in rows]
    states = [y0 if time == t0 else torch.where(arrived, y_end, row) for time, arrived, row in ends]
    return torch.stack(states) if states else found.saved
