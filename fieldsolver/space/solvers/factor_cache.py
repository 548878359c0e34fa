"""The last few factorisations of a solver."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import torch

Factor = TypeVar("Factor")

# A multistage implicit scheme uses one or two values of c, its error estimator and a changed step one or two more.
KEPT = 4


class FactorCache(Generic[Factor]):
    """Keeps what was made for the last `KEPT` keys, the least recently used leaving first.

    Attributes:
        made: how many factors were made so far.
    """

    def __init__(self) -> None:
        self.made = 0
        self._factors: OrderedDict[Hashable, Factor] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Factor]) -> Factor:
        """The factor of `key`; `make` is called if it is not held."""
        if key in self._factors:
            self._factors.move_to_end(key)
            return self._factors[key]
        # An inference tensor could never be part of a later backward pass.
        with torch.inference_mode(mode=False), torch.no_grad():
            factor = make()
        self.made += 1
        self._factors[key] = factor
        if len(self._factors) > KEPT:
            self._factors.popitem(last=False)
        return factor


def versions(parameters: Sequence[torch.Tensor]) -> tuple[int, ...]:
    """Part of a key: changes when a parameter is written in place, as optimisers do."""
    return tuple(0 if p.is_inference() else p._version for p in parameters)
