"""`gradient_convergence`: the order of a gradient through a solve in the step size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.gradients.mode import GradientMode
from fieldsolver.gradients.registry import get_gradient
from fieldsolver.methods import get_method
from fieldsolver.results import AnalysisResult
from fieldsolver.solve import solve

from .orders.dataset import convergence_result
from .orders.error_size import error_size
from .orders.fit_order import check_options, fit_order
from .orders.fixed_steps import Reference, finer_reference
from .orders.ladder import checked_divisors, run_ladder
from .orders.rounding import rounding_floor, told_of_rounding
from .orders.solver_options import checked_exact, checked_options
from .provenance import Provenance

DISCRETE = ("direct", "checkpointed", "reversible")
"""Modes that differentiate the numbers that were computed: their gradient has the order of the method."""


def gradient_convergence(
    f: FieldEquation | Callable[..., Tensor],
    y0: Mapping[str, Any] | Tensor,
    *,
    t_span: Sequence[float],
    method: str,
    dts: Sequence[float],
    loss: Callable[[Tensor], Tensor],
    gradient: str | GradientMode = "direct",
    wrt: str = "state",
    exact: Tensor | None = None,
    expected: float | None = None,
    floor: float | None = None,
    confidence: float = 0.95,
    norm: str = "max",
    progress: bool | None = None,
    **options: Any,
) -> AnalysisResult:
    """Differentiate ``loss(y(t1))`` at several step sizes and measure the order at which the gradient converges.

    The gradient of the discrete solution (modes ``"direct"``, ``"checkpointed"``, ``"reversible"``) has the order of
    the method: a one-step method and its adjoint are of the same order (Sandu, ICCS 2006). A gradient of the continuous
    solution (``"backsolve"``, ``"quadrature"``) is another approximation with an order of its own.

    Args:
        f, y0, t_span, method: as in `fieldsolver.solve`; use float64.
        dts: step sizes from coarse to fine, each dividing the span.
        loss: a scalar of the state at the end, ``(*batch, C, *grid)``.
        gradient: the mode to be judged.
        wrt: ``"state"``, the gradient in `y0`, or ``"parameters"``, in all that require one in the module `f`.
        exact: the exact gradient, flattened; None compares with the mode ``"direct"`` at steps at least 8 times finer.
        expected: the claimed order; None takes the order of the method for discrete modes, and only measures others.
        floor: a known error floor; None looks for one.
        confidence: of the interval of the order.
        norm: ``"max"`` or ``"rms"``, over all entries of the gradient.
        progress: show a bar: True, False, or None for only on a terminal.
        **options: for `fieldsolver.solve`.

    Returns:
        Schema ``convergence/1``; see `convergence` and, on the error of the reference, `time_convergence`.

    Raises:
        OptionError: a step does not divide the span, there is nothing to differentiate, or an option is out of range.
    """
    t0, t1 = (float(end) for end in t_span)
    steps = checked_divisors(dts, t0, t1)
    checked_options(options, "dts", ("dt", "gradient"))
    check_options(expected, floor, confidence)
    mode = get_gradient(gradient)
    if expected is None and mode.name in DISCRETE:
        expected = float(get_method(method).order)
    case = _Case(f, y0, (t0, t1), method, loss, wrt, options)
    origin = Provenance(f, case.start, method=method, gradient=mode.name, wrt=wrt, norm=norm, t_span=(t0, t1))
    if exact is not None:
        reference = Reference(checked_exact(torch.as_tensor(exact).reshape(-1)), 0.0, "exact gradient")
    else:
        order = float(get_method(method).order)
        reference = finer_reference(lambda dt: case.derivative("direct", dt), steps[-1], order, norm)
    errors = run_ladder(
        "gradient convergence",
        steps,
        lambda dt: error_size(case.derivative(mode, dt), reference.value, norm),
        progress,
    )
    rounding = rounding_floor(reference.value, (t1 - t0) / steps[-1]) if floor is None else None
    known = rounding if floor is None else floor
    fit = fit_order(steps, errors, expected=expected, floor=known, confidence=confidence)
    result = convergence_result(
        fit,
        "dt",
        reference_error=reference.error,
        reference=reference.kind.replace("reference by", "gradient by"),
        provenance=origin.attributes(nfev=case.nfev),
    )
    return told_of_rounding(result, reference.value, rounding)


@dataclass
class _Case:
    """A loss of a solve, differentiated; counts evaluations of the forward runs."""

    f: FieldEquation | Callable[..., Tensor]
    y0: Mapping[str, Any] | Tensor
    ends: tuple[float, float]
    method: str
    loss: Callable[[Tensor], Tensor]
    wrt: str
    options: Mapping[str, Any]
    nfev: int = 0

    def __post_init__(self) -> None:
        if self.wrt not in ("state", "parameters"):
            raise OptionError(f"wrt is 'state' or 'parameters', got {self.wrt!r}")
        if self.wrt == "parameters" and not self._parameters():
            raise OptionError(
                "f has no parameters that require a gradient; declare them by fs.Parameter, or wrt='state'"
            )

    @property
    def start(self) -> Tensor:
        """The state at the start, as one tensor."""
        return self.f.pack(self.y0) if isinstance(self.f, FieldEquation) else torch.as_tensor(self.y0)

    def derivative(self, mode: str | GradientMode, dt: float) -> Tensor:
        """The gradient as one vector."""
        t0, t1 = self.ends
        start = self.start.detach().clone().requires_grad_(self.wrt == "state")
        settings = {"max_steps": round((t1 - t0) / dt) + 1, **self.options, "progress": False}
        run = solve(self.f, start, t_span=self.ends, dt=dt, method=self.method, gradient=mode, **settings)
        value = self.loss(run.y[-1])
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise OptionError(f"loss must return one number that depends on the state, got {value!r}")
        inputs = [start] if self.wrt == "state" else self._parameters()
        self.nfev += int(torch.as_tensor(run.stats.nfev).sum())
        parts = torch.autograd.grad(value, inputs)
        return torch.cat([part.reshape(-1) for part in parts])

    def _parameters(self) -> list[Tensor]:
        if not isinstance(self.f, torch.nn.Module):
            return []
        return [parameter for parameter in self.f.parameters() if parameter.requires_grad]
