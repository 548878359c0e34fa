"""`EnergyProbe`: logs the energy of a declared equation, its budget and its drift while it is trained."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.methods.transformed import in_transform
from fieldsolver.nn import FieldLayer
from fieldsolver.results import AnalysisResult, Verdict

from .budgets.budget import Budget
from .budgets.default_density import chosen_density
from .budgets.density import Energy
from .energy import SCHEMA
from .labels import entry
from .orders.models import Floats
from .provenance import Provenance

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class _Entry:
    """What one call left: means over its samples."""

    call: int
    start: float
    end: float
    rate: float
    budget: Floats
    closure: float
    epsilon: float


class EnergyProbe:
    """Looks on while a layer, or an equation, is called; outputs and gradients stay as they are.

    After every n-th call of a layer the energy of the states that went in and came out is noted, and the budget by
    terms at those that came out; of a batch the means over its samples. Nothing of the graph is kept, and of the
    entries only the latest `most`. Use it as a context manager, or call `attach` and `detach`::

        with EnergyProbe(layer, density="0.5*p**2 + 0.5*q**2", every=10) as probe:
            train(layer)
        probe.result().plot()

    States that no layer hands out can be noted, too: ``solve(equation, ..., callback=EnergyProbe(equation).note)``.

    Args:
        subject: a `FieldLayer` that maps a state to the whole state, or a `FieldEquation`, for `note` alone.
        density: as in `energy`.
        every: note every n-th call.
        most: entries kept; older ones are dropped.
        seed: as in `energy`, for finding a density.

    Raises:
        OptionError: another subject, a layer that returns less or more than one whole state or is fed inputs, or
            numbers that cannot be.
        EquationError: the density does not parse, or is not a real scalar.
    """

    def __init__(
        self,
        subject: FieldEquation | FieldLayer,
        density: str | None = None,
        *,
        every: int = 1,
        most: int = 1000,
        seed: int = 0,
    ) -> None:
        self._equation = _equation_of(subject)
        for name, value in (("every", every), ("most", most)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OptionError(f"{name} is a whole number from 1 on, got {value!r}")
        self._subject, self._every, self._seed = subject, every, seed
        chosen = chosen_density(self._equation, density, seed)
        self._budget = Budget(Energy(self._equation, chosen.text))
        self.density = f"{self._budget.energy.density}{chosen.origin}"
        self.calls = 0
        self._entries: deque[_Entry] = deque(maxlen=most)
        self._handle: Any = None
        self._last: Tensor | None = None

    def attach(self) -> EnergyProbe:
        """Start to look at the calls of the layer; returns itself.

        Raises:
            OptionError: the probe was made for an equation, whose states are handed to `note`.
        """
        if not isinstance(self._subject, FieldLayer):
            raise OptionError("an equation is not called as a layer is; hand states to probe.note(t, y)")
        if self._handle is None:
            self._handle = self._subject.register_forward_hook(self._after, with_kwargs=True)
        return self

    def detach(self) -> None:
        """Stop looking on; what was noted stays."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def note(self, t: Tensor | float, y: Tensor) -> None:
        """Count a call that led to the states `y` ``(*batch, C, *grid)`` at time `t`; the one before it came first."""
        if self._is_due():
            after = self._rows(y)
            before = self._last if self._last is not None and self._last.shape == after.shape else after
            self._entries.append(self._noted(float(torch.as_tensor(t).max()), before, after))
            self._last = after

    def __enter__(self) -> EnergyProbe:
        return self.attach()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def __len__(self) -> int:
        return len(self._entries)

    def _is_due(self) -> bool:
        """Count this call; inside a transform of torch.func there are no numbers to note."""
        self.calls += 1
        return (self.calls - 1) % self._every == 0 and not in_transform()

    def _after(self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Tensor) -> None:
        if isinstance(self._subject, FieldLayer) and self._is_due():
            start = arguments[0] if arguments else named["x"]
            self._entries.append(self._noted(self._subject.duration, self._rows(start), self._rows(output)))

    def _rows(self, state: Any) -> Tensor:
        """``(B, C, *grid)`` without a graph."""
        packed = self._equation.pack(_detached(state), finite=False)
        return packed.detach().reshape(-1, *self._equation.state_shape)

    def _noted(self, t: float, before: Tensor, after: Tensor) -> _Entry:
        with torch.no_grad():
            time = torch.full((1,), t, dtype=torch.float64, device=after.device)
            sample = self._budget(time, after)
            start = self._budget.energy(torch.zeros_like(time), before.to(after.device))
        scale = sample.scale.clamp_min(torch.finfo(torch.float64).tiny)
        return _Entry(
            call=self.calls,
            start=float(start.mean()),
            end=float(sample.energy.mean()),
            rate=float(sample.rate.mean()),
            budget=sample.terms.mean(dim=1).cpu().numpy(),
            closure=float(((sample.terms.sum(dim=0) - sample.rate).abs() / scale).max()),
            epsilon=float(torch.finfo(after.real.dtype).eps),
        )

    def result(self) -> AnalysisResult:
        """Schema ``energy/1`` with the dimensions ``call`` and ``term``.

        `energy_start` and `energy` of the states before and after a call, `drift_rel` between them, `rate` and `budget`
        at the latter, `closure`. PASS when all energies are finite and all budgets close, FAIL when one does not,
        INCONCLUSIVE when one is not finite or no call was noted.
        """
        entries = list(self._entries)
        status, reason = _judged(entries, self.calls)
        provenance = Provenance(self._equation, None, density=self.density, every=self._every, seed=self._seed)
        return AnalysisResult(_dataset(entries, self._budget.labels, self.density), status, reason, SCHEMA,
                              provenance.attributes(calls=self.calls))  # fmt: skip


def _equation_of(subject: Any) -> FieldEquation:
    if isinstance(subject, FieldEquation):
        return subject
    if not isinstance(subject, FieldLayer):
        raise OptionError(f"EnergyProbe looks at a FieldLayer or a FieldEquation, got {type(subject).__name__}")
    if subject.save_at is not None or subject.inputs.names or not _reads_all(subject):
        raise OptionError(
            "EnergyProbe needs a FieldLayer that maps a state to the whole state after its duration; for layers with "
            "inputs, a read-out or save_at make EnergyProbe(layer.equation) and hand it states: probe.note(t, y)"
        )
    return subject.equation


def _reads_all(layer: FieldLayer) -> bool:
    return layer.readout.selection is None


def _detached(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.detach()
    return {name: value.detach() if isinstance(value, Tensor) else value for name, value in state.items()}


def _judged(entries: list[_Entry], calls: int) -> tuple[Verdict, str]:
    if not entries:
        return Verdict.INCONCLUSIVE, f"nothing was noted in {calls} calls; attach the probe before the layer is called"
    bad = [one.call for one in entries if not (math.isfinite(one.start) and math.isfinite(one.end))]
    if bad:
        return (
            Verdict.INCONCLUSIVE,
            f"the energy is not finite at {len(bad)} of {len(entries)} calls, first at {bad[0]}",
        )
    worst = max(entries, key=lambda one: one.closure)
    if not worst.closure <= worst.epsilon ** (2 / 3):
        return Verdict.FAIL, f"the budget does not close: its terms miss the rate by {worst.closure:.2g} of their size"
    first, last = entries[0], entries[-1]
    return Verdict.PASS, (
        f"the budget closes at all {len(entries)} calls noted; the energy after a call went from {first.end:.3g} to "
        f"{last.end:.3g}"
    )


def _dataset(entries: list[_Entry], labels: list[str], density: str) -> xarray.Dataset:
    import xarray

    def column(name: str) -> Floats:
        return np.array([getattr(one, name) for one in entries], dtype=np.float64)

    along = ("call",)
    start, end = column("start"), column("end")
    size = np.where(np.abs(start) > 0, np.abs(start), 1.0)
    budget = np.stack([one.budget for one in entries], axis=1) if entries else np.zeros((len(labels), 0))
    return xarray.Dataset(
        {
            "energy": entry(along, end, f"integral of {density} after the call, mean over samples"),
            "energy_start": entry(along, start, "the same before the call"),
            "drift_rel": entry(along, (end - start) / size, "change in the call, relative to the energy before"),
            "rate": entry(along, column("rate"), "dE/dt after the call"),
            "budget": entry(("term", "call"), budget, "contribution of each term to dE/dt after the call"),
            "closure": entry(along, column("closure"), "largest miss of the budget, relative to its terms"),
        },
        coords={
            "call": entry(along, np.array([one.call for one in entries], dtype=np.int64), "number of the call"),
            "term": entry(("term",), labels, "term of the right-hand sides"),
        },
    )
