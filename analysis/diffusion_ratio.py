"""`diffusion_ratio`: how much faster the inhibitor of two species must diffuse for a Turing pattern to form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

from .labels import entry
from .modes.dataset import WAVE, wave_names
from .modes.linearise import Linearised
from .modes.numbers import Floats
from .modes.refusals import NoPlaneWaves
from .modes.start import uniform_part
from .modes.steady import refined, searched
from .modes.symbol import Symbol, symbol_of
from .modes.wording import short
from .provenance import Provenance

SCHEMA = "diffusion_ratio/1"


def diffusion_ratio(
    equation: FieldEquation,
    state: Mapping[str, Any] | Tensor | None = None,
    *,
    parameters: Mapping[str, float] | None = None,
    t: float = 0.0,
) -> AnalysisResult:
    """The critical ratio of the diffusivities of two reacting species.

    With the Jacobian ``[[a, b], [c, e]]`` of a stable reaction, activator first (a > 0 > e), a wave begins to grow at
    the ratio d of the inhibitor's diffusivity to the activator's with ``(d a + e)^2 = 4 d det J``, at
    ``k^2 = sqrt(det J/(Du Dv))`` (J. D. Murray, Mathematical Biology II, section 2.3).

    Args:
        equation: two fields with diffusion and reactions.
        state: a uniform state near the steady state; None searches, and takes the only one that fits.
        parameters: values in the place of the declared ones.
        t: the time at which coefficients are taken.

    Returns:
        Schema ``diffusion_ratio/1``: `critical_ratio`, `ratio` (the present one), `critical_k` (at the critical ratio,
        with the activator's diffusivity as it is), `activator`, `inhibitor`. PASS: the formula applies.
        NOT_APPLICABLE: not two species with constant diffusion, or the reaction alone is unstable. NOT_FOUND: no steady
        state, or none with an activator.

    Raises:
        OptionError, ParameterError, StateError: as `dispersion`.
    """
    if not isinstance(equation, FieldEquation) or equation.layout.dimension == 0:
        raise OptionError("diffusion_ratio needs a FieldEquation on a grid")
    start = None if state is None else uniform_part(equation, state)
    provenance = Provenance(equation, start, t=t, **{f"with_{n}": v for n, v in (parameters or {}).items()})
    try:
        linearised = Linearised(equation, parameters=parameters, t=t)
        if linearised.waves != 2:
            return _result(Verdict.NOT_APPLICABLE, _two(f"{linearised.waves} components"), None, provenance)
        found = searched(linearised) if start is None else refined(linearised, start[None])
        if not len(found):
            return _result(
                Verdict.NOT_FOUND, "no uniform steady state was found; give a state near one", None, provenance
            )
        _, response = linearised.at(found.states, strict=True)
    except NoPlaneWaves as refusal:
        return _result(Verdict.NOT_APPLICABLE, str(refusal), None, provenance)
    names = wave_names(linearised)
    answers = [_answer(symbol_of(linearised, response, i), found.states[i], names) for i in range(len(found))]
    best = min(answers, key=lambda answer: answer[2] is None)
    return _result(*best, provenance)


Found = dict[str, Any]


def _answer(symbol: Symbol, state: Tensor, names: list[str]) -> tuple[Verdict, str, Found | None]:
    """Verdict, reason and numbers at one steady state."""
    parts = _reaction_and_diffusion(symbol)
    if parts is None:
        return Verdict.NOT_APPLICABLE, _two("other terms"), None
    J, D = parts
    where = f"at the uniform state {short(state)}"
    determinant, trace = float(np.linalg.det(J)), float(np.trace(J))
    if determinant <= 0 or trace >= 0:
        return (
            Verdict.NOT_APPLICABLE,
            f"the reaction alone is not stable {where}: diffusion is not what upsets it",
            None,
        )
    if not (J.diagonal().max() > 0 > J.diagonal().min()):
        return Verdict.NOT_FOUND, f"neither species activates itself {where}, so no ratio makes a pattern", None
    activator = int(np.argmax(J.diagonal()))
    inhibitor = 1 - activator
    a, e = J[activator, activator], J[inhibitor, inhibitor]
    product = J[0, 1] * J[1, 0]
    critical = (determinant - product + 2 * math.sqrt(-product * determinant)) / a**2
    k = math.sqrt((critical * a + e) / (2 * critical * D[activator]))
    ratio = D[inhibitor] / D[activator]
    reason = (
        f"a Turing pattern needs {names[inhibitor]} to diffuse {critical:.10g} times as fast as {names[activator]} "
        f"{where}; now it is {ratio:.6g} times"
    )
    numbers = {
        "critical_ratio": critical,
        "ratio": ratio,
        "critical_k": k,
        "activator": names[activator],
        "inhibitor": names[inhibitor],
    }
    return Verdict.PASS, reason, numbers


def _reaction_and_diffusion(symbol: Symbol) -> tuple[Floats, Floats] | None:
    """J ``(2, 2)`` and the diffusivities ``(2,)``, or None where the symbol is more than ``J - k^2 D``."""
    J, D = np.zeros((2, 2), dtype=complex), np.zeros((2, 2), dtype=complex)
    for monomial, matrix in symbol.terms.items():
        kinds = [factor.kind if factor.axis < 0 or symbol.dimension == 1 else "other" for factor in monomial]
        second = len(monomial) == 1 and kinds[0] == "derivative" and monomial[0].power == 2
        if not monomial:
            J += matrix
        elif second or kinds in (["laplacian"], ["diffusion"]):
            D += matrix
        else:
            return None
    plain = not np.abs(D - np.diag(D.diagonal())).any() and bool((D.diagonal().real > 0).all())
    return (J.real, D.diagonal().real) if plain else None


def _two(got: str) -> str:
    return (
        f"the formula is for two fields with constant diffusion and reactions, got {got}; use dispersion(critical=...)"
    )


def _result(status: Verdict, reason: str, found: Found | None, provenance: Provenance) -> AnalysisResult:
    import xarray

    one = found or {"critical_ratio": np.nan, "ratio": np.nan, "critical_k": np.nan, "activator": "", "inhibitor": ""}
    variables = {
        "critical_ratio": entry(
            (), one["critical_ratio"], "diffusivity of the inhibitor over that of the activator at onset"
        ),
        "ratio": entry((), one["ratio"], "the present ratio"),
        "critical_k": entry((), one["critical_k"], "wave number at onset", WAVE),
        "activator": entry((), one["activator"], "the species that activates itself"),
        "inhibitor": entry((), one["inhibitor"], "the species that does not"),
    }
    return AnalysisResult(xarray.Dataset(variables), status, reason, SCHEMA, provenance.attributes())
