"""The convolution-layer benchmark: both sides compute the same, and what is kept for the backward pass is counted."""

import pytest
import torch

from fieldsolver.experiments.benchmarks import conv_layer
from fieldsolver.experiments.benchmarks.held_memory import held_bytes

# The compiler looks at it and hides what it then hears from its users, but not from tests to which warnings are errors.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


def test_both_sides_have_the_same_values_and_gradients():
    torch.compiler.reset()
    ours, by_hand, phi = conv_layer.make_layers(cells=8, backend="eager")
    expected = by_hand(phi)
    expected.square().mean().backward()
    for layer in ours.values():
        result = layer(phi)
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)
        result.square().mean().backward()
        for name in ("D", "K"):
            theirs = getattr(by_hand, name).grad
            mine = layer.equation.raw[name].grad
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())


def test_checkpoints_hold_a_tenth():
    torch.compiler.reset()
    ours, by_hand, phi = conv_layer.make_layers(cells=8, backend="eager")
    checkpoints = held_bytes(ours["compiled, checkpoints"], phi)
    state = phi.numel() * phi.element_size()
    assert (conv_layer.STATES - 1) * state <= checkpoints <= (conv_layer.STATES + 2) * state
    assert conv_layer.MEMORY_BAR * checkpoints <= held_bytes(by_hand, phi)


def test_what_a_pass_keeps_is_counted_once():
    x = torch.ones(1000, requires_grad=True)
    assert held_bytes(lambda y: y.exp().sin(), x) == 4000  # exp keeps its result, which sin keeps too
    assert held_bytes(lambda y: y + 1, x) == 0
    side = []
    assert held_bytes(lambda y: side.append(torch.ones(500)) or y + 1, x) == 2000
