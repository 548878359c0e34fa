"""Determinism: the same input gives the same output, whatever was run before, and a call leaves nothing behind."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fieldsolver.results import AnalysisResult, Verdict

from .comparison import change, gradient_change, threshold_for
from .draws import generator, normal_like, others
from .example import Example
from .layer_result import Part, judged, result
from .obstacles import not_finite
from .subject import Subject, gradients

CHECK = "determinism"


def check_determinism(
    layer: nn.Module, example: Example, *, threshold: float | None = None, seed: int = 0
) -> AnalysisResult:
    """Repeat the same call under circumstances that must not matter.

    In evaluation mode, bitwise: again; with other random numbers; after another input; in a fresh copy; the output of
    the first call after the second one (buffers that are used again); the input itself; the state dict. In evaluation
    mode to round-off: without gradients. In training mode with the same random numbers, bitwise: output and gradients
    again.

    Args:
        layer: any module.
        example: an input.
        threshold: of the call without gradients; None: 1e-5 in float32, 1e-10 in float64.
        seed: of the other input and of the random numbers.

    Returns:
        Schema ``determinism/1``, dimension ``part``; the measured numbers are relative to the output. INCONCLUSIVE when
        the output is not finite, since NaN equals nothing.

    Raises:
        OptionError: what the layer returns.
    """
    x = example.plain()
    other = others(example, x, generator(seed))
    with torch.no_grad():
        if reason := not_finite(Subject(layer, example, seed=seed)(x)):
            return result(CHECK, [], Verdict.INCONCLUSIVE, reason, {"seed": seed})
    parts = [*_evaluation(layer, example, x, other, threshold, seed), *_training(layer, example, x, seed)]
    return judged(CHECK, parts, "calls repeat", "calls do not repeat", {"seed": seed})


def _evaluation(
    layer: nn.Module, example: Example, x: Tensor, other: Tensor, threshold: float | None, seed: int
) -> Iterator[Part]:
    subject = Subject(layer, example, seed=seed)
    stored, given = _state(subject.layer), x.clone()
    with torch.enable_grad():
        first = subject(x)
        kept = first.detach().clone()
        subject(given, lent=True)
        yield Part("the input, afterwards", change(given, x), 0.0)
        again = subject(x).detach().clone()
        yield Part("again", change(again, kept), 0.0)
        yield Part("with other random numbers", change(subject(x, seed=seed + 1), kept), 0.0)
        subject(other)
        yield Part("first output after further calls", change(first, kept), 0.0)
        yield Part("after another input", change(subject(x), kept), 0.0)
        yield Part("in a fresh copy", change(Subject(layer, example, seed=seed)(x), kept), 0.0)
    with torch.no_grad():
        yield Part("without gradients", change(subject(x), kept), threshold_for(kept, threshold))
    yield Part("the state dict, afterwards", _state_change(_state(subject.layer), stored), 0.0)


def _training(layer: nn.Module, example: Example, x: Tensor, seed: int) -> Iterator[Part]:
    runs = []
    for _ in range(2):
        subject = Subject(layer, example, seed=seed)
        subject.layer.train()  # dropout, too
        with torch.enable_grad():
            y = subject(x)
        try:
            found = gradients(y, normal_like(y.detach(), generator(seed)), list(subject.parameters().values()))
        except RuntimeError as error:  # as of values that were changed in place after they had been used
            said = " ".join(str(error).split())
            yield Part(f"the backward pass, which raises {type(error).__name__}: {said}", math.inf, 0.0)
            return
        runs.append((y.detach().clone(), found))
    (before, gradients_before), (now, gradients_now) = runs
    yield Part("training, again", change(now, before), 0.0)
    yield Part("gradients, again", gradient_change(gradients_now, gradients_before), 0.0)


def _state(layer: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in layer.state_dict().items() if isinstance(tensor, Tensor)}


def _state_change(now: dict[str, Tensor], before: dict[str, Tensor]) -> float:
    """1 where entries have come, gone or changed, else 0."""
    same = now.keys() == before.keys() and all(_equal(now[name], before[name]) for name in now)
    return 0.0 if same else 1.0


def _equal(a: Tensor, b: Tensor) -> bool:
    """Bitwise, where NaN equals NaN."""
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
