"""The same training step with diffrax: Tsit5, recursive checkpoints, compiled by XLA."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .comparison import Measurement
from .training_sides import TrainingTask, relative_error

Step = Callable[[], Any]
Count = Callable[[Tensor], Measurement]


def diffrax(task: TrainingTask, *, own_steps: bool, threads: int) -> tuple[Step, Count]:
    """The training step, and what counts its cost and its error against a reference gradient.

    Args:
        task: the network goes over with its weights.
        own_steps: every sample has its own, otherwise the batch is one system.
        threads: with 1, XLA takes one as well, provided that nothing has imported jax before.
    """
    if threads == 1:
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    import jax
    import jax.numpy as jnp

    linear = [layer for layer in task.network if isinstance(layer, nn.Linear)]
    weights = [tuple(jnp.asarray(p.detach().numpy()) for p in (layer.weight, layer.bias)) for layer in linear]
    y0 = jnp.asarray(task.y0.numpy())
    solve = _solver(task)

    def objective(weights: Any) -> Any:
        found = (jax.vmap(solve, in_axes=(None, 0)) if own_steps else solve)(weights, y0)
        return jnp.mean(found.ys**2), found.stats

    derivative = jax.jit(jax.value_and_grad(objective, has_aux=True))

    def step() -> Any:
        return jax.block_until_ready(derivative(weights))

    def count(reference: Tensor) -> Measurement:
        (_, cost), gradient = step()
        attempts, accepted = (_tensor(cost[name]).double() for name in ("num_steps", "num_accepted_steps"))
        flat = torch.cat([_tensor(part).reshape(-1) for pair in gradient for part in pair])
        return Measurement(
            "diffrax tsit5",
            accepted=accepted.mean().item(),
            attempts=attempts.max().item(),
            evaluations=1 + 6 * attempts.mean().item(),  # as a callback inside f counts them
            error=relative_error(flat, reference),
        )

    return step, count


def _solver(task: TrainingTask) -> Callable[[Any, Any], Any]:
    """(weights, start) -> solution."""
    import diffrax as package
    import jax.numpy as jnp

    def f(t: Any, y: Any, weights: Any) -> Any:
        for weight, bias in weights[:-1]:
            y = jnp.tanh(y @ weight.T + bias)
        return y @ weights[-1][0].T + weights[-1][1]

    def solve(weights: Any, start: Any) -> Any:
        return package.diffeqsolve(
            package.ODETerm(f),
            package.Tsit5(),
            0.0,
            task.t_end,
            None,
            start,
            weights,
            stepsize_controller=package.PIDController(rtol=task.rtol, atol=task.atol),
            adjoint=package.RecursiveCheckpointAdjoint(),
        )

    return solve


def _tensor(values: Any) -> Tensor:
    return torch.tensor(values.tolist())
