"""One of two processes that train a model together: ``python two_processes.py PORT FOLDER RANK``."""

import sys
from datetime import timedelta

import torch
from torch import nn

import fieldsolver as fs


def train(rows, wrap):
    """Parameters after three steps on these rows of the data."""
    torch.manual_seed(0)
    equation = fs.FieldEquation(
        "dphi/dt = D*laplacian(phi) + react(phi) + drive",
        grid=fs.Grid(8, extent=8.0),
        boundary=fs.Periodic(),
        components={"phi": 3},
        parameters={"D": fs.Parameter(0.2, positive=True), "drive": torch.zeros(3)},
        modules={"react": nn.Linear(3, 3)},
    )
    layer = fs.nn.FieldLayer(equation, inputs="drive", initial=0.5, learn_initial=True, rtol=1e-8, atol=1e-10)
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(24, 2)).double()
    data = torch.randn(8, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)[rows]
    trained = wrap(model)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        trained(data).pow(2).mean().backward()
        optimiser.step()
    return {name: value.detach() for name, value in model.named_parameters()}


if __name__ == "__main__":
    port, folder, rank = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2, timeout=timedelta(seconds=120)
    )
    parameters = train(slice(4 * rank, 4 * rank + 4), nn.parallel.DistributedDataParallel)
    torch.save(parameters, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()
