"""Causality: the output at a token does not depend on later tokens, neither in value nor in gradient.

Three questions, because each misses what another one finds:

* **perturbation**: all tokens after t are replaced; the outputs up to t stay. (A leak cancelled in the gradient by a
  `detach` is seen here.)
* **prefix**: the outputs of the first t + 1 tokens alone are those of the whole sequence. (Finds what depends on the
  length: normalised positions, norms over time, FFTs of the next power of two.)
* **Jacobian**: d output[t] / d token[s] = 0 for s > t. (Finds paths that are masked in value only, and 0 * inf = NaN.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.results import AnalysisResult, Verdict

from .comparison import change, largest, relative, threshold_for, worst
from .draws import generator, normal_like, of_length, others
from .example import Example
from .layer_result import Part, judged, not_applicable, result
from .obstacles import obstacle
from .subject import Subject, gradients
from .unfit_error import UnfitError

CHECK = "causality"
EVERY = 64
"""Up to this many tokens, every place is tried."""


def check_causality(
    layer: nn.Module,
    example: Example,
    *,
    lengths: Sequence[int] | None = None,
    prefixes: bool = True,
    exact: bool = False,
    threshold: float | None = None,
    wake: float = 0.1,
    seed: int = 0,
) -> AnalysisResult:
    """Measure what the output up to t learns from tokens after t.

    At the largest length, if it is at most 64, for every t; else for t = 0, 1, T/2 and T - 2.

    Args:
        layer: any module that maps (B, T, ...) to (B, T, ...), in evaluation mode.
        example: an input; its tokens are those that are drawn.
        lengths: T; None: the example's, one above a power of two, and three quarters of a power of two.
        prefixes: also run prefixes alone; False for layers of one fixed length, which then take the example's only.
        exact: demand that the Jacobian is exactly zero, which holds for masks and recurrences but not for FFTs.
        threshold: of changes relative to the largest output up to t; None: 1e-5 in float32, 1e-10 in float64.
        wake: size that parameters which are all zero get, so that a leak behind a closed gate is seen; 0 leaves them.
        seed: of the draws.

    Returns:
        Schema ``causality/1``, dimension ``part``. NOT_APPLICABLE when input or output has no tokens; DEGENERATE when
        the output does not depend on the tokens at all; INCONCLUSIVE when it is random or not finite, or when the layer
        changes its input. A float64 layer is judged most sharply.

    Raises:
        OptionError: fewer than 3 tokens, or the layer does not take one of the lengths.
    """
    if not example.ordered or example.pooled:
        return not_applicable(CHECK, f"axes {example.axes!r} do not have tokens T in both input and output")
    sizes = _lengths(example, lengths, prefixes)
    about = {"lengths": sizes, "wake": wake, "seed": seed}
    if reason := obstacle(layer, example, wake=wake, seed=seed):
        return result(CHECK, [], Verdict.INCONCLUSIVE, reason, about)
    subject = Subject(layer, example, wake=wake, seed=seed)
    parts: list[Part] = []
    for size in sizes:
        random = generator(seed)
        places = range(size - 1) if size == sizes[0] <= EVERY else sorted({0, 1, size // 2, size - 2})
        found, alive = _at_length(subject, example, size, places, prefixes, exact, threshold, random)
        parts += found
        if not alive:
            reason = f"the output does not depend on the tokens (T = {size}), so that nothing could leak; is it zero?"
            return result(CHECK, parts, Verdict.DEGENERATE, reason, about)
    note = "" if any("Jacobian" in part.name for part in parts) else "; no nn.Embedding was found to differentiate at"
    note += "" if prefixes else "; prefixes alone were not run"
    return judged(CHECK, parts, f"the future does not matter{note}", "the output depends on later tokens", about)


def _at_length(
    subject: Subject, example: Example, size: int, places: Sequence[int], prefixes: bool, exact: bool,
    threshold: float | None, random: torch.Generator,
) -> tuple[list[Part], bool]:  # fmt: skip
    """The parts at one length, and whether the output depends on the tokens."""
    x = of_length(example, size, random)
    later = others(example, x, random)
    with torch.no_grad():
        before = _run(subject, x)
        alive = change(subject(later), before)
    limit = threshold_for(before, threshold)
    parts = []
    for t in places:
        replaced = torch.cat((x[:, : t + 1], later[:, t + 1 :]), 1)
        with torch.no_grad():
            parts.append(Part(f"perturbation after {t} of {size}", _seen(subject(replaced), before, t), limit))
            if prefixes:
                parts.append(
                    Part(f"prefix of {t + 1} of {size}", _seen(_run(subject, x[:, : t + 1]), before, t), limit)
                )
        leak = _jacobian(subject, x, t, random)
        if leak is not None:
            parts.append(Part(f"Jacobian at {t} of {size}", leak, 0.0 if exact else limit))
    return parts, not alive <= limit


def _seen(now: Tensor, before: Tensor, t: int) -> float:
    """Largest change up to t, relative to the outputs up to t, or to all where these are zero."""
    scale = largest(before[:, : t + 1]) or largest(before)
    return relative(largest(now[:, : t + 1] - before[:, : t + 1]), scale)


def _jacobian(subject: Subject, x: Tensor, t: int, random: torch.Generator) -> float | None:
    """Gradient of output[t] at later tokens over that at the others; None where there is no number to move."""
    with torch.enable_grad(), _probes(subject, x) as (tokens, probes):
        output = subject(tokens)
        if not probes:
            return None
        cotangent = torch.zeros_like(output)
        cotangent[:, t] = normal_like(output[:, t], random)
        found = gradients(output, cotangent, probes)
    past, future = worst([largest(g[:, : t + 1]) for g in found]), worst([largest(g[:, t + 1 :]) for g in found])
    return relative(future, past)


@contextmanager
def _probes(subject: Subject, x: Tensor) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """What the tokens are differentiated at: the numbers themselves, or zeros added to what embeddings return."""
    if not subject.example.ids:
        leaf = x.clone().requires_grad_()
        yield leaf, [leaf]
        return
    probes: list[Tensor] = []

    def added(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if inputs[0].numel() != x.numel() or output.shape[:2] != x.shape:
            return output  # positions, or something else that is not the tokens
        probes.append(torch.zeros_like(output, requires_grad=True))
        return output + probes[-1]

    embeddings = [module for module in subject.layer.modules() if isinstance(module, nn.Embedding)]
    handles = [module.register_forward_hook(added) for module in embeddings]
    try:
        yield x, probes
    finally:
        for handle in handles:
            handle.remove()


def _run(subject: Subject, x: Tensor) -> Tensor:
    try:
        return subject(x)
    except OptionError:
        raise
    except Exception as error:
        raise UnfitError(
            f"the layer does not take {x.shape[1]} tokens ({type(error).__name__}: {error}); one of fixed length is "
            "checked with prefixes=False"
        ) from error


def _lengths(example: Example, lengths: Sequence[int] | None, prefixes: bool) -> list[int]:
    own = example.plain().shape[1]
    if lengths is None:
        power = 1 << max(1, (own - 1).bit_length() - 1)  # the largest power of two below the example's length
        lengths = [own, power + 1, 3 * power // 4] if prefixes else [own]
        lengths = [size for size in lengths if 3 <= size <= own]
    sizes = sorted(set(lengths), reverse=True)
    if not sizes or sizes[-1] < 3:
        raise UnfitError(f"causality needs at least 3 tokens, got lengths {sizes or [own]}; give a longer example")
    return sizes
