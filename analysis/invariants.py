"""`invariants`: what a system conserves, what it lowers, and what kind of system it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError, StateError
from fieldsolver.results import AnalysisResult, Verdict, register_plot

from .plots.invariants import draw_invariants
from .problem import Problem
from .provenance import Provenance
from .structure.asking import ask
from .structure.completion import complete, without_formula
from .structure.contours import contours
from .structure.field_search import FieldSearch, search_fields, search_graph
from .structure.formulas import Formulas
from .structure.judgement import judge
from .structure.kind import Kind, examine
from .structure.ode_search import OdeSearch, search_unknowns
from .structure.rates import ROUND_OFF, Quantity
from .structure.report import Contours, Record, dataset_of
from .structure.samples import FreshStates, generator_of, spread_states
from .structure.system import System, system_of

SCHEMA = "invariants/1"

register_plot(SCHEMA)(draw_invariants)


def invariants(
    f: FieldEquation | Callable[..., Tensor],
    *,
    candidates: Sequence[str] | None = None,
    degree: int | None = None,
    states: Tensor | int | None = None,
    seed: int = 0,
    expect: str | Quantity | None = None,
) -> AnalysisResult:
    """Search for conserved and decreasing quantities, and test what kind of system `f` is. Nothing is solved.

    Four routes, the strictest evidence first: structure tests with products of the Jacobian at random states (gradient
    flow, Hamiltonian, damped Hamiltonian, each with its potential); the calculus of variations on declared equations;
    the null space of ``A_ki = <grad phi_i(u_k), f(u_k)>`` over random states ``u_k`` and a library ``phi_i``, accepted
    by the gap of its singular values, with whole coefficients where they fit and an algebraic proof; Lyapunov
    functions by the Lyapunov equation or by linear programming.

    Args:
        f: a declared equation, or a function ``f(t, y)`` of states ``(n,)``. Noise, explicit time dependence, and
            fields on different grids make the question NOT_APPLICABLE.
        candidates: expressions that are combined in place of the default library: functions of the state, or densities
            on a grid. The unknowns of a function are called ``y[0]``, ``y[1]``...
        degree: of the monomials of systems without a grid; default 6 for 2 unknowns, falling to 2 for 7 and more.
        states: ``(K, n)`` at which a system without a grid is asked, in place of random ones; or n, which a function
            needs.
        seed: of every random state.
        expect: an expression that is claimed to be conserved, or a function of states ``(K, n)`` or ``(K, C, *grid)``
            with values ``(K,)``.

    Returns:
        Schema ``invariants/1``. Dimension ``invariant``: `expression` (a density on a grid), `kind`, `certificate`
        (exact: an identity of formulas; bounded: numerical with a margin; statistical: fresh random states), `route`,
        `defect`, `discrete`, `with_numbers`, `domain`. Dimension ``structure``: `structure_defect`,
        `structure_tolerance`, `structure_holds`, `structure_detail`. Dimension ``singular``: `singular_value`;
        and `null_gap`, `nullity`.
        PROVED: something was found and holds by algebra. PASS: something was found on random states. NOT_FOUND: the
        library holds nothing, which excludes nothing outside of it. FAIL: what was expected is not conserved.

    Raises:
        OptionError, StateError: an option, or states of another shape.
        EquationError: a candidate does not parse.
    """
    _check(f, candidates, degree, states, expect)
    sample = states if isinstance(states, Tensor) else None
    told = None if callable(expect) else expect
    provenance = Provenance(
        f, sample, seed=seed, degree=degree, candidates=candidates and "; ".join(candidates), expect=told or None
    )
    refusal = _refusal(f)
    if refusal is not None:
        return _not_applicable(refusal, provenance)
    with torch.no_grad():  # parameters that can be trained would drag their gradients along
        return _searched(f, candidates, degree, states, seed, expect, provenance)


def study(problem: Problem) -> AnalysisResult:
    """The default search for the equation of a problem."""
    return invariants(problem.equation)


def _searched(
    f: FieldEquation | Callable[..., Tensor],
    candidates: Sequence[str] | None,
    degree: int | None,
    states: Tensor | int | None,
    seed: int,
    expect: str | Quantity | None,
    provenance: Provenance,
) -> AnalysisResult:
    system = system_of(f, _size(states))
    sample = states if isinstance(states, Tensor) else None
    given = None if sample is None else _shaped(system, sample)
    probe = given[:2] if given is not None else spread_states(system, 2, generator_of(seed))
    if system.is_random(probe):
        return _not_applicable("the right-hand side is random (dropout?): call .eval() on its modules", provenance)
    if system.depends_on_time(probe):
        return _not_applicable(
            "the right-hand side depends on time, so that hardly anything is conserved; "
            "make t a state with dt/dt = 1, or freeze it",
            provenance,
        )
    return _Study(system, seed, given, degree, candidates).run(expect, provenance)


class _Study:
    """One run: the kind of system, the search, and the answer to what was asked."""

    def __init__(
        self, system: System, seed: int, states: Tensor | None, degree: int | None, candidates: Sequence[str] | None
    ) -> None:
        self.system, self.seed, self.states = system, seed, states
        self.degree, self.candidates = degree, candidates
        self.formulas = None if system.grid else Formulas(system)
        self.fresh = FreshStates(system, seed, states)

    def run(self, expect: str | Quantity | None, provenance: Provenance) -> AnalysisResult:
        kind = examine(self.system, self.seed)
        notes: dict[str, Any] = {"round_off": ROUND_OFF, "family": "", "kind": kind.sentence}
        plane: Contours | None = None
        if self.formulas is None:
            searched: FieldSearch | OdeSearch = self._fields(kind)
            found = list(searched.found)
        else:
            searched = self._unknowns(kind, self.formulas)
            found, expressions = list(searched.found), list(searched.expressions)
            if not found and self.candidates is None:
                found, expressions = complete(self.system, self.formulas, kind, self.fresh, self.seed)
            notes["family"] = searched.family
            if self.system.components == 2 and found:
                plane = contours(self.system, self.formulas, expressions[0], self.seed)
        if self.candidates is None:
            found += without_formula(self.system, found, kind, self.fresh)
        record = Record(found, kind.traits, searched.null, plane)
        if expect is None:
            status, reason = judge(found, searched, kind)
        else:
            answer = ask(self.system, self.formulas, expect, self.fresh)
            record = replace(record, asked=answer.asked)
            status, reason = answer.status, answer.reason
            notes["worst_state"] = answer.asked.worst
        if self.system.equation is not None and self.system.equation.events:
            reason += "; events may change it where they reset the state"
        attributes = {**provenance.attributes(njvp=kind.jacobian_products), **notes}
        return AnalysisResult(dataset_of(record), status, reason, SCHEMA, attributes)

    def _fields(self, kind: Kind) -> FieldSearch:
        if self.system.equation is None:
            return FieldSearch([], None, [])
        if self.system.equation.layout.graph is not None:
            return search_graph(self.system.equation)
        return search_fields(self.system, kind.forms, self.seed, self.candidates)

    def _unknowns(self, kind: Kind, formulas: Formulas) -> OdeSearch:
        own = None if self.candidates is None else [formulas.parse(text) for text in self.candidates]
        return search_unknowns(
            self.system, formulas, kind.forms, self.seed, degree=self.degree, candidates=own, states=self.states
        )


def _not_applicable(reason: str, provenance: Provenance) -> AnalysisResult:
    notes = {"round_off": ROUND_OFF, "family": "", "kind": ""}
    return AnalysisResult(
        dataset_of(Record([], [])), Verdict.NOT_APPLICABLE, reason, SCHEMA, {**provenance.attributes(), **notes}
    )


def _refusal(f: FieldEquation | Callable[..., Tensor]) -> str | None:
    """Why the question makes no sense for a declared equation."""
    if not isinstance(f, FieldEquation):
        return None
    if any(f.noises.values()):
        return "noise changes every quantity; drop the noise terms to study the drift"
    if f.layout.domains:
        return "the fields lie on different grids, over which no one integral is taken"
    if any(item.place == "per sample" for item in f.declared.values()):
        return "some parameters differ between samples, so that this is not one system; give each one value"
    if f.layout.mask is not None and f.layout.mask.samples is not None:
        return "the mask differs between samples, so that this is not one system; give mask= of one"
    return None


def _size(states: Tensor | int | None) -> int | None:
    return states[0].numel() if isinstance(states, Tensor) else states


def _shaped(system: System, states: Tensor) -> Tensor:
    """The given states as real arrays ``(K, c, *grid)``."""
    given = states.detach()
    if system.equation is not None and tuple(given.shape[1:]) != system.equation.state_shape:
        raise StateError(f"states has shape {tuple(given.shape)}, expected (K, {system.equation.state_shape})")
    return system.real(given.to(torch.complex128 if given.is_complex() else torch.float64)).reshape(-1, *system.shape)


def _check(f: Any, candidates: Any, degree: Any, states: Any, expect: Any) -> None:
    if not callable(f):
        raise OptionError(f"invariants needs a FieldEquation or a function f(t, y), got {type(f).__name__}")
    if isinstance(candidates, str) or (candidates is not None and not candidates):
        raise OptionError(f"candidates is a list of expressions such as ['x**2', 'y**2'], got {candidates!r}")
    if degree is not None and (isinstance(degree, bool) or not isinstance(degree, int) or not 1 <= degree <= 8):
        raise OptionError(f"degree is a whole number from 1 to 8, got {degree!r}")
    if isinstance(states, bool) or not (states is None or isinstance(states, int | Tensor)):
        raise OptionError(f"states is a tensor (K, n), or the number of unknowns n; got {type(states).__name__}")
    if isinstance(states, int) and states < 1:
        raise OptionError(f"the number of unknowns is positive, got states={states}")
    if isinstance(states, Tensor) and states.dim() < 2:
        raise StateError(f"states has shape {tuple(states.shape)}, expected (K, n): many states, not one")
    if not (expect is None or isinstance(expect, str) or callable(expect)):
        raise OptionError(f"expect is an expression such as 'x*y' or a function of states, got {type(expect).__name__}")
