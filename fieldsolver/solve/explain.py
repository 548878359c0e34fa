"""`explain`: what fieldsolver knows of an equation, as a page to read and as a dict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.graph import Noise
from fieldsolver.equations.knowledge import LinearPart, TermReport, conserved_linear, linear_part
from fieldsolver.errors import FieldSolverError, OptionError, listing
from fieldsolver.gradients.discrete.budget import fewest_states, states_kept
from fieldsolver.methods import METHODS

from .stability_limit import StepLimit, all_limits, evaluations_per_step
from .state_spectrum import StateSpectrum, state_spectrum

STEPS = 1000
"""Steps of the run whose gradient the page prices."""

_KINDS = {"nonlinear": "nonlinear, no constant spectrum", "source": "source"}


@dataclass(frozen=True)
class Explanation:
    """The page (``print`` it) and its content.

    Attributes:
        equation: what was explained.
        linear: its linear part, term by term.
        limits: largest stable fixed step per method.
        dt: the step that was asked about, or None.
        conserved: weights of conserved linear quantities, one row each.
        at_state: extreme eigenvalues at the state that was given, or None.
    """

    equation: FieldEquation
    linear: LinearPart
    limits: tuple[StepLimit, ...]
    dt: float | None
    conserved: tuple[tuple[float, ...], ...]
    at_state: StateSpectrum | None

    def to_dict(self) -> dict[str, Any]:
        """Everything on the page, as plain data."""
        return {
            "equation": str(self.equation),
            "orders_in_time": dict(self.equation.orders),
            "terms": [asdict(term) for term in self.linear.terms],
            "linear_bound": asdict(self.linear.bound),
            "transform": list(self.linear.transform),
            "limits": {limit.method: {"dt": limit.dt, "exact": limit.exact} for limit in self.limits},
            "noise": {row: {str(k): str(v) for k, v in terms.items()} for row, terms in self.equation.noises.items()},
            "calculus": self.equation.calculus,
            "conserved": [list(row) for row in self.conserved],
            "at_state": None if self.at_state is None else asdict(self.at_state),
            "bytes_per_state": self.state_bytes,
        }

    @property
    def state_bytes(self) -> int:
        """Memory of one float64 (complex128) state of one sample."""
        return math.prod(self.equation.state_shape) * (16 if self.equation.is_complex else 8)

    def __str__(self) -> str:
        sections = (self._header(), self._terms(), self._structure(), self._limits(), self._memory())
        return "\n\n".join("\n".join(lines) for lines in sections if lines)

    def _header(self) -> list[str]:
        equation = self.equation
        lines = [str(equation)]
        shown = ", ".join(f"{name} = {value}" for name, value in equation.describe_parameters().items())
        if shown:
            lines.append(f"with {shown}")
        if equation.layout.graph is not None:
            lines.append(f"on {equation.layout.graph}")
        for grid, fields in equation.fields_by_grid().items():
            spacing = ", ".join(f"{h:.4g}" for h in grid.spacing)
            shown = f"{listing(fields)} " if equation.layout.domains else ""
            lines.append(f"{shown}on {grid}, spacing {spacing}, {equation.layout.of(fields[0]).schemes_text()}")
        return lines

    def _terms(self) -> list[str]:
        lines = ["Terms, and where their eigenvalues lie (rate = 1/time):"]
        lines.extend(f"  {_rate(term.row)}  {term.text:<34.34} {_describe(term)}" for term in self.linear.terms)
        bound = self.linear.bound
        transform = ", ".join(self.linear.transform) or "none needed"
        sharp = "exact" if bound.kind == "exact" else f"upper bound: {bound.reason}"
        extent = f"real {bound.lowest:.4g} .. {bound.highest:.4g}, imaginary up to {bound.imaginary:.4g}"
        lines.append(f"  whole linear part: {extent} ({sharp}; transform: {transform})")
        if self.at_state is not None:
            lines.append(
                f"  at the given state, all terms: fastest {self.at_state.largest:.4g}, rightmost "
                f"{self.at_state.rightmost:.4g} ({self.at_state.method})"
            )
        elif any(term.kind == "nonlinear" for term in self.linear.terms):
            lines.append("  nonlinear terms depend on the state and are not in these numbers; state= shows them")
        return lines

    def _structure(self) -> list[str]:
        equation, lines = self.equation, []
        second = [name for name, order in equation.orders.items() if order == 2]
        if second:
            shown = ", ".join(f"{name} (velocity d{name}/dt in the state)" for name in second)
            lines.append(f"Second order in time: {shown}.")
        sources: dict[Noise, list[str]] = {}
        for row, terms in equation.noises.items():
            for noise, coefficient in terms.items():
                sources.setdefault(noise, []).append(f"{coefficient} in {_rate(row)}")
        lines.extend(f"Noise {noise} ({equation.calculus}): {'; '.join(rows)}." for noise, rows in sources.items())
        names = [n if s == 1 else f"{n}[{i}]" for n, (_, s) in equation.layout.fields.items() for i in range(s)]
        integral = "integral of " if equation.grid is not None else ""
        for weights in self.conserved:
            parts = [f"{weight:+.6g}*{name}" for weight, name in zip(weights, names, strict=True) if weight]
            lines.append(f"Conserved in every state that was tried (no proof): {integral}{' '.join(parts)}.")
        return lines

    def _limits(self) -> list[str]:
        lines = ["Largest stable fixed step for the decaying and neutral modes of the linear part:"]
        width = max(len(limit.method) for limit in self.limits)
        for limit in self.limits:
            cost = evaluations_per_step(METHODS[limit.method])
            line = f"  {limit.method:<{width}} dt <= {limit.dt:<12.6g} {cost} evaluation(s) per step"
            if self.dt is not None:
                line += f"   dt = {self.dt:g} is {'stable' if self.dt <= limit.dt else 'UNSTABLE'}"
            lines.append(line)
        return lines

    def _memory(self) -> list[str]:
        mib = self.state_bytes / 2**20
        state = f"one state, and each save point, is {mib:.3g} MiB"
        lines = [f"Memory per sample in float64: {state}. The gradient of {STEPS} steps:"]
        stages = sorted({METHODS[limit.method].stages for limit in self.limits})
        low, high = (STEPS * (count + 1) * mib for count in (stages[0], stages[-1]))
        kept = min(STEPS, states_kept(STEPS, self.state_bytes)) * mib
        few = fewest_states(STEPS, times=3)
        sparing = f"with states={few} {few * mib:.3g} MiB, and no step made more than 3 times"
        return [
            *lines,
            f"  'direct' {low:.3g} MiB (1 stage per step) to {high:.3g} MiB ({stages[-1]} stages); 'quadrature' too",
            f"  'checkpointed' {kept:.3g} MiB; {sparing}",
            f"  'reversible', 'backsolve' {4 * mib:.3g} MiB; 'implicit', at rest, the vectors of GMRES",
        ]


def explain(
    equation: FieldEquation,
    *,
    dt: float | None = None,
    state: Mapping[str, Any] | Tensor | None = None,
) -> Explanation:
    """Say what is known of a declared equation: terms, stiffness, structure, step limits per method, memory.

    Args:
        equation: a declared equation; its current parameter values are used.
        dt: a fixed step to judge.
        state: one state (no batch); adds the stiffness of all terms, the nonlinear ones included, at this state.
    """
    if not isinstance(equation, FieldEquation):
        raise OptionError(
            f"explain needs a FieldEquation, got {type(equation).__name__}; plain functions say nothing of themselves"
        )
    if dt is not None and not (math.isfinite(dt) and dt > 0):
        raise OptionError(f"dt is a positive step size, got {dt!r}")
    linear = linear_part(equation)
    return Explanation(
        equation, linear, tuple(all_limits(linear)), dt, _conserved(equation), _at_state(equation, state)
    )


def _conserved(equation: FieldEquation) -> tuple[tuple[float, ...], ...]:
    if equation.is_complex or math.prod(equation.state_shape) > 2**18:
        return ()  # the search evaluates dozens of random states; a page must stay quick
    try:
        return tuple(tuple(float(w) for w in row) for row in conserved_linear(equation))
    except FieldSolverError:
        return ()


def _at_state(equation: FieldEquation, state: Mapping[str, Any] | Tensor | None) -> StateSpectrum | None:
    if state is None:
        return None
    if equation.is_complex:
        raise OptionError("state= judges real systems; write the real and the imaginary part as two fields")
    y = equation.pack(state).double()
    if y.shape != equation.state_shape:
        raise OptionError(f"state= is one state of shape {equation.state_shape}, got {tuple(y.shape)}")
    return state_spectrum(equation, y)


def _rate(state: str) -> str:
    """``"u"`` -> ``"du/dt"``, and the rate of the velocity ``"du/dt"`` -> ``"d2u/dt2"``."""
    return f"d2{state[1:-3]}/dt2" if state.endswith("/dt") else f"d{state}/dt"


def _describe(term: TermReport) -> str:
    if term.bound is None:
        return _KINDS.get(term.kind, term.reason)
    bound = term.bound
    parts = [f"real {bound.lowest:.4g} .. {bound.highest:.4g}"]
    if bound.imaginary:
        parts.append(f"imaginary up to {bound.imaginary:.4g}")
    return f"{', '.join(parts)} ({bound.kind})"
