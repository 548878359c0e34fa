"""Phase use: turning the phase of one token by the same angle everywhere changes the read-out.

A read-out by ``|z|`` of every token, or a product ``|z1 z2|``, keeps nothing of the phase. Turning all tokens together
proves nothing, since only differences of phase have a meaning: one token is turned against the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError, nearest
from fieldsolver.results import AnalysisResult, Verdict

from .comparison import change, largest
from .example import Example
from .layer_result import Part, judged, not_applicable, result
from .subject import Subject

CHECK = "phase_use"
ANGLES = (math.pi / 2, 2.0)
"""Two, since a read-out may be even or periodic in one of them."""


def check_phase_use(
    layer: nn.Module,
    example: Example,
    *,
    at: str | None = None,
    pairs: bool = False,
    token: int | None = None,
    smallest: float = 1e-3,
    seed: int = 0,
) -> AnalysisResult:
    """Multiply one token by ``exp(i angle)`` and measure how much the read-out changes.

    Args:
        layer: any module, in evaluation mode.
        example: complex values (B, T, ...), or any input when `at` names where complex numbers appear.
        at: dotted name of the submodule whose output (B, T, ...) is turned, such as ``"embedding"``; None: the input.
        pairs: complex numbers are stored as real and imaginary part in the last axis, of size 2.
        token: which one; None: the middle.
        smallest: relative change of the largest value of the read-out that counts.
        seed: of random numbers that the layer draws.

    Returns:
        Schema ``phase_use/1``: the larger change of the angles pi/2 and 2, and whether the derivative in the angle is
        finite. NOT_APPLICABLE for real numbers or a single token; DEGENERATE when not even leaving the token out
        matters.

    Raises:
        OptionError: no such submodule, token, or numbers that are not complex there.
    """
    plain = example.plain()
    if not example.ordered or plain.shape[1] < 2:
        return not_applicable(CHECK, "one token against the others needs an axis T with at least 2 tokens")
    if at is None and not (plain.is_complex() or pairs):
        return not_applicable(CHECK, "the input is real; at= names the submodule that returns complex numbers")
    place = plain.shape[1] // 2 if token is None else token
    if not 0 <= place < plain.shape[1]:
        raise OptionError(f"token is one of 0 .. {plain.shape[1] - 1}, got {token!r}")
    subject = Subject(layer, example, seed=seed)
    turned = _Turned(subject, plain, at, pairs, place)
    with torch.no_grad():
        before = turned(torch.ones((), dtype=torch.complex128))
        changes = [change(turned(_rotation(torch.tensor(angle))), before) for angle in ANGLES]
        without = change(turned(torch.zeros((), dtype=torch.complex128)), before)
    about = {"token": place, "at": at or "input", "seed": seed}
    if max(without, *changes) <= smallest:
        reason = f"the read-out does not depend on token {place} at all (without it, it changes by {without:.2g})"
        return result(CHECK, [Part("token left out", without, smallest, above=True)], Verdict.DEGENERATE, reason, about)
    parts = [Part(f"change when token {place} is turned", max(changes), smallest, above=True)]
    parts += [Part("derivative in the angle, 0 where finite", _derivative(turned), 0.0)]
    return judged(CHECK, parts, "the phase of a token is used", "the phase of a token is lost", about)


class _Turned:
    """The layer as a function of the factor of one token."""

    def __init__(self, subject: Subject, plain: Tensor, at: str | None, pairs: bool, place: int) -> None:
        self.subject, self.plain, self.at, self.pairs, self.place = subject, plain, at, pairs, place

    def __call__(self, factor: Tensor) -> Tensor:
        if self.at is None:
            return self.subject(self._times(self.plain, factor, self.plain.dim() - 1))
        with self._hooked(self.at, factor):
            return self.subject(self.plain)

    @contextmanager
    def _hooked(self, at: str, factor: Tensor) -> Iterator[None]:
        modules = dict(self.subject.layer.named_modules())
        if at not in modules:
            raise OptionError(f"the layer has no submodule {at!r}{nearest(at, modules)}")
        calls: list[int] = []

        def turn(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            calls.append(1)
            return self._times(output, factor, output.dim() - 1)

        handle = modules[at].register_forward_hook(turn)
        try:
            yield
        finally:
            handle.remove()
        if not calls:
            raise OptionError(f"submodule {at!r} is not called when the layer is; name one that returns the tokens")

    def _times(self, tokens: Tensor, factor: Tensor, last: int) -> Tensor:
        """Tokens (B, T, ...) of which one is multiplied by the factor."""
        if self.pairs and (tokens.is_complex() or tokens.shape[last] != 2):
            raise OptionError(f"pairs=True needs real numbers with a last axis of size 2, got {tuple(tokens.shape)}")
        if not self.pairs and not tokens.is_complex():
            raise OptionError(f"the output of {self.at!r} is {tokens.dtype}, expected complex numbers, or pairs=True")
        numbers = torch.view_as_complex(tokens.contiguous()) if self.pairs else tokens
        if numbers.dim() < 2 or numbers.shape[:2] != self.plain.shape[:2]:
            raise OptionError(f"the tokens have shape {tuple(numbers.shape)}, expected (B, T, ...)")
        factors = torch.ones(numbers.shape[1], dtype=torch.complex128)
        here = torch.arange(numbers.shape[1]) == self.place
        factors = torch.where(here, factor, factors).to(numbers)
        numbers = numbers * factors.reshape(-1, *(1,) * (numbers.dim() - 2))
        return torch.view_as_real(numbers) if self.pairs else numbers


def _rotation(angle: Tensor) -> Tensor:
    return torch.exp(1j * angle.to(torch.float64))


def _derivative(turned: _Turned) -> float:
    """0 where the derivative of the read-out in the angle is finite, else NaN: atan2 and |z| are singular at 0."""
    angle = torch.zeros((), dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        output = turned(_rotation(angle))
        if not output.requires_grad:
            return 0.0
        (slope,) = torch.autograd.grad(output, angle, torch.ones_like(output), allow_unused=True)
    return 0.0 if slope is None or math.isfinite(largest(slope)) else math.nan
