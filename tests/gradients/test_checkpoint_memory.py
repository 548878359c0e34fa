"""The memory of a checkpointed solve, measured: every tensor as large as a state that is alive at any moment."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fieldsolver.gradients import Checkpointed, GradientMode, solve_with_gradient
from fieldsolver.methods import METHODS
from fieldsolver.stepping import VectorField

ENTRIES = 64
"""Of a state; whatever is smaller (times, sizes of steps, the parameter) is no state."""


class LiveStates(TorchDispatchMode):
    """Looks, after every operation of torch in either pass, which storages of states are still alive.

    Attributes:
        peak: the most of them at one time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._alive: dict[int, StorageWeakRef] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and tensor.untyped_storage().nbytes() >= 8 * ENTRIES:
                known = StorageWeakRef(tensor.untyped_storage())
                self._alive[known.cdata] = known
        self._alive = {key: known for key, known in self._alive.items() if not known.expired()}
        self.peak = max(self.peak, len(self._alive))
        return out


def rate(p: tuple[Tensor, ...], t: Tensor, y: Tensor) -> Tensor:
    return -p[0] * torch.sin(y)


def peak(mode: str | GradientMode, name: str, **options: Any) -> tuple[int, int]:
    """The peak of both passes, results and their gradients included, and the number of steps. y0 is seen as well."""
    gain = torch.ones(1, dtype=torch.float64, requires_grad=True)
    with LiveStates() as live:
        y0 = torch.ones(1, ENTRIES, dtype=torch.float64).requires_grad_()
        found = solve_with_gradient(mode, VectorField(rate, (gain,)), METHODS[name], y0, 0.0, 1.0, **options)
        found.y_end.sum().backward()
    return live.peak, len(found.steps)


def one_step(name: str) -> int:
    """What a single step with its graph takes, without checkpoints."""
    return peak("direct", name, dt=1.0)[0]


@pytest.mark.parametrize("states", [1, 2, 3, 8, 32])
@pytest.mark.parametrize(("name", "steps"), [("euler", 60), ("rk4", 40), ("bosh3", 10), ("tsit5", 40), ("dop853", 10)])
def test_the_peak_is_the_budget_and_three_states_and_one_step(name: str, steps: int, states: int) -> None:
    measured, made = peak(Checkpointed(states), name, dt=1.0 / steps)
    assert made == steps
    assert measured <= states + 3 + one_step(name)


@pytest.mark.parametrize("states", [2, 3, 8, 32])
@pytest.mark.parametrize("name", ["bosh3", "tsit5"])
def test_the_peak_while_the_number_of_steps_is_unknown(name: str, states: int) -> None:
    measured, steps = peak(Checkpointed(states), name, rtol=1e-8, atol=1e-8, dt_max=0.015)
    assert steps > 64
    assert measured <= states + 3 + one_step(name)


def test_a_budget_that_is_not_used_up_costs_nothing() -> None:
    assert peak(Checkpointed(1000), "rk4", dt=0.1)[0] <= 10 + 3 + one_step("rk4")


def test_more_states_than_the_budget_would_be_seen() -> None:
    """The measure can fail: with all states kept the peak follows their number."""
    assert peak(Checkpointed(50), "rk4", dt=0.02)[0] >= 50


@pytest.mark.parametrize("states", [16, 31])
def test_adams_methods_carry_derivatives_which_are_states_too(states: int) -> None:
    """What is worked with is (y, three derivatives): at the start of a row, at its end, and the adjoint of both."""
    measured, _ = peak(Checkpointed(states), "ab3", dt=0.01)
    assert measured <= states + 3 * (1 + 3) + peak("direct", "ab3", dt=0.25)[0]


@pytest.mark.slow  # half a minute: 10,000 steps, each made three to five times, and every operation is looked at
@pytest.mark.parametrize(("steps", "states"), [(1000, 8), (10_000, 32)])
def test_the_peak_of_long_runs(steps: int, states: int) -> None:
    measured, made = peak(Checkpointed(states), "euler", dt=1.0 / steps)
    assert made == steps
    assert measured <= states + 3 + one_step("euler")
