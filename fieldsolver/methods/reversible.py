"""Methods whose steps can be undone exactly, so that a gradient needs no stored states.

A step maps the state and one or more further vectors, the memory, one to one onto those at its end. The inverse is as
explicit as the step, and differs from it by round-off only. The price is weak stability: each decaying component has a
partner that grows as fast, because the volume of (state, memory) can hardly shrink. These methods suit problems that
neither dissipate strongly nor run for many times the decay time; `stability` of each says how far they go.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from .protocol import Function, Memory, Method


@runtime_checkable
class ReversibleMethod(Method, Protocol):
    """A method with the inverse of its step."""

    def reverse(self, f: Function, t: Tensor, dt: Tensor, y_new: Tensor, memory_new: Memory) -> tuple[Tensor, Memory]:
        """The state (B, *state) and the memory from which `step` led to those given; samples with dt = 0 stay.

        Args:
            f: the vector field of that step.
            t: (B,) float64, when the step started; so both directions evaluate f at the same times to the last bit.
            dt: (B,) float64, its signed sizes.
            y_new: (B, *state), where it ended.
            memory_new: what it left to the next step.
        """
        ...


def carries_memory(method: Method) -> bool:
    """Whether every step needs, or spares itself, something that the one before has left to it."""
    return method.fsal or isinstance(method, ReversibleMethod)
