"""Layers under torch.distributed: two processes on one machine give the gradients of one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

import fieldsolver as fs

WORLD = 2
MODES = ["checkpointed", "direct", "quadrature"]

pytestmark = pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="needs gloo")


def model(gradient: str) -> nn.Module:
    """A field between two pointwise maps, as in a network; the same weights in every process."""
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + a*net(u)", components={"u": 2}, grid=fs.Grid(shape=(8,), extent=1.0),
        boundary=fs.Neumann(0), modules={"net": nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))},
        parameters={"D": fs.Parameter(0.01, positive=True), "a": fs.Parameter(1.5)},
    )  # fmt: skip
    layer = fs.nn.FieldLayer(equation, duration=0.5, rtol=1e-6, atol=1e-8, gradient=gradient)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(16, 3)).double()


def batch() -> Tensor:
    return torch.randn(4, 2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def train(wrapped: nn.Module, samples: Tensor, steps: int = 2) -> list[Tensor]:
    """Some steps of descent; the gradients of the last one."""
    optimiser = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        wrapped(samples).square().mean().backward()
        optimiser.step()
    return [parameter.grad for parameter in wrapped.parameters()]


def join(rank: int, port: int) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)


def own_share(rank: int) -> Tensor:
    return batch()[rank::WORLD]


def run_ddp(rank: int, port: int, folder: str) -> None:
    join(rank, port)
    for gradient in MODES:
        found = train(DistributedDataParallel(model(gradient)), own_share(rank))
        torch.save(found, Path(folder) / f"{gradient}{rank}")
    dist.destroy_process_group()


def averaged(gradient: Tensor) -> Tensor:
    total = gradient.clone()
    dist.all_reduce(total)
    return total / WORLD


def run_fsdp(rank: int, port: int, folder: str) -> None:
    from torch.distributed.fsdp import fully_shard

    join(rank, port)
    sharded = model("checkpointed")
    mesh = dist.device_mesh.init_device_mesh("cpu", (WORLD,))
    whole = {parameter for parameter in sharded.parameters() if parameter.dim() == 0}  # torch shards no scalars
    for parameter in whole:
        parameter.register_hook(averaged)
    for part in (sharded[0], sharded):
        fully_shard(part, mesh=mesh, ignored_params=whole)
    found = train(sharded, own_share(rank))
    assert sum(isinstance(gradient, DTensor) for gradient in found) == 6
    found = [gradient.full_tensor() if isinstance(gradient, DTensor) else gradient for gradient in found]
    torch.save(found, Path(folder) / f"sharded{rank}")
    dist.destroy_process_group()


@pytest.fixture
def found_by_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process takes over the path of this one, on which pytest alone does not put the repository."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))


def in_two_processes(work: Callable[..., None], folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.start_processes(work, args=(port, str(folder)), nprocs=WORLD, start_method="spawn")


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    assert len(found) == len(expected) == 8
    for one, other in zip(found, expected, strict=True):
        assert other.abs().max() > 1e-4
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.slow  # two processes that import everything anew
@pytest.mark.usefixtures("found_by_children")
def test_two_processes_under_ddp_have_the_gradients_of_one(tmp_path: Path) -> None:
    in_two_processes(run_ddp, tmp_path)
    for gradient in MODES:
        expected = train(model(gradient), batch())
        for rank in range(WORLD):
            assert_same(torch.load(tmp_path / f"{gradient}{rank}"), expected)


@pytest.mark.slow  # likewise
@pytest.mark.usefixtures("found_by_children")
def test_two_processes_with_sharded_parameters_have_the_gradients_of_one(tmp_path: Path) -> None:
    in_two_processes(run_fsdp, tmp_path)
    expected = train(model("checkpointed"), batch())
    for rank in range(WORLD):
        assert_same(torch.load(tmp_path / f"sharded{rank}"), expected)
