"""A root of f as a node of autograd's graph: forward it is a number, backward it is a linear system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fieldsolver.errors import ConvergenceError, OptionError
from fieldsolver.stepping import BackwardStatistics, Status, Trajectory, VectorField
from fieldsolver.stepping.arithmetic import masked

from .gmres import LinearSolution
from .implicit_solver import LinearSolver, flat, like_state

if TYPE_CHECKING:
    from fieldsolver.space.solvers import IterationReport


@dataclass(frozen=True, eq=False)
class Root:
    """The ends of a run, of which those at rest are roots of f(t_end, .).

    Attributes:
        field: the right-hand side.
        found: the run.
        solver: of the linear systems.
        record: where the costs of the backward pass are written.
    """

    field: VectorField
    found: Trajectory
    solver: LinearSolver
    record: BackwardStatistics


def at_root(root: Root, y0: Tensor) -> Tensor:
    """y_end (B, *state), with a graph from everything that f depends on, and zeros for y0.

    The graph is that of one evaluation of f. Samples that are not at rest are evaluated where another one rests: their
    own f may be infinite, which would poison the gradient of shared parameters.
    """
    found = root.found
    at_rest = found.status == Status.STEADY
    if not at_rest.any():  # whoever asks is told so in the backward pass, for which there has to be a graph
        return _Root.apply(root, None, torch.zeros((), requires_grad=True), found.y_end, y0)
    places = torch.where(at_rest, torch.arange(at_rest.numel()), at_rest.long().argmax())
    with torch.enable_grad():
        y = found.y_end.detach().index_select(0, places.to(found.y_end.device)).requires_grad_()
        rate = root.field(found.t_end[places].to(y.device), y)
    return _Root.apply(root, y, rate, found.y_end, y0)


class _Root(torch.autograd.Function):
    """(f(y*), y_end, y0) -> y_end; the gradient of f(y*) is -u with J^T u = g."""

    @staticmethod
    def forward(ctx: Any, root: Root, y: Tensor | None, rate: Tensor, y_end: Tensor, y0: Tensor) -> Tensor:
        ctx.root, ctx.y = root, y
        ctx.save_for_backward(rate)
        return y_end.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise OptionError(
                "gradient='implicit' was differentiated with create_graph=True, but its gradient carries no graph; use "
                "gradient='direct' for higher derivatives"
            )
        (rate,) = ctx.saved_tensors
        _refuse_restless(ctx.root.found, g)
        u = None if ctx.y is None else -_adjoint(ctx.root, ctx.y, rate, g)
        return None, None, u, None, torch.zeros_like(g)


def _adjoint(root: Root, y: Tensor, rate: Tensor, g: Tensor) -> Tensor:
    """u (B, *state) with J^T u = g."""

    def transposed(v: Tensor) -> Tensor:
        (product,) = torch.autograd.grad(rate, y, like_state(v, g), retain_graph=True, allow_unused=True)
        return torch.zeros_like(v) if product is None else flat(product)

    b = flat(g)
    solution = root.solver.solve(transposed, b)
    _note(root, solution, b)
    unsolved = root.solver.unsolved(solution, b) & torch.isfinite(b).all(dim=1)
    if unsolved.any():
        raise ConvergenceError(
            _sentence(solution, unsolved, root.solver), _report(solution.iterations, solution.residual)
        )
    finite = torch.isfinite(b).all(dim=1)  # what is not finite goes on its way
    return like_state(masked(finite, solution.x, torch.full_like(b, torch.nan)), g)


def _note(root: Root, solution: LinearSolution, b: Tensor) -> None:
    record = root.record
    record.nfev += solution.applications + 1  # f once, for this graph
    record.iterations += int(solution.iterations.max()) if solution.iterations.numel() else 0
    record.residual = solution.residual.cpu()
    record.peak_states = max(record.peak_states, solution.vectors)


def _report(iterations: Tensor, residual: Tensor) -> IterationReport:
    from fieldsolver.space.solvers import IterationReport  # loads SciPy, which only this error needs

    return IterationReport(iterations, residual)


def _sentence(solution: LinearSolution, unsolved: Tensor, solver: LinearSolver) -> str:
    worst = float(solution.residual[unsolved].max())
    exhausted = bool((solution.iterations[unsolved] >= solver.max_iterations - 1).any())
    count = f"the linear system of {int(unsolved.sum())} of {unsolved.numel()} sample(s)"
    if exhausted:
        return (
            f"{count} has a relative residual up to {worst:.1e} after {solver.max_iterations} iterations; give "
            "fs.gradients.Implicit more vectors= or max_iterations=, or use gradient='checkpointed'"
        )
    return (
        f"{count} has no solution (relative residual up to {worst:.1e}): the Jacobian of f is singular at the steady "
        "state, which then depends on y0, as where something is conserved; use gradient='checkpointed', which "
        "differentiates the run, or, if it is only ill-conditioned, give fs.gradients.Implicit more vectors="
    )


def _refuse_restless(found: Trajectory, g: Tensor) -> None:
    """Refuse a loss that looks at samples that are not at rest."""
    restless = found.status != Status.STEADY
    touched = (flat(g) != 0).any(dim=1).cpu() & restless
    if touched.any():
        residual = torch.full_like(found.t_end, torch.nan) if found.residual is None else found.residual
        first = int(torch.nonzero(touched)[0])
        raise ConvergenceError(
            f"the loss depends on {int(touched.sum())} sample(s) that are not at rest (sample {first}: "
            f"{Status(int(found.status[first])).sentence}), and gradient='implicit' is the gradient of steady states; "
            "leave them out of the loss, or use gradient='checkpointed'",
            _report(found.stats.accepted, residual),
        )
