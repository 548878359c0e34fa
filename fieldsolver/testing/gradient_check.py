"""Gradient check: reverse-mode gradients against central differences in float64.

Along a direction d the differences with steps h and h/2 are extrapolated (Richardson)::

    D(h) = (L(x + h d) - L(x - h d))/(2 h),    L' = (4 D(h/2) - D(h))/3 + O(h^4)

Two such values, one from halved steps, say how far the differences themselves can be trusted. Where they disagree, the
function is not smooth at this scale, as with a number of steps that changes.

Step sizes chosen by an error estimate carry no gradient, but differences see them. So the gradient of an adaptive layer
disagrees by about its tolerance, however right it is: check it with a fixed step, or with tolerances near 1e-11.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

from .comparison import largest, worst
from .draws import generator, normal_like
from .example import Example
from .layer_result import Part, judged, result
from .subject import Subject, as_double, copied, doubled, gradients

CHECK = "gradient_check"
STEP = 2e-3
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
        step: of the differences, relative to the size of the tensor.
        tolerance: largest relative difference.
        training: run the layer in training mode, with the same random numbers at every call.
        wake: size that parameters which are all zero get; 0 leaves them.
        seed: of directions and random numbers.

    Returns:
        Schema ``gradient_check/1``, dimension ``part``. INCONCLUSIVE when the differences are too noisy to decide,
        which `reason` explains. NOT_APPLICABLE without parameters and with token ids.

    Raises:
        OptionError: an option, or a layer that does not run in float64.
    """
    if directions < 1 or not (step > 0 and tolerance > 0):
        raise OptionError(f"directions, step and tolerance are positive, got {directions}, {step} and {tolerance}")
    subject = Subject(as_double(copied(layer)), example, training=training, wake=wake, seed=seed)
    functional = _Functional.of(subject, doubled(example.plain()), seed)
    about = {"directions": directions, "step": step, "seed": seed}
    found = list(functional.compare(directions, step, seed))
    if not found:
        return result(CHECK, [], Verdict.NOT_APPLICABLE, "there are neither parameters nor real inputs", about)
    parts = [Part(name, error, tolerance) for name, error, _ in found]
    unclear = [(name, noise) for name, error, noise in found if _unclear(error, noise, tolerance)]
    wrong = any(not part.holds for part in parts if part.name not in dict(unclear))
    if unclear and not wrong:
        name, noise = max(unclear, key=lambda one: math.inf if math.isnan(one[1]) else one[1])
        reason = f"the differences for {name} are good to {noise:.2g} only; {ADAPTIVE}"
        return result(CHECK, parts, Verdict.INCONCLUSIVE, reason, about)
    return judged(CHECK, parts, "autograd agrees with differences", f"autograd disagrees ({ADAPTIVE})", about)


def _unclear(error: float, noise: float, tolerance: float) -> bool:
    """A mismatch that the noise of the differences may explain, or noise that may hide one."""
    return noise > tolerance / 2 and not error > 10 * noise


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
            raise OptionError(f"the layer does not run in float64 ({type(error).__name__}: {error})") from error
        if not torch.isfinite(y).all():
            raise OptionError("the output is not finite in float64, so that there is nothing to differentiate")
        return cls(subject, x, normal_like(y, generator(seed)))

    def value(self) -> Tensor:
        """A tensor without axes."""
        return (self.subject(self.x) * self.cotangent.conj()).real.sum()

    def compare(self, directions: int, step: float, seed: int) -> Iterator[tuple[str, float, float]]:
        """Name, relative error of the gradient, and relative noise of the differences."""
        random = generator(seed + 1)
        leaves = self.subject.parameters()
        if not self.subject.example.ids:
            self.x.requires_grad_()
            leaves = {**leaves, "input": self.x}
        with torch.enable_grad():
            y = self.subject(self.x)
            found = gradients(y, self.cotangent, list(leaves.values()))
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True):
            errors, noises = [], []
            for _ in range(directions):
                d = normal_like(leaf.detach(), random)
                by_autograd = float((gradient * d.conj()).real.sum())
                by_differences, noise = self._slope(leaf, d, step)
                scale = max(float(gradient.norm()), abs(by_differences))
                errors.append(abs(by_autograd - by_differences) / scale if scale else 0.0)
                noises.append(noise / scale if scale else 0.0)
            yield name, worst(errors), worst(noises)

    def _slope(self, leaf: Tensor, d: Tensor, step: float) -> tuple[float, float]:
        """The derivative along d, and its noise."""

        def difference(h: float) -> float:
            return self._difference(leaf, h * d)

        return _extrapolated(difference, _h(leaf, step))

    def _difference(self, leaf: Tensor, move: Tensor) -> float:
        """L(leaf + move) - L(leaf - move)."""
        kept = leaf.detach().clone()
        with torch.no_grad():
            try:
                leaf.copy_(kept + move)
                above = self.value()
                leaf.copy_(kept - move)
                return float(above - self.value())
            finally:
                leaf.copy_(kept)


def _h(leaf: Tensor, step: float) -> float:
    """The step for directions of size one per entry, small beside the entries and beside one."""
    return step * min(1.0, largest(leaf) or 1.0)


def _extrapolated(difference: Callable[[float], float], h: float) -> tuple[float, float]:
    """The derivative of order 4 and what it changes by when the step is halved."""
    slopes = [difference(h / 2**k) / (2 * h / 2**k) for k in range(3)]
    coarse, fine = ((4 * slopes[k + 1] - slopes[k]) / 3 for k in range(2))
    return fine, abs(fine - coarse)
