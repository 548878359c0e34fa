"""AdamW for tables of which a batch reads a few rows: the others are left alone, and cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor


class LazyAdamW(torch.optim.Optimizer):
    """AdamW row by row, for parameters with sparse gradients.

    A row whose token does not occur in a step is not touched: neither its moments nor its weights decay. Without weight
    decay this is `torch.optim.SparseAdam`, but for the place of `eps`; where every row occurs in every step it is AdamW
    (Loshchilov and Hutter 2019). A gradient that is not sparse is taken as one in which every row occurs.

    Args:
        params: parameters or groups of them; the first axis is the rows.
        lr, betas, eps, weight_decay: as in `torch.optim.AdamW`.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update; `closure` is as in torch."""
        loss = None if closure is None else closure()
        with torch.no_grad():
            for group in self.param_groups:
                for table in group["params"]:
                    if table.grad is not None:
                        self._update(table, group)
        return loss

    def _update(self, table: Tensor, group: dict[str, Any]) -> None:
        state = self.state[table]
        if not state:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(table), torch.zeros_like(table)
            state["step"] = torch.zeros((), dtype=torch.float32)
        rows, gradient = _rows(table.grad)
        (first, second), rate = group["betas"], group["lr"]
        state["step"] += 1
        step = int(state["step"])
        mean = torch.lerp(state["exp_avg"][rows], gradient, 1 - first)
        square = second * state["exp_avg_sq"][rows] + (1 - second) * gradient.square()
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = mean, square
        scale = (square / (1 - second**step)).sqrt() + group["eps"]
        table[rows] = (1 - rate * group["weight_decay"]) * table[rows] - rate * mean / (1 - first**step) / scale


def _rows(gradient: Tensor | None) -> tuple[Tensor, Tensor]:
    """Numbers of the rows that occur, each once, and their gradients."""
    if gradient is None:  # the caller has looked
        raise RuntimeError("no gradient")
    if not gradient.is_sparse:
        return torch.arange(len(gradient), device=gradient.device), gradient
    gradient = gradient.coalesce()
    return gradient.indices()[0], gradient.values()
