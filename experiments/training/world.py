"""The processes that train one model together, as `torchrun` starts them; or the only one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from fieldsolver.errors import OptionError, SolveFailed, StabilityError

Found = TypeVar("Found")
Parallel = Literal["ddp", "fsdp"]
REMEDY = "start it as: torchrun --nproc-per-node=N -m fieldsolver.experiments.cli train ... --parallel ddp"


@dataclass(frozen=True)
class World:
    """This process among all of them.

    Attributes:
        rank, size: its number, and how many there are.
        device: where tensors must lie to be added up.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    def share(self, indices: Tensor) -> tuple[Tensor, float]:
        """The samples of this process, and their number relative to the mean over the processes.

        A process for which nothing is left takes a sample too, with weight 0: all must take part in every step.
        """
        own = indices[self.rank :: self.size]
        return (own, len(own) * self.size / len(indices)) if len(own) else (indices[:1], 0.0)

    def sums(self, numbers: Sequence[float]) -> list[float]:
        """Each number added up over the processes; all must call it."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(number) for number in total]

    def followed(self, call: Callable[..., Found], *arguments: Any) -> Found:
        """What a call gives that solves fields; all must make it, and if one cannot go on, none does.

        A process that left alone would let the others wait for ever. Within the call they must not wait for each other
        any more once fields are solved: sharded weights are gathered before.

        Raises:
            SolveFailed, StabilityError: a field could not be followed, in this process or in another one.
        """
        failure: SolveFailed | StabilityError | None = None
        try:
            found = call(*arguments)
        except (SolveFailed, StabilityError) as error:
            failure = error
        if self.sums([failure is not None])[0]:
            raise failure or StabilityError("a field of another process could not be followed", math.nan)
        return found

    def gathered(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, all of one shape; all must call it."""
        if self.size == 1:
            return [tensor]
        parts = [torch.empty_like(tensor, device=self.device) for _ in range(self.size)]
        dist.all_gather(parts, tensor.to(self.device))
        return [part.cpu() for part in parts]


def current_world() -> World:
    """The world of this process, if it has joined one."""
    if not (dist.is_available() and dist.is_initialized()):
        return World()
    device = "cpu" if dist.get_backend() == "gloo" else "cuda"
    return World(dist.get_rank(), dist.get_world_size(), device)


@contextmanager
def joined(parallel: Parallel | None) -> Iterator[World]:
    """The world that `torchrun` announces in the environment; joined, and left in the end, if nobody has yet.

    Raises:
        OptionError: several processes that do not know of each other, or `parallel` without them.
    """
    announced = int(os.environ.get("WORLD_SIZE", "1"))
    if parallel is None:
        if announced > 1 or current_world().size > 1:
            raise OptionError("several processes would write the same files; say --parallel ddp or --parallel fsdp")
        yield World()
    elif dist.is_available() and dist.is_initialized():
        yield current_world()
    elif "WORLD_SIZE" not in os.environ:
        raise OptionError(f"--parallel {parallel} needs several processes; {REMEDY}")
    else:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        try:
            yield current_world()
        finally:
            dist.destroy_process_group()


def wrapped(model: nn.Module, parallel: Parallel | None, world: World) -> nn.Module:
    """The model as the processes call it. Its gradients are means over the processes.

    ``ddp`` copies the model into every process; ``fsdp`` shards parameters, gradients and the optimiser's state.
    """
    if parallel is None:
        return model
    if parallel == "ddp":
        return nn.parallel.DistributedDataParallel(model)
    from torch.distributed.fsdp import fully_shard

    scalars = {one for one in model.parameters() if one.dim() == 0}  # torch shards no scalars
    for one in scalars:
        one.register_hook(_mean)
    mesh = dist.device_mesh.init_device_mesh(world.device, (world.size,))
    fully_shard(model, mesh=mesh, ignored_params=scalars)  # in place
    return model


def _mean(gradient: Tensor) -> Tensor:
    total = gradient.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
