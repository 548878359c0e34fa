"""What a `SteadyFieldLayer` does for one input: the way to rest, its cost, and how sure the steady state is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from fieldsolver.errors import OptionError
from fieldsolver.solve import Solution
from fieldsolver.solve.state_spectrum import StateSpectrum

from .contraction import contraction_rate
from .layer_report import parameter_counts, range_of, spectrum_at, text_of

if TYPE_CHECKING:
    from .equation_layer import EquationLayer


@dataclass(frozen=True)
class SteadyReport:
    """Printed, a page; `to_dict` gives the numbers.

    Attributes:
        equation: as text.
        run: how it is run.
        parameters: number of parameters per group of `param_groups`.
        nfev: evaluations of the right-hand side, smallest and largest over the samples.
        residual: largest scaled residual; at most 1.
        time: times to converge, smallest and largest.
        contraction: proved rate at which any two states approach; None where none is proved.
        spectrum: of the Jacobian at the steady state of the first sample; None for complex states.
        slowest: time constant of the slowest decay there, infinite if something grows or rests.
        notes: what deserves attention, one sentence each.
    """

    equation: str
    run: str
    parameters: dict[str, int]
    nfev: tuple[int, int]
    residual: float
    time: tuple[float, float]
    contraction: float | None
    spectrum: StateSpectrum | None
    slowest: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data; eigenvalues are complex numbers."""
        return asdict(self)

    def __str__(self) -> str:
        proved = "not proved" if self.contraction is None else f"proved, at the rate {self.contraction:.4g}"
        lines = [
            self.equation,
            f"run          {self.run}",
            f"parameters   {text_of(self.parameters)}",
            f"rest         at t = {self.time[0]:.4g} to {self.time[1]:.4g}, residual {self.residual:.2g} (tolerance 1)",
            f"cost         {self.nfev[0]} to {self.nfev[1]} evaluations",
            f"contraction  {proved}",
        ]
        if self.spectrum is not None:
            radius, right = abs(self.spectrum.largest), self.spectrum.rightmost.real
            lines.append(f"spectrum     radius {radius:.4g}, rightmost real part {right:.4g} (first sample, at rest)")
        return "\n".join([*lines, *(f"note         {note}" for note in self.notes)])


def report_of_rest(layer: EquationLayer, values: Mapping[str, Tensor], solution: Solution) -> SteadyReport:
    """The report of samples that have come to rest.

    Args:
        layer: has the equation.
        values: ``(B, ...)`` per input.
        solution: over the same B samples.
    """
    stats = solution.stats
    spectrum, slowest = spectrum_at(layer.equation, values, solution.y[-1], float(solution.t_end[0]))
    proved = contraction_rate(layer.equation, layer.inputs.names)
    notes = []
    if spectrum is not None and spectrum.rightmost.real > 0:
        notes.append("the steady state of the first sample is unstable: a small change of the start leads elsewhere")
    if proved is None:
        notes.append(
            "other starts may lead to other steady states; fs.nn.Contractive as the only nonlinear term gives a proof"
        )
    times, residual = _known(stats.time_to_converge), _known(stats.residual)
    return SteadyReport(
        equation=str(layer.equation), run=layer.extra_repr(), parameters=parameter_counts(layer),
        nfev=range_of(stats.nfev), residual=float(residual.max()), time=(float(times.min()), float(times.max())),
        contraction=proved, spectrum=spectrum, slowest=slowest, notes=tuple(notes),
    )  # fmt: skip


def _known(values: Tensor | None) -> Tensor:
    """Every solve with `until` has these."""
    if values is None:
        raise OptionError("the solution is not that of a solve with until=fs.SteadyState(...)")
    return values
