"""The answer about one quantity that is claimed to be conserved."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict

from .field_search import proved_conserved
from .formulas import Formulas
from .proof import vanishes
from .rates import ROUND_OFF, Quantity, Rates, integral, rates_of
from .report import Asked
from .samples import FreshStates
from .system import System


@dataclass(frozen=True)
class Answer:
    """Verdict, sentence, and the rates behind them."""

    status: Verdict
    reason: str
    asked: Asked


def ask(system: System, formulas: Formulas | None, expect: str | Quantity, fresh: FreshStates) -> Answer:
    """PROVED by algebra, PASS on random states, FAIL with the worst state, INCONCLUSIVE where no rate is finite."""
    text = expect if isinstance(expect, str) else "the given function"
    quantity, proved = _quantity(system, formulas, expect)
    rates = rates_of(system, quantity, fresh())
    if not rates.rate.numel():
        rates = rates_of(system, quantity, fresh(positive=True))
    if not rates.rate.numel():
        words = f"{text} has no finite rate at any of the random states; pass states="
        return Answer(Verdict.INCONCLUSIVE, words, Asked(text, rates.relative.numpy(), ""))
    worst = _place(system, rates)
    status, reason = _judged(text, rates, proved, worst)
    return Answer(status, reason, Asked(text, rates.relative.numpy(), worst))


def _quantity(system: System, formulas: Formulas | None, expect: str | Quantity) -> tuple[Quantity, bool]:
    """The quantity, and whether it is conserved by algebra."""
    if not isinstance(expect, str):
        return _checked(system, expect), False
    if formulas is None:
        return integral(system, expect), proved_conserved(system, expect)
    expression = formulas.parse(expect)
    proved = formulas.rates is not None and vanishes(formulas.along(expression).subs(formulas.numbers))
    return formulas.quantity(expression), proved


def _checked(system: System, expect: Quantity) -> Quantity:
    """A function of the user, whose values must be one number per state."""

    def quantity(y: Tensor) -> Tensor:
        values = expect(system.native(y))
        if not isinstance(values, Tensor) or tuple(values.shape) != (len(y),):
            got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise OptionError(
                f"expect is a function with one number per state, of shape (K,) = ({len(y)},), got {got}; "
                "add up the rest, as in lambda s: (s**2).sum(-1)"
            )
        return values

    return quantity


def _judged(text: str, rates: Rates, proved: bool, worst: str) -> tuple[Verdict, str]:
    count = len(rates.rate)
    if proved and rates.defect <= ROUND_OFF:
        return Verdict.PROVED, f"{text} is conserved, by algebra; largest relative rate {rates.defect:.1e}"
    if proved:
        return Verdict.PROVED, (
            f"{text} is conserved by the equation, by algebra; its discretisation changes it at a relative rate of "
            f"up to {rates.defect:.1e} at smooth states of this grid"
        )
    if rates.defect <= ROUND_OFF:
        return Verdict.PASS, f"{text} is conserved at {count} random states: largest relative rate {rates.defect:.1e}"
    where = f"{rates.rate[rates.worst]:.3g}, {100 * rates.defect:.3g} % of its terms, at {worst}"
    if rates.growth <= ROUND_OFF:
        return Verdict.FAIL, f"{text} is not conserved: it falls at all {count} random states, fastest d/dt = {where}"
    return Verdict.FAIL, f"{text} is not conserved: d/dt = {where}"


def _place(system: System, rates: Rates) -> str:
    """The worst state in words."""
    y = rates.states[rates.worst].reshape(-1)
    if system.grid or len(y) > 6:
        return f"random state {rates.worst}"
    return "(" + ", ".join(f"{name} = {value:.3g}" for name, value in zip(system.names, y, strict=True)) + ")"
