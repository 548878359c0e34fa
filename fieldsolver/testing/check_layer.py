"""`check_layer`: every check that applies to a layer, in one table."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fieldsolver.errors import OptionError, listing, nearest
from fieldsolver.results import AnalysisResult, Verdict, VerdictNotReached

from .batch_independence import check_batch_independence
from .causality import check_causality
from .determinism import check_determinism
from .example import Example
from .gradient_check import check_gradients
from .layer_result import not_applicable, result
from .load_bearing import Switches, check_load_bearing
from .padding import check_padding
from .phase_use import check_phase_use
from .round_trip import check_round_trip
from .subject import Subject
from .unfit_error import UnfitError
from .zero_dynamics import Metric, check_zero_dynamics

CHECKS: dict[str, Callable[..., AnalysisResult]] = {
    "causality": check_causality,
    "padding": check_padding,
    "batch_independence": check_batch_independence,
    "load_bearing": check_load_bearing,
    "phase_use": check_phase_use,
    "gradient_check": check_gradients,
    "determinism": check_determinism,
    "round_trip": check_round_trip,
}
"""By name; those that need a layer and an example."""


@dataclass(frozen=True)
class LayerChecks(Mapping[str, AnalysisResult]):
    """Results by the name of the check; `print` shows them as a table.

    Attributes:
        layer: the name of the layer's class.
        results: by name, in the order of the table.
    """

    layer: str
    results: dict[str, AnalysisResult]

    def __getitem__(self, name: str) -> AnalysisResult:
        return self.results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def holds(self) -> bool:
        """Whether every check passed that is applicable."""
        return not self._missed()

    def assert_pass(self) -> LayerChecks:
        """Return self, or raise `VerdictNotReached` with the reasons of the checks that did not pass."""
        if missed := self._missed():
            reasons = "; ".join(f"{name} is {one.status.name}: {one.reason}" for name, one in missed.items())
            raise VerdictNotReached(f"{self.layer}: {reasons}")
        return self

    def _missed(self) -> dict[str, AnalysisResult]:
        return {
            name: one
            for name, one in self.results.items()
            if not one.status.holds and one.status is not Verdict.NOT_APPLICABLE
        }

    def __str__(self) -> str:
        rows = [(f"{self.layer}", "verdict", "measured", "limit", "")]
        rows += [(name, one.status.value, *_numbers(one), one.reason) for name, one in self.results.items()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for row in rows:
            cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
            reason = textwrap.wrap(row[4], 118 - min(60, len(cells))) or [""]
            lines += [f"{cells}  {reason[0]}".rstrip(), *(f"{'':{len(cells)}}  {more}" for more in reason[1:])]
        return "\n".join(lines)


def check_layer(
    layer: nn.Module,
    example: Example,
    *,
    causal: bool = True,
    make: Callable[[], nn.Module] | None = None,
    switches: Switches | None = None,
    metric: Metric | None = None,
    ablated: nn.Module | None = None,
    better: str | None = None,
    phase_at: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
) -> LayerChecks:
    """Run every check that applies; the layer itself is not changed.

    Args:
        layer: any module that maps a tensor to a tensor, or that `example.call` can call so.
        example: an input, and what its axes mean.
        causal: whether the layer claims that no output depends on later tokens.
        make: builds a new layer of this kind, for the round trip.
        switches: what must matter besides the parameters, as in `check_load_bearing`.
        metric: a task, for the ablation of the dynamics, as in `check_zero_dynamics`; needs `better`.
        ablated: the layer without its dynamics, for the same.
        better: ``"higher"`` or ``"lower"``, for the same.
        phase_at: the submodule that returns complex numbers, as `at` in `check_phase_use`.
        options: further options of single checks, such as ``{"causality": {"prefixes": False}}``.
        seed: of all checks.

    Returns:
        The results by name: causality, padding, batch_independence, load_bearing, phase_use, zero_dynamics,
        gradient_check, determinism, round_trip; NOT_APPLICABLE with the reason for those that have no meaning here,
        FAIL with the error for those that ended in one: the others still run.

    Raises:
        OptionError: an option that a check refuses or does not know, a layer that cannot be copied, or an output that
            does not fit the example.
    """
    given: dict[str, dict[str, Any]] = {name: {"seed": seed} for name in CHECKS}
    given["round_trip"]["make"] = make
    given["load_bearing"]["switches"] = switches
    given["phase_use"]["at"] = phase_at
    given["zero_dynamics"] = {"ablated": ablated, "better": better}
    for name, more in (options or {}).items():
        if name not in given:
            raise OptionError(f"there is no check {name!r} with options; known: {listing(given)}{nearest(name, given)}")
        _check_names(name, more)
        given[name].update(more)
    _refuse_unfit(layer, example, seed)
    results = {}
    for name, check in CHECKS.items():
        if name == "gradient_check":  # a task costs more than all the rest, but belongs beside what must matter
            results["zero_dynamics"] = _row("zero_dynamics", _zero_dynamics, layer, metric, given["zero_dynamics"])
        if name == "causality" and not causal:
            results[name] = not_applicable(name, "causal=False: the layer does not claim it")
        else:
            results[name] = _row(name, check, layer, example, given[name])
    return LayerChecks(type(layer).__name__, results)


def _refuse_unfit(layer: nn.Module, example: Example, seed: int) -> None:
    """Raise for an example that is not this layer's; what the layer itself raises becomes rows."""
    subject = Subject(layer, example, seed=seed)
    try:
        with torch.no_grad():
            subject(example.plain())
    except OptionError:
        raise
    except Exception:  # every check meets it again, and says so in its row
        return


def _check_names(name: str, options: Mapping[str, Any]) -> None:
    """Refuse keywords that the check does not have."""
    check = CHECKS.get(name, check_zero_dynamics)
    known = [key for key, one in inspect.signature(check).parameters.items() if one.kind is one.KEYWORD_ONLY]
    if not isinstance(options, Mapping):
        raise OptionError(f"the options of {name} are a mapping, such as {{{known[0]!r}: ...}}; got {options!r}")
    for key in options:
        if key not in known:
            raise OptionError(f"{name} has no option {key!r}; known: {listing(known)}{nearest(str(key), known)}")


def _row(name: str, check: Callable[..., AnalysisResult], layer: nn.Module, *about: Any) -> AnalysisResult:
    """The result of a check; FAIL with the message where the layer made it end in an error."""
    *given, options = about
    try:
        return check(layer, *given, **options)
    except UnfitError as error:
        return result(name, [], Verdict.FAIL, " ".join(str(error).split()))
    except OptionError:  # the question was asked wrongly
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        return result(name, [], Verdict.FAIL, f"the check ended with {type(error).__name__}: {said}")


def _zero_dynamics(layer: nn.Module, metric: Metric | None, **options: Any) -> AnalysisResult:
    if metric is None:
        return not_applicable("zero_dynamics", "no metric= was given, on which dynamics could earn anything")
    return check_zero_dynamics(layer, metric, **options)


def _numbers(one: AnalysisResult) -> tuple[str, str]:
    """The measured number and its limit; nothing where nothing was measured."""
    if one["part"].size == 0:
        return "", ""
    return f"{float(one['measured']):.2g}", f"{float(one['threshold']):.2g}"
