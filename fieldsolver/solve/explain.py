"""`explain`: what fieldsolver knows of an equation, as a page to read and as a dict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.knowledge import LinearPart, linear_part
from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS

from .stability_limit import StepLimit, all_limits, evaluations_per_step


@dataclass(frozen=True)
class Explanation:
    """The page (``print`` it) and its content.

    Attributes:
        equation: what was explained.
        linear: its linear part, term by term.
        limits: largest stable fixed step per method.
        dt: the step that was asked about, or None.
    """

    equation: FieldEquation
    linear: LinearPart
    limits: tuple[StepLimit, ...]
    dt: float | None

    def to_dict(self) -> dict[str, Any]:
        """Everything on the page, as plain data."""
        return {
            "equation": str(self.equation),
            "terms": [
                {
                    "row": term.row,
                    "term": term.text,
                    "kind": term.kind,
                    "bound": None if term.bound is None else vars(term.bound),
                }
                for term in self.linear.terms
            ],
            "linear_bound": vars(self.linear.bound),
            "transform": list(self.linear.transform),
            "limits": {limit.method: {"dt": limit.dt, "exact": limit.exact} for limit in self.limits},
            "bytes_per_state": self.state_bytes,
        }

    @property
    def state_bytes(self) -> int:
        """Memory of one float64 (complex128) state of one sample."""
        return math.prod(self.equation.state_shape) * (16 if self.equation.is_complex else 8)

    def __str__(self) -> str:
        return "\n".join([*self._header(), "", *self._terms(), "", *self._limits(), "", *self._memory()])

    def _header(self) -> list[str]:
        equation = self.equation
        lines = [str(equation)]
        shown = ", ".join(f"{name} = {value}" for name, value in equation.describe_parameters().items())
        if shown:
            lines.append(f"with {shown}")
        if equation.grid is not None:
            spacing = ", ".join(f"{h:.4g}" for h in equation.grid.spacing)
            lines.append(f"on {equation.grid}, spacing {spacing}, differences of order {equation.layout.space_order}")
        return lines

    def _terms(self) -> list[str]:
        lines = ["Terms, and where their eigenvalues lie (rate = 1/time):"]
        for term in self.linear.terms:
            lines.append(f"  d{term.row}/dt  {term.text:<34.34} {_describe_bound(term)}")
        bound = self.linear.bound
        transform = ", ".join(self.linear.transform) or "none needed"
        sharp = "exact" if bound.kind == "exact" else f"upper bound: {bound.reason}"
        extent = f"real {bound.lowest:.4g} .. {bound.highest:.4g}, imaginary up to {bound.imaginary:.4g}"
        lines.append(f"  whole linear part: {extent} ({sharp}; transform: {transform})")
        if any(term.kind == "nonlinear" for term in self.linear.terms):
            lines.append("  nonlinear terms depend on the state and are not in these numbers")
        return lines

    def _limits(self) -> list[str]:
        lines = ["Largest stable fixed step for the decaying and neutral modes of the linear part:"]
        for limit in self.limits:
            cost = evaluations_per_step(METHODS[limit.method])
            line = f"  {limit.method:<8} dt <= {limit.dt:<12.6g} {cost} evaluation(s) per step"
            if self.dt is not None:
                line += f"   dt = {self.dt:g} is {'stable' if self.dt <= limit.dt else 'UNSTABLE'}"
            lines.append(line)
        return lines

    def _memory(self) -> list[str]:
        mib = self.state_bytes / 2**20
        return [
            f"Memory per sample in float64: one state is {mib:.3g} MiB. A save point costs one state; dense=True and",
            "gradient='direct' about one state per stage and step; gradient='checkpointed' about twice the square",
            "root of the number of steps, in states.",
        ]


def explain(equation: FieldEquation, *, dt: float | None = None) -> Explanation:
    """Say what is known of a declared equation: terms, stiffness, step limits per method, memory.

    Args:
        equation: a declared equation; its current parameter values are used.
        dt: a fixed step to judge.
    """
    if not isinstance(equation, FieldEquation):
        raise OptionError(
            f"explain needs a FieldEquation, got {type(equation).__name__}; plain functions say nothing of themselves"
        )
    if dt is not None and not (math.isfinite(dt) and dt > 0):
        raise OptionError(f"dt is a positive step size, got {dt!r}")
    linear = linear_part(equation)
    return Explanation(equation, linear, tuple(all_limits(linear)), dt)


def _describe_bound(term: Any) -> str:
    if term.bound is None:
        return f"{term.kind}, no constant spectrum" if term.kind == "nonlinear" else term.kind
    bound = term.bound
    parts = [f"real {bound.lowest:.4g} .. {bound.highest:.4g}"]
    if bound.imaginary:
        parts.append(f"imaginary up to {bound.imaginary:.4g}")
    return f"{', '.join(parts)} ({bound.kind})"
