"""What `solve` returns."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.stepping import BackwardStatistics, Status, StepLog
from fieldsolver.stepping.events import EventLog

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SolveStatistics:
    """What a solve cost; tensors have the batch's shape.

    Attributes:
        method: the scheme that ran, and `reason` why it was chosen.
        backend: ``"torch"``.
        gradient: the gradient mode, ``"none"`` without one.
        accepted, rejected, nfev: steps kept, steps thrown away, evaluations of the right-hand side.
        smallest_dt, largest_dt: of the accepted steps.
        stiffness_ratio: h|lambda| over the method's limit of stability, where it was largest: about 1 means that
            stability holds the steps down and not accuracy; NaN where it was not measured.
        stiff_from: the time from which a sample was found stiff; NaN where it was not.
        seconds: wall time; of a solve that went on from a checkpoint, that of the last session.
        backward: what the backward passes cost, filled when they run; None where autograd alone makes them.
        residual: with ``until=SteadyState``: the scaled residual where each sample ended; at rest it is at most 1.
        time_to_converge: likewise, the time that each sample took to come to rest; NaN where it did not.
    """

    method: str
    reason: str
    backend: str
    gradient: str
    accepted: Tensor
    rejected: Tensor
    nfev: Tensor
    smallest_dt: Tensor
    largest_dt: Tensor
    stiffness_ratio: Tensor
    stiff_from: Tensor
    seconds: float
    backward: BackwardStatistics | None = None
    residual: Tensor | None = None
    time_to_converge: Tensor | None = None

    def __str__(self) -> str:
        def span(values: Tensor) -> str:
            low, high = values.min().item(), values.max().item()
            return f"{low:g}" if low == high else f"{low:g} to {high:g}"

        steps = f"{span(self.accepted)} steps, {span(self.rejected)} rejected, {span(self.nfev)} evaluations"
        sizes = f"dt {self.smallest_dt.min().item():.4g} .. {self.largest_dt.max().item():.4g}"
        return f"{self.method} ({self.reason}): {steps}, {sizes}, {self.seconds:.2f} s"


def succeeded(status: Tensor) -> Tensor:
    """Which samples ended where they were meant to."""
    return torch.isin(status, _SUCCESSES.to(status.device))


_SUCCESSES = torch.tensor([int(status) for status in Status if status.success])


@dataclass(frozen=True)
class Solution:
    """A solution at the save points.

    Attributes:
        t: save points, float64, shape ``(T,)``.
        y: states, ``(T, *batch, C, *grid)``; NaN where a sample did not get that far.
        status: outcome per sample, integers of `Status`, shape ``(*batch)``.
        t_end: where each sample ended, shape ``(*batch)``.
        stats: costs, and why this method was chosen.
        equation: the declared equation, or None.
        steps: the accepted steps.
        events: what happened when, `EventLog`, empty if nothing did; None without events, that is if neither the
            equation nor the solve declares any.
        attributes: options of the solve, for the record.
        ponder: with ``until=SteadyState(ponder=True)``: the length of the path, integral of rms(f) dt, ``(*batch)``;
            it carries a graph.
    """

    t: Tensor
    y: Tensor
    status: Tensor
    t_end: Tensor
    stats: SolveStatistics
    equation: FieldEquation | None = None
    steps: StepLog | None = None
    events: EventLog | None = None
    dense: Callable[[Tensor | float], Tensor] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    ponder: Tensor | None = None

    def __getitem__(self, name: str) -> Tensor:
        """One field, ``(T, *batch, *grid)`` or ``(T, *batch, c, *grid)``."""
        fields = self.fields
        if name not in fields:
            raise OptionError(f"there is no field {name!r}; fields: {listing(fields)}{nearest(name, fields)}")
        return fields[name]

    @property
    def fields(self) -> dict[str, Tensor]:
        """All fields by name; raises `OptionError` for the solution of a plain function."""
        if self.equation is None:
            raise OptionError("a plain function has no named fields; use solution.y")
        return self.equation.unpack(self.y)

    def fields_inside(self) -> dict[str, Tensor]:
        """All fields by name, NaN outside a mask: what pictures and labelled data show."""
        fields, equation = self.fields, self.equation
        if equation is None or equation.layout.mask is None:
            return fields
        mask = equation.layout.mask
        batch = self.status.shape if mask.samples is not None else ()
        inside = mask.inside.reshape(*batch, 1, *mask.grid.shape).to(self.y.device)
        return equation.unpack(torch.where(inside, self.y, math.nan))

    @property
    def success(self) -> bool:
        """Whether every sample reached the end, a terminal event, or the steady state it was to reach."""
        return bool(succeeded(self.status).all())

    @property
    def outcomes(self) -> list[str]:
        """One sentence per sample."""
        return [Status(value).sentence for value in self.status.reshape(-1).tolist()]

    def __call__(self, t: float | Tensor) -> Tensor:
        """The state at any time of the span, ``(*batch, C, *grid)``; times ``(n,)`` add a leading axis.

        Raises:
            OptionError: the solve did not keep its interpolant (``dense=True``), `t` is no time inside the span, or a
                gradient may be asked for that only the mode "direct" has.
        """
        if self.dense is None:
            raise OptionError("this solution keeps only its save points; call solve(..., dense=True) for solution(t)")
        try:
            real = not torch.as_tensor(t).is_complex()
        except (TypeError, ValueError, RuntimeError):
            real = False
        if not real:
            raise OptionError(f"solution(t) takes a time, or times (n,), got {t!r}")
        if self.y.requires_grad and torch.is_grad_enabled() and self.stats.gradient != "direct":
            raise OptionError(
                f"solution(t) has no gradient with gradient={self.stats.gradient!r}, and save_at= has; name the times "
                "there, solve with gradient='direct', or look at numbers within torch.no_grad()"
            )
        return self.dense(t)

    def to_xarray(self) -> xarray.Dataset:
        """A labelled dataset, one variable per field, ready for ``to_netcdf``; complex ones become ``_re``, ``_im``.

        Outside a mask it holds NaN.
        """
        from .dataset import to_dataset

        return to_dataset(self)

    def plot(self, fields: list[str] | None = None) -> Figure:
        """Curves over time, a space-time picture (1-D), or the last states (2-D and 3-D, middle slice)."""
        from .picture import plot_solution

        return plot_solution(self, fields)

    def animate(self, path: str | os.PathLike[str], field: str | None = None, *, fps: int = 15) -> Path:
        """Write the evolution of one field as ``.gif`` or ``.mp4`` and return the path."""
        from .picture import animate_solution

        return animate_solution(self, Path(path), field, fps)

    def __repr__(self) -> str:
        early = int((~succeeded(self.status)).sum())
        what = "all samples finished" if early == 0 else f"{early} sample(s) ended early"
        return f"<Solution: {self.t.numel()} save points, y {tuple(self.y.shape)}, {what}; {self.stats}>"
