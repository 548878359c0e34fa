"""Batch independence: a sample's output and gradient do not depend on its neighbours.

Modules that mix samples in training mode only (BatchNorm) pass a check in evaluation mode, so both modes are run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fieldsolver.errors import FieldSolverError, OptionError
from fieldsolver.results import AnalysisResult, Verdict

from .comparison import change_per_sample, gradient_change, threshold_for
from .draws import at_least, draw, generator, normal_like, others
from .example import Example
from .layer_result import Part, judged, result
from .obstacles import obstacle
from .subject import Subject, gradients

CHECK = "batch_independence"
CROWD = 33
"""Samples of the largest batch: room for 4, 8, 16 or 32 is exceeded."""


def check_batch_independence(
    layer: nn.Module,
    example: Example,
    *,
    neighbours: float = 3.0,
    crowd: int = CROWD,
    threshold: float | None = None,
    wake: float = 0.1,
    seed: int = 0,
) -> AnalysisResult:
    """Permute the batch, append to it, replace its other samples, and run each sample alone: nothing may change.

    Also among as many drawn samples as make a batch of `crowd`, the first in front of them and the rest behind them.

    In both modes; dropout is kept off, and a layer that draws random numbers elsewhere is compared in evaluation only.

    Args:
        layer: any module.
        example: at least three samples are run; those that lack are drawn.
        neighbours: factor of the values of larger neighbours; 1 for layers whose inputs must stay in their range.
        crowd: samples of the largest batch; smaller where memory is short.
        threshold: of changes relative to the largest value of the same sample; None: 1e-5 in float32, 1e-10 in float64.
        wake: size that parameters which are all zero get; 0 leaves them.
        seed: of the draws.

    Returns:
        Schema ``batch_independence/1``, dimension ``part``; INCONCLUSIVE when the output is random or not finite, or
        when the layer changes its input.

    Raises:
        OptionError: an option, or what the layer returns.
    """
    if crowd < 1:
        raise OptionError(f"crowd is a number of samples, such as {CROWD}; got {crowd!r}")
    about = {"neighbours": neighbours, "crowd": crowd, "wake": wake, "seed": seed}
    if reason := obstacle(layer, example, wake=wake, seed=seed):
        return result(CHECK, [], Verdict.INCONCLUSIVE, reason, about)
    random = generator(seed)
    x = at_least(example, 3, random)
    strangers = others(example, x, random)
    passers = draw(example, (max(0, crowd - len(x)), *x.shape[1:]), generator(seed + 1))
    parts: list[Part] = []
    notes: list[str] = []
    for training in (False, True):
        mode = "training" if training else "evaluation"
        subject = Subject(layer, example, training=training, wake=wake, seed=seed)
        if training and _draws_numbers(subject, x):
            notes.append("compared in evaluation mode only, since it draws random numbers in training")
            continue
        company = _Company(subject, x, strangers, passers, neighbours, random, threshold, notes)
        parts += [Part(f"{part.name} ({mode})", *part[1:]) for part in company.parts()]
    note = f" ({'; '.join(dict.fromkeys(notes))})" if notes else ""
    return judged(CHECK, parts, f"neighbours do not matter{note}", "samples depend on their neighbours", about)


@dataclass
class _Company:
    """Samples x (B, ...), others of the same shape and a crowd of passers, in one mode of the layer."""

    subject: Subject
    x: Tensor
    strangers: Tensor
    passers: Tensor
    factor: float
    random: torch.Generator
    threshold: float | None
    notes: list[str]

    def parts(self) -> Iterator[Part]:
        x, subject = self.x, self.subject
        with torch.no_grad():
            before = subject(x)
            limit = threshold_for(before, self.threshold)
            order = torch.roll(torch.arange(len(x), device=x.device), 1)
            yield Part("permuted", change_per_sample(subject(x[order]), before[order]), limit)
            longer = subject(torch.cat((x, self.strangers)))[: len(x)]
            yield Part("others appended", change_per_sample(longer, before), limit)
            longer = subject(torch.cat((self.strangers, x)))[len(x) :]
            yield Part("others in front", change_per_sample(longer, before), limit)
            if len(self.passers):
                crowded = subject(torch.cat((x[:1], self.passers, x[1:])))
                seen = torch.cat((crowded[:1], crowded[1 + len(self.passers) :]))
                yield Part(f"in a batch of {len(crowded)}", change_per_sample(seen, before), limit)
            now = subject(torch.cat((x[:1], self.strangers[1:])))
            yield Part("other neighbours", change_per_sample(now[:1], before[:1]), limit)
            yield from self._beside_larger(before, limit)
        yield from self._alone(before, limit)

    def _beside_larger(self, before: Tensor, limit: float) -> Iterator[Part]:
        """The first sample beside larger ones; these may be too large for the layer, which it then says by itself."""
        if self.subject.example.ids or self.factor == 1:
            return
        try:
            now = self.subject(torch.cat((self.x[:1], self.factor * self.strangers[1:])))
        except (FieldSolverError, ArithmeticError, RuntimeError, ValueError) as error:
            self.notes.append(f"neighbours {self.factor:g} times as large were refused with {type(error).__name__}")
            return
        yield Part("larger neighbours", change_per_sample(now[:1], before[:1]), limit)

    def _alone(self, before: Tensor, limit: float) -> Iterator[Part]:
        """Values and gradients of every sample by itself."""
        weights = list(self.subject.parameters().values())
        cotangent = normal_like(before, self.random)
        together = self._pulled_back(self.x, cotangent, weights)
        outputs, inputs, summed = [], [], [torch.zeros_like(w) for w in weights]
        try:
            for i in range(len(self.x)):
                y, leaf, found = self._pulled_back(self.x[i : i + 1], cotangent[i : i + 1], weights)
                outputs.append(y)
                inputs += leaf
                summed = [a + b for a, b in zip(summed, found, strict=True)]
        except OptionError:
            raise
        except Exception as error:  # as BatchNorm does: what needs company cannot be independent of it
            yield Part(f"alone, where the layer raises {type(error).__name__}: {error}", float("inf"), limit)
            return
        yield Part("alone", change_per_sample(torch.cat(outputs), before), limit)
        yield Part("gradient of parameters, summed", gradient_change(together[2], summed), limit)
        if together[1]:
            (gradient,) = together[1]
            yield Part("gradient of inputs", change_per_sample(gradient, torch.cat(inputs)), limit)

    def _pulled_back(
        self, x: Tensor, cotangent: Tensor, weights: list[Tensor]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Output, gradient of the input (none for ids), and gradients of the parameters."""
        leaf = x.detach().requires_grad_(not self.subject.example.ids)
        leaves = [leaf] if leaf.requires_grad else []
        with torch.enable_grad():
            y = self.subject(leaf)
            found = gradients(y, cotangent, leaves + weights)
        return y.detach(), found[: len(leaves)], found[len(leaves) :]


def _draws_numbers(subject: Subject, x: Tensor) -> bool:
    with torch.no_grad():
        return not torch.equal(subject(x, seed=1), subject(x, seed=2))
