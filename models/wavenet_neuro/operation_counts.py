"""Multiplications and additions of a field, of a transformer, and of spiking neurons; counted with all channels.

One MAC is a multiplication with an addition. Element-wise functions, norms and softmax are left out on both sides.
"""

from __future__ import annotations


def field_macs(
    tokens: int, channels: int, *, evaluations: int, stencil: int = 9, expansion: int = 2, reaction: bool = True
) -> int:
    """``k n (s C + 2 e C^2)``: k evaluations of a depthwise stencil of s points and a perceptron C -> eC -> C.

    Args:
        tokens: n.
        channels: C.
        evaluations: k.
        stencil: points of the stencil: 3 on a line, 9 in the plane.
        expansion: e.
        reaction: whether there is a perceptron.
    """
    pointwise = 2 * expansion * channels**2 if reaction else 0
    return evaluations * tokens * (stencil * channels + pointwise)


def transformer_macs(tokens: int, channels: int, *, layers: int, feedforward: int = 4) -> int:
    """``L (4 n C^2 + 2 n^2 C + 2 f n C^2)``: projections, scores and mixing, and the perceptron C -> fC -> C.

    Args:
        tokens: n.
        channels: C.
        layers: L.
        feedforward: f.
    """
    per_layer = (4 + 2 * feedforward) * tokens * channels**2 + 2 * tokens**2 * channels
    return layers * per_layer


def break_even(channels: int, *, evaluations: int, layers: int, stencil: int = 9, expansion: int = 2) -> float:
    """The number of tokens from which on the field takes fewer MACs; 0 where it always does."""
    field = evaluations * (stencil + 2 * expansion * channels)
    return max(0.0, (field / layers - 12 * channels) / 2)


def synaptic_operations(spikes: float, channels: int, *, neighbours: int = 2) -> float:
    """Additions that spikes cause: each goes to the C neurons of its own token and of every neighbouring one.

    An event-driven machine makes these instead of ``steps n (1 + neighbours) C^2`` MACs; a GPU or CPU makes the latter.
    """
    return spikes * channels * (1 + neighbours)
