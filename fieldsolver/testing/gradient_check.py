"""Gradient check: reverse-mode gradients against central differences in float64.

Differences are those of `slopes`: extrapolated, with smaller steps where the function is not smooth at a larger scale.
A direction in which there is a kink however small the step has no derivative; it is left out, and counted.

Step sizes chosen by an error estimate carry no gradient, but differences see them. So the gradient of an adaptive layer
disagrees by about its tolerance, however right it is: check it with a fixed step, or with tolerances near 1e-11.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

from .comparison import largest, worst
from .draws import generator, normal_like
from .example import Example
from .layer_result import Part, judged, result
from .obstacles import changed_input
from .slopes import Comparison, compared
from .subject import Subject, as_double, copied, doubled, gradients
from .unfit_error import UnfitError

CHECK = "gradient_check"
STEP = 2e-3
MOST = 3
"""Times the directions that were asked for, which are tried where kinks are met."""
ROUND_OFF = 1e3 * torch.finfo(torch.float64).eps
"""Of the output, with a margin for what cancels inside a layer."""
ADAPTIVE = "does the layer choose its steps by the error? Give it a fixed dt, or tolerances near 1e-11"


def check_gradients(
    layer: nn.Module,
    example: Example,
    *,
    directions: int = 3,
    step: float = STEP,
    tolerance: float = 1e-6,
    training: bool = False,
    wake: float = 0.1,
    seed: int = 0,
) -> AnalysisResult:
    """Compare directional derivatives of every parameter tensor and of the input with central differences.

    The layer and the example are copied to float64. For each tensor, a random linear function of the output is
    differentiated along random directions; the difference to autograd is relative to the norm of the gradient.

    Args:
        layer: any module.
        example: an input; token ids have no gradient, so that only parameters are checked.
        directions: for each tensor.
        step: the largest one of the differences, relative to the size of the tensor.
        tolerance: largest relative difference.
        training: run the layer in training mode, with the same random numbers at every call.
        wake: size that parameters which are all zero get; 0 leaves them.
        seed: of directions and random numbers.

    Returns:
        Schema ``gradient_check/1``, dimension ``part``. INCONCLUSIVE when the differences are too noisy to decide, when
        every direction meets a kink, or when the layer changes its input, which `reason` explains. NOT_APPLICABLE
        without parameters and with token ids.

    Raises:
        OptionError: an option, or a layer that does not run in float64.
    """
    if directions < 1 or not (step > 0 and tolerance > 0):
        raise OptionError(f"directions, step and tolerance are positive, got {directions}, {step} and {tolerance}")
    wide = replace(example, values=doubled(example.values.detach()))
    subject = Subject(as_double(copied(layer)), wide, training=training, wake=wake, seed=seed)
    about = {"directions": directions, "step": step, "seed": seed}
    functional = _Functional.of(subject, subject.example.plain(), seed)
    if reason := changed_input(subject.layer, subject.example, seed=seed):
        return result(CHECK, [], Verdict.INCONCLUSIVE, reason, about)
    found = list(functional.compare(directions, step, tolerance, seed))
    if not found:
        return result(CHECK, [], Verdict.NOT_APPLICABLE, "there are neither parameters nor real inputs", about)
    return _judged(found, tolerance, about)


def _judged(found: list[_Found], tolerance: float, about: dict[str, Any]) -> AnalysisResult:
    parts = [Part(one.name, one.error, tolerance) for one in found]
    unclear = [one for one in found if one.unclear(tolerance)]
    wrong = any(not part.holds for part, one in zip(parts, found, strict=True) if one not in unclear)
    if unclear and not wrong:
        worst_one = max(unclear, key=lambda one: math.inf if math.isnan(one.noise) else one.noise)
        return result(CHECK, parts, Verdict.INCONCLUSIVE, worst_one.reason(), about)
    kinked = sum(one.kinked for one in found)
    tried = sum(one.tried for one in found)
    note = f"; {kinked} of {tried} directions left out, since they meet a kink" if kinked else ""
    good = f"autograd agrees with differences{note}"
    return judged(CHECK, parts, good, f"autograd disagrees ({ADAPTIVE}{note})", about)


class _Found(NamedTuple):
    """One tensor: the largest error and noise of its directions, and how many of those tried meet a kink."""

    name: str
    error: float
    noise: float
    tried: int
    kinked: int

    def unclear(self, tolerance: float) -> bool:
        """No direction without a kink, a mismatch that noise may explain, or noise that may hide one."""
        noisy = self.noise > tolerance / 2 and not self.error > 10 * self.noise
        return self.kinked == self.tried or noisy

    def reason(self) -> str:
        if self.kinked == self.tried:
            return f"in all {self.tried} directions {self.name} meets a kink, where no derivative exists"
        return (
            f"the differences for {self.name} are good to {self.noise:.2g} only, with small steps, too: the output "
            f"jumps, or is no smoother than that; {ADAPTIVE}"
        )


@dataclass
class _Functional:
    """L(parameters, x) = Re <v, output>, a real number."""

    subject: Subject
    x: Tensor
    cotangent: Tensor

    @classmethod
    def of(cls, subject: Subject, x: Tensor, seed: int) -> _Functional:
        try:
            with torch.no_grad():
                y = subject(x)
        except OptionError:
            raise
        except Exception as error:
            raise UnfitError(f"the layer does not run in float64 ({type(error).__name__}: {error})") from error
        if not torch.isfinite(y).all():
            raise UnfitError("the output is not finite in float64, so that there is nothing to differentiate")
        return cls(subject, x, normal_like(y, generator(seed)))

    def value(self) -> Tensor:
        """A tensor without axes."""
        return (self.subject(self.x) * self.cotangent.conj()).real.sum()

    def compare(self, directions: int, step: float, tolerance: float, seed: int) -> Iterator[_Found]:
        """Every tensor along random directions; for one that meets a kink, another one is drawn."""
        random = generator(seed + 1)
        leaves = self.subject.parameters()
        if not self.subject.example.ids:
            self.x.requires_grad_()
            leaves = {**leaves, "input": self.x}
        with torch.enable_grad():
            y = self.subject(self.x)
            found = gradients(y, self.cotangent, list(leaves.values()))
        round_off = ROUND_OFF * float((y.detach().abs() * self.cotangent.abs()).sum())
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True):
            h, kinked = _h(leaf, step), 0
            kept: list[Comparison] = []
            while len(kept) < directions and len(kept) + kinked < MOST * directions:
                d = normal_like(leaf.detach(), random)
                by_autograd, size = float((gradient * d.conj()).real.sum()), float(gradient.norm())
                along = partial(self._moved, leaf, leaf.detach().clone(), d)
                one = compared(along, by_autograd, h, size, tolerance, round_off / h)
                kinked += one.kinked
                kept += [] if one.kinked else [one]
            error, noise = worst([one.error for one in kept]), worst([one.noise for one in kept])
            yield _Found(name, error, noise, len(kept) + kinked, kinked)

    def _moved(self, leaf: Tensor, kept: Tensor, direction: Tensor, by: float) -> float:
        """L(leaf + by * direction)."""
        with torch.no_grad():
            try:
                leaf.copy_(kept + by * direction)
                return float(self.value())
            finally:
                leaf.copy_(kept)


def _h(leaf: Tensor, step: float) -> float:
    """The step for directions of size one per entry, small beside the entries and beside one."""
    return step * min(1.0, largest(leaf) or 1.0)
