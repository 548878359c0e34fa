"""Load-bearing: every parameter and every switch changes the output, and every parameter can be trained.

A gradient that is "not None" or not exactly zero proves nothing: a gate that is cancelled further on has one of the
size of round-off. And a gradient that is zero at the start may be that of a branch whose gate opens at the first step
of training. So the gradient is measured as an effect on the output, before and after some steps along it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.errors import FieldSolverError, FieldSolverWarning, OptionError, nearest
from fieldsolver.results import AnalysisResult, Verdict

from .comparison import norm_change, threshold_for
from .draws import draw, generator, normal_like
from .example import Example
from .layer_result import Part, judged, not_applicable, result
from .obstacles import changed_input
from .subject import Subject, gradients

CHECK = "load_bearing"
ABLATION = 1e-3
STEPS = 3
STEP = 0.05
"""Size of a step of training, relative to the parameter."""
AWAKE = 0.1
"""Size that counts as natural for parameters which are zero throughout."""

Switches = Mapping[str, Callable[[nn.Module], object] | Any]


def check_load_bearing(
    layer: nn.Module,
    example: Example,
    *,
    switches: Switches | None = None,
    ablation: float = ABLATION,
    threshold: float | None = None,
    seed: int = 0,
) -> AnalysisResult:
    """Ablate every parameter tensor and every switch, and differentiate with respect to every parameter tensor.

    * **gradient**: the change of the output, relative to its norm, for a change of the parameter by its own norm, to
      first order in one random direction of the output: ``|J' v| |p| / |y|``. It must exceed round-off, at the given
      parameters or after three small steps along the gradient.
    * **ablation**: the relative change of the output when the tensor is set to zero, or is disturbed by as much as it
      measures, whichever is larger.

    Args:
        layer: any module, in evaluation mode.
        example: an input; more are drawn from it.
        switches: what else must matter: ``{"use_filter": False}`` sets an attribute (dotted names lead into
            submodules), ``{"no filter": lambda layer: ...}`` calls a function with a copy of the layer.
        ablation: smallest relative change of the output that counts.
        threshold: of gradients; None: 1e-5 in float32, 1e-10 in float64.
        seed: of inputs and disturbances.

    Returns:
        Schema ``load_bearing/1``, dimension ``part``: a gradient and an ablation for each parameter (an ablation for
        those that are not trained), an ablation for each switch. NOT_APPLICABLE when there are neither; DEGENERATE when
        the output is zero or not finite; INCONCLUSIVE when the layer changes its input.

    Raises:
        OptionError: a switch that the layer does not have.
    """
    about = {"seed": seed}
    if reason := changed_input(layer, example, seed=seed):
        return result(CHECK, [], Verdict.INCONCLUSIVE, reason, about)
    subject = Subject(layer, example, seed=seed)
    random = generator(seed)
    plain = example.plain()
    inputs = [plain, draw(example, tuple(plain.shape), random)]
    with torch.no_grad():
        before = _outputs(subject, inputs)
    if not (torch.isfinite(before).all() and before.any()):
        reason = "the output is zero or not finite before anything is ablated"
        return result(CHECK, [], Verdict.DEGENERATE, reason, about)
    limit = threshold_for(before, threshold)
    trained = _trained(subject, inputs, seed)
    parts = list(_gradient_parts(subject, trained, inputs, seed, limit))
    names = [name for name, _ in subject.layer.named_parameters()]
    for name in names:
        sizes = [_ablated(one, name, inputs, seed) for one in (subject, trained)]
        parts.append(Part(f"ablation of {name}", max(sizes), ablation, above=True))
    for name, setting in (switches or {}).items():
        sizes = [_switched(one, name, setting, inputs, seed) for one in (subject, trained)]
        parts.append(Part(f"switch {name}", max(sizes), ablation, above=True))
    if not parts:
        return not_applicable(CHECK, "the layer has no parameters, and no switches were named")
    return judged(CHECK, parts, "every parameter and switch matters", "something does not matter", about)


def _outputs(subject: Subject, inputs: list[Tensor]) -> Tensor:
    """The outputs of all inputs in one vector."""
    return torch.cat([subject(x).reshape(-1) for x in inputs])


def _pulled_back(subject: Subject, inputs: list[Tensor], seed: int) -> dict[str, Tensor]:
    """Gradients J' v / |y| of the trained parameters for a random direction v."""
    weights = subject.parameters()
    with torch.enable_grad():
        y = _outputs(subject, inputs)
        v = normal_like(y.detach(), generator(seed + 1))
        found = gradients(y, v / y.detach().norm(), list(weights.values()))
    return dict(zip(weights, found, strict=True))


def _trained(subject: Subject, inputs: list[Tensor], seed: int) -> Subject:
    """A copy after some steps along the gradient, each parameter by the same share of its size."""
    moved = Subject(subject.layer, subject.example, seed=seed)
    for step in range(STEPS):
        found = _pulled_back(moved, inputs, seed + step)
        with torch.no_grad():
            for name, parameter in moved.parameters().items():
                size = found[name].norm()
                if size > 0 and math.isfinite(size):
                    parameter -= STEP * _size(parameter) * found[name] / size
    return moved


def _size(parameter: Tensor) -> float:
    """The norm of a parameter; of one that is zero throughout, what it may become."""
    return float(parameter.detach().norm()) or AWAKE * math.sqrt(parameter.numel())


def _gradient_parts(
    subject: Subject, trained: Subject, inputs: list[Tensor], seed: int, limit: float
) -> Iterator[Part]:
    effects: dict[str, list[float]] = {}
    for one in (subject, trained):
        found, weights = _pulled_back(one, inputs, seed), one.parameters()
        for name, gradient in found.items():
            effects.setdefault(name, []).append(float(gradient.norm()) * _size(weights[name]))
    for name, sizes in effects.items():
        finite = all(math.isfinite(size) for size in sizes)
        yield Part(f"gradient of {name}", max(sizes) if finite else math.nan, limit, above=True)


def _ablated(subject: Subject, name: str, inputs: list[Tensor], seed: int) -> float:
    """Relative change of the output without this parameter, or with a disturbed one."""
    parameter = dict(subject.layer.named_parameters())[name]
    kept = parameter.detach().clone()
    width = _size(kept) / math.sqrt(kept.numel())
    disturbed = kept + width * normal_like(kept, generator(seed + 2))
    changes = []
    with torch.no_grad():
        before = _outputs(subject, inputs)
        for value in (torch.zeros_like(kept), disturbed):
            parameter.copy_(value)
            changes.append(_change(subject, inputs, before))
        parameter.copy_(kept)
    return max((size for size in changes if math.isfinite(size)), default=math.inf)


def _change(subject: Subject, inputs: list[Tensor], before: Tensor) -> float:
    """Relative change of the output; infinite where it is not finite or the layer refuses to run: it matters, then."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FieldSolverWarning)  # a step may be unstable for this value
            size = norm_change(_outputs(subject, inputs), before)
    except (FieldSolverError, ArithmeticError, RuntimeError, ValueError):  # it ran before the parameter was changed
        return math.inf
    return size if math.isfinite(size) else math.inf


def _switched(subject: Subject, name: str, setting: Any, inputs: list[Tensor], seed: int) -> float:
    """Relative change of the output by a switch, in a copy."""
    switched = Subject(subject.layer, subject.example, seed=seed)
    with torch.no_grad():
        before = _outputs(subject, inputs)
        if callable(setting) and not isinstance(setting, nn.Module):
            setting(switched.layer)
        else:
            _set(switched.layer, name, setting)
        return norm_change(_outputs(switched, inputs), before)


def _set(layer: nn.Module, name: str, value: Any) -> None:
    *path, last = name.split(".")
    try:
        owner = layer.get_submodule(".".join(path))
    except AttributeError:
        owner = None
    if owner is None or not hasattr(owner, last):
        known = [key for key in vars(layer if owner is None else owner) if not key.startswith("_")]
        raise OptionError(
            f"the layer has no attribute {name!r} to switch{nearest(last, known)}; a function of the layer will do, too"
        )
    setattr(owner, last, value)
