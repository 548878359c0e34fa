"""Padding: neither its content nor its amount matters, to values or to gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

from .comparison import change, gradient_change, largest, relative, threshold_for, worst
from .draws import at_least, draw, generator, normal_like
from .example import Example
from .layer_result import Part, judged, not_applicable, result
from .obstacles import obstacle
from .subject import Subject, gradients
from .unfit_error import UnfitError

CHECK = "padding"
LARGE = 30.0
"""Factor of the pads that are to be noticed where a norm or a mean sees them."""


def check_padding(
    layer: nn.Module,
    example: Example,
    *,
    side: str = "right",
    threshold: float | None = None,
    wake: float = 0.1,
    seed: int = 0,
) -> AnalysisResult:
    """Compare padded batches with the same samples run alone without pads.

    Three samples of 2/3 T, 1/3 T and 1 token are padded to 2/3 T and to T with zeros, with tokens, and with large
    tokens (where `pad_id` marks padding: with that id). Compared are the outputs at real tokens, or the read-out; the
    gradients of parameters and inputs; and the gradient at the pads, which is zero.

    Args:
        layer: any module that is told about padding as `example` says, in evaluation mode.
        example: with `mask`, `lengths` or `pad_id`.
        side: where the pads are, ``"right"`` or ``"left"``.
        threshold: of relative changes; None: 1e-5 in float32, 1e-10 in float64.
        wake: size that parameters which are all zero get: a bias puts something on pads only once it is not zero.
        seed: of the draws.

    Returns:
        Schema ``padding/1``, dimension ``part``; NOT_APPLICABLE when nothing tells the layer about padding;
        INCONCLUSIVE when the output is random or not finite, or when the layer changes its input.

    Raises:
        OptionError: fewer than 4 tokens, or the layer does not take one of the lengths.
    """
    if side not in ("right", "left"):
        raise OptionError(f"side is 'right' or 'left', got {side!r}")
    if example.mask is None and example.lengths is None and example.pad_id is None:
        return not_applicable(CHECK, "the example has no mask=, lengths= or pad_id= that tells the layer about padding")
    random = generator(seed)
    x = at_least(example, 3, random)[:3]
    size = x.shape[1]
    if size < 4:
        raise UnfitError(f"padding needs at least 4 tokens to take some away, got {size}; give a longer example")
    if example.pad_id is not None:
        x = torch.where(x == example.pad_id, draw(example, tuple(x.shape), random), x)
    about = {"side": side, "wake": wake, "seed": seed}
    if reason := obstacle(layer, example, wake=wake, seed=seed):
        return result(CHECK, [], Verdict.INCONCLUSIVE, reason, about)
    subject = Subject(layer, example, wake=wake, seed=seed)
    samples = [sample[:count] for sample, count in zip(x, (2 * size // 3, size // 3, 1), strict=True)]
    alone = _Alone.run(subject, samples, random)
    limit = threshold_for(alone.outputs[0], threshold)
    parts: list[Part] = []
    for pads, kind in _contents(example, x, random):
        for total in (2 * size // 3, size):
            parts += _compared(subject, samples, pads[:, :total], side, alone, f"{kind}, T = {total}", limit)
    return judged(CHECK, parts, "padding does not matter", "padding changes the result", about)


@dataclass(frozen=True, slots=True)
class _Alone:
    """Every sample by itself, without pads: outputs, cotangents, gradients of its input and of the parameters."""

    outputs: list[Tensor]
    cotangents: list[Tensor]
    inputs: list[Tensor]
    parameters: list[Tensor]

    @classmethod
    def run(cls, subject: Subject, samples: list[Tensor], random: torch.Generator) -> _Alone:
        weights = list(subject.parameters().values())
        outputs: list[Tensor] = []
        cotangents: list[Tensor] = []
        inputs: list[Tensor] = []
        summed = [torch.zeros_like(weight) for weight in weights]
        for sample in samples:
            x = _leaf(sample.unsqueeze(0))
            y = _run(subject, x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))
            cotangents.append(normal_like(y[0], random))
            leaves = [x] if x.requires_grad else []
            found = gradients(y, cotangents[-1].unsqueeze(0), leaves + weights)
            outputs.append(y[0].detach())
            inputs.extend(g[0] for g in found[: len(leaves)])
            summed = [a + b for a, b in zip(summed, found[len(leaves) :], strict=True)]
        return cls(outputs, cotangents, inputs, summed)


def _compared(
    subject: Subject, samples: list[Tensor], pads: Tensor, side: str, alone: _Alone, where: str, limit: float
) -> Iterator[Part]:
    """The parts of one padded batch."""
    real = torch.zeros(pads.shape[:2], dtype=torch.bool, device=pads.device)
    for row, sample in zip(real, samples, strict=True):
        row[slice(0, len(sample)) if side == "right" else slice(len(row) - len(sample), None)] = True
    filled = pads.clone()
    filled[real] = torch.cat(samples)
    x = _leaf(filled)
    y = _run(subject, x, real)
    cotangent = torch.zeros_like(y)
    for i, v in enumerate(alone.cotangents):
        cotangent[(i,) if subject.example.pooled else (i, real[i])] = v
    leaves = [x] if x.requires_grad else []
    found = gradients(y, cotangent, leaves + list(subject.parameters().values()))
    seen = [row if subject.example.pooled else row[told] for row, told in zip(y.detach(), real, strict=True)]
    yield Part(f"output ({where})", worst([change(a, b) for a, b in zip(seen, alone.outputs, strict=True)]), limit)
    yield Part(f"gradient of parameters ({where})", gradient_change(found[len(leaves) :], alone.parameters), limit)
    for gradient in found[: len(leaves)]:
        own = [gradient[i][told] for i, told in enumerate(real)]
        moved = worst([change(a, b) for a, b in zip(own, alone.inputs, strict=True)])
        yield Part(f"gradient of real tokens ({where})", moved, limit)
        at_pads = relative(largest(gradient[~real]), worst([largest(g) for g in alone.inputs]))
        yield Part(f"gradient at pads ({where})", at_pads, limit)


def _contents(example: Example, x: Tensor, random: torch.Generator) -> Iterator[tuple[Tensor, str]]:
    """What the pads hold, (3, T, ...), and its name."""
    if example.pad_id is not None:
        yield torch.full_like(x, example.pad_id), f"pads of id {example.pad_id}"
        return
    yield torch.zeros_like(x), "pads of zero"
    tokens = draw(example, tuple(x.shape), random)
    yield tokens, "pads like tokens"
    if not example.ids:
        yield LARGE * tokens, "large pads"


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_(x.is_floating_point() or x.is_complex())


def _run(subject: Subject, x: Tensor, real: Tensor) -> Tensor:
    try:
        with torch.enable_grad():
            return subject(x, real)
    except OptionError:
        raise
    except Exception as error:
        told = f"{x.shape[0]} sample(s) of {x.shape[1]} tokens"
        raise UnfitError(f"the layer does not take {told} ({type(error).__name__}: {error})") from error
