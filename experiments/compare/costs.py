"""What a model costs: multiply-accumulates per token, bytes kept for the gradient. Counted, not timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from fieldsolver.experiments.benchmarks.held_memory import held_bytes
from fieldsolver.models.parts import Answer, TextModel

COPIES = 4
"""Weights, gradients, and the two averages of Adam."""


def model_costs(model: TextModel, ids: Tensor, mask: Tensor) -> dict[str, float]:
    """The costs of one batch (B, N), padding included in the work and left out of the number of tokens."""
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    return {
        "macs_per_token": macs(model, ids, mask) / max(1, int(mask.sum())),
        "held_bytes": float(held_for_gradient(model, ids, mask)),
        "state_bytes": float(COPIES * size),
    }


def macs(model: TextModel, ids: Tensor, mask: Tensor) -> int:
    """Multiply-accumulates of a forward pass in evaluation mode, of products of matrices and convolutions only."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    training = model.training
    model.eval()
    # The fused attention of the CPU is not among those that are counted; its products, one by one, are.
    with _frozen(model), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(ids, mask)
    model.train(training)
    return int(counter.get_total_flops()) // 2


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """No parameter asks for a gradient.

    `torch.no_grad` is not enough: the counter's hooks fail on a module that hands out a parameter as it is, such as
    learned positions at their full length.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        with torch.no_grad():
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def held_for_gradient(model: TextModel, ids: Tensor, mask: Tensor) -> int:
    """Bytes that a forward pass in training mode keeps until its gradient is taken, the weights left out."""
    training = model.training
    model.train()
    with torch.random.fork_rng(devices=[]):
        kept = held_bytes(lambda tokens, real: cast("Answer", model(tokens, real, detailed=True)).logits, ids, mask)
    model.train(training)
    return max(0, kept)
