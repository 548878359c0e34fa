"""A straight-line program: the form in which a graph is executed.

An instruction reads some registers and writes one. Registers are released after their last use, so evaluation
holds no more than it needs. There is no control flow, which keeps `torch.compile` and `torch.func` clean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Value = Any  # a tensor, or a plain number that was folded


@dataclass(frozen=True)
class Instruction:
    """``registers[target] = function(*registers[sources])``, then `released` are forgotten."""

    function: Callable[..., Value]
    sources: tuple[int, ...]
    target: int
    released: tuple[int, ...]


@dataclass(frozen=True)
class Tape:
    """A finished program with `inputs` leading registers."""

    inputs: int
    size: int
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]

    def run(self, inputs: Sequence[Value]) -> list[Value]:
        """Execute; `inputs` fill the first registers."""
        registers: list[Value] = [*inputs, *([None] * (self.size - self.inputs))]
        for step in self.instructions:
            registers[step.target] = step.function(*[registers[source] for source in step.sources])
            for finished in step.released:
                registers[finished] = None
        return [registers[output] for output in self.outputs]


class TapeBuilder:
    """Collects instructions; `finish` closes the program."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self._steps: list[tuple[Callable[..., Value], tuple[int, ...], int]] = []
        self._size = inputs

    def emit(self, function: Callable[..., Value], *sources: int) -> int:
        """Append an instruction and return its register."""
        target = self._size
        self._size += 1
        self._steps.append((function, sources, target))
        return target

    def finish(self, outputs: Sequence[int]) -> Tape:
        """Return the program, with every register released after its last use."""
        last_use: dict[int, int] = {}
        for position, (_, sources, _) in enumerate(self._steps):
            for source in sources:
                last_use[source] = position
        kept = set(outputs)
        instructions = tuple(
            Instruction(
                function,
                sources,
                target,
                tuple({s for s in sources if last_use[s] == position and s not in kept}),
            )
            for position, (function, sources, target) in enumerate(self._steps)
        )
        return Tape(self.inputs, self._size, instructions, tuple(outputs))
