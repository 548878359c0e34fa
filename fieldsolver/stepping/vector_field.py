"""The right-hand side of y' = f(t, y), with its parameters made explicit so that gradients can name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fieldsolver.errors import OptionError, StateError
from fieldsolver.methods.transformed import is_batched

Parameters = tuple[Tensor, ...]
Witness = Callable[[], tuple[object, ...]]


@dataclass(frozen=True, eq=False)
class VectorField:
    """f(parameters, t, y) and the parameters it is bound to; calling it evaluates f(t, y).

    Attributes:
        function: (parameters, t (B,) float64, y (B, *state)) -> (B, *state), each sample by itself.
        parameters: the tensors gradients are wanted for, among others.
        per_sample: for each parameter, whether its first axis is the batch. None when the function may hold
            per-sample tensors of its own; the loop then never shrinks the batch.
        witness: says what the function is besides its arguments, in values that compare equal as long as it stays the
            same function; None: nothing is known to change.
    """

    function: Callable[[Parameters, Tensor, Tensor], Tensor]
    parameters: Parameters = ()
    per_sample: tuple[bool, ...] | None = None
    witness: Witness | None = None

    def __post_init__(self) -> None:
        if self.per_sample is not None and len(self.per_sample) != len(self.parameters):
            raise OptionError(
                f"per_sample has {len(self.per_sample)} entries for {len(self.parameters)} parameters; give one each"
            )

    def __call__(self, t: Tensor, y: Tensor) -> Tensor:
        return self.function(self.parameters, t, y)

    def with_parameters(self, parameters: Parameters) -> VectorField:
        """The same function bound to other parameters."""
        return replace(self, parameters=tuple(parameters))

    @property
    def selectable(self) -> bool:
        """Whether the field can be restricted to some of the samples."""
        return self.per_sample is not None

    def select(self, rows: Tensor) -> VectorField:
        """The field of some samples; only if `selectable`."""
        kept = zip(self.parameters, self.per_sample or (), strict=True)
        return self.with_parameters(tuple(p.index_select(0, rows) if own else p for p, own in kept))


def unselectable(field: VectorField) -> VectorField:
    """The same field for the whole batch only: something beside it holds one value per sample."""
    return replace(field, per_sample=None)


def check_vector_field(
    field: VectorField, t0: float, y0: Tensor, *, finite: bool = True, offset: Tensor | None = None
) -> Tensor:
    """Evaluate f(t0, y0), refuse what cannot be a derivative, and return it (it is the first stage).

    Args:
        field: the right-hand side.
        t0: initial time.
        y0: (B, *state), initial states.
        finite: also refuse NaN and infinity, in y0 and in the derivative (one host read each).
        offset: (B,) float64, zero but for its graph: how t0 depends on what is differentiated; None: it is a number.

    Raises:
        StateError: f changes y in place; wrong type, shape, dtype or device, or values that are not finite.
    """
    _check_state(y0, finite)
    before = version(y0)
    times = torch.full((y0.shape[0],), t0, dtype=torch.float64, device=y0.device)
    k1 = field(times if offset is None else times + offset, y0)
    if version(y0) != before:
        raise StateError("f(t, y) changes y in place, and y is the solution itself; write y = y.clone() first")
    if not isinstance(k1, Tensor):
        raise StateError(f"f(t, y) returned {type(k1).__name__}, expected a tensor; return torch.stack([...], -1)")
    for what, got, expected, remedy in (
        ("shape", tuple(k1.shape), tuple(y0.shape), "return one derivative per entry of y"),
        ("dtype", k1.dtype, y0.dtype, "t is float64: write t.to(y.dtype), or pass y0 and parameters of one dtype"),
        ("device", k1.device, y0.device, "move the parameters with .to(y0.device)"),
    ):
        if got != expected:
            raise StateError(f"f(t, y) returned {what} {got}, expected that of y, {expected}; {remedy}")
    if finite and not bool(torch.isfinite(k1).all()):
        raise StateError(f"f({t0}, y0) is not finite; expected finite derivatives; check y0, t0 and the parameters")
    return k1


def refuse_reused_memory(k1: Tensor, copy: Tensor) -> None:
    """Refuse a function that writes its next result over an earlier one: the stages of a step live side by side.

    Args:
        k1: (B, *state), the first result of f, after others were asked for.
        copy: what it was.

    Raises:
        StateError: they differ.
    """
    if is_batched(k1):
        return  # the numbers of many samples at once cannot be compared
    k1 = k1.detach()
    if not torch.equal(k1, copy) and not bool(torch.isclose(k1, copy, rtol=0.0, atol=0.0, equal_nan=True).all()):
        raise StateError(
            "f(t, y) wrote its result over the one before (out=, or a tensor of its own that it returns each time); "
            "return a new tensor, or result.clone()"
        )


def version(y: Tensor) -> int | None:
    """How often y was written in place; None for inference tensors, which do not count."""
    return None if y.is_inference() else y._version


def _check_state(y0: Tensor, finite: bool) -> None:
    if not (y0.is_floating_point() or y0.is_complex()) or y0.dim() < 1:
        raise StateError(
            f"y0 has shape {tuple(y0.shape)} and dtype {y0.dtype}, expected (B, *state) of floating or complex type; "
            "pass y0.double(), with a leading batch axis"
        )
    if finite and not bool(torch.isfinite(y0).all()):
        raise StateError("y0 is not finite, expected numbers; look for NaN or infinity with torch.isfinite(y0)")
