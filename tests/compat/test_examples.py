"""Programs as torchdiffeq's users write them, run with `fieldsolver` in its place: only the import differs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchdiffeq
from torch import Tensor, nn

import fieldsolver as fs

F64 = torch.float64


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build().double()


# ---------------------------------------------------------------------- a neural ODE learns a spiral


class Spiral(nn.Module):
    """y' = net(y^3), to learn y' = A y^3."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.net(y**3)


def train(odeint: Callable[..., Tensor], iterations: int = 8, **options: Any) -> list[float]:
    """Losses of a short training run on pieces of one trajectory."""
    model = seeded(Spiral)
    t = torch.linspace(0.0, 5.0, 60, dtype=F64)
    matrix = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]], dtype=F64)
    with torch.no_grad():
        truth = torchdiffeq.odeint(lambda t, y: y**3 @ matrix, torch.tensor([[2.0, 0.0]], dtype=F64), t)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    generator, losses = torch.Generator().manual_seed(3), []
    for _ in range(iterations):
        start = torch.randint(0, 50, (6,), generator=generator)
        target = torch.stack([truth[start + i] for i in range(8)])
        optimizer.zero_grad()
        loss = (odeint(model, truth[start], t[:8], **options) - target).abs().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
@pytest.mark.parametrize("options", [{}, {"method": "rk4"}, {"method": "dopri8"}], ids=str)
def test_a_training_run_is_the_same(interface: str, options: dict[str, Any]) -> None:
    ours = train(getattr(fs, interface), **options)
    theirs = train(getattr(torchdiffeq, interface), **options)
    assert ours[-1] < ours[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


# ---------------------------------------------------------------------- a continuous normalising flow


class Flow(nn.Module):
    """z' = net(t, z) with d log p / dt = -trace(dz'/dz), the trace taken by automatic differentiation."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, t: Tensor, states: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        z = states[0]
        with torch.set_grad_enabled(True):
            z.requires_grad_(True)
            time = t * torch.ones_like(z[:, :1])
            rate = self.net(torch.cat([z, time], dim=1))
            trace = sum(torch.autograd.grad(rate[:, i].sum(), z, create_graph=True)[0][:, i] for i in range(2))
        return rate, -trace.reshape(-1, 1)


@pytest.mark.parametrize("interface", ["odeint", "odeint_adjoint"])
def test_a_continuous_normalising_flow(interface: str) -> None:
    """Backward from the data to the base; loss and gradients as in torchdiffeq."""
    points = torch.randn(12, 2, dtype=F64, generator=torch.Generator().manual_seed(4))

    def loss_and_gradients(odeint: Callable[..., Any]) -> tuple[Tensor, list[Tensor]]:
        flow = seeded(Flow)
        t = torch.tensor([1.0, 0.0], dtype=F64)
        state = (points, torch.zeros(12, 1, dtype=F64))
        z, change = odeint(flow, state, t, atol=1e-10, rtol=1e-10, method="dopri5")
        log_p = -0.5 * (z[-1] ** 2).sum(1) - math.log(2.0 * math.pi) - change[-1].view(-1)
        loss = -log_p.mean()
        loss.backward()
        return loss.detach(), [p.grad for p in flow.parameters() if p.grad is not None]

    loss, gradients = loss_and_gradients(getattr(fs, interface))
    their_loss, their_gradients = loss_and_gradients(torchdiffeq.odeint)
    torch.testing.assert_close(loss, their_loss, rtol=1e-7, atol=0.0)
    assert len(gradients) == len(their_gradients) == 4 - (len(their_gradients) == 3)
    for ours, theirs in zip(gradients, their_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_the_density_of_a_flow_integrates_to_one() -> None:
    """The law behind the trace: volume changes as the density says."""
    flow = seeded(Flow)
    axis = torch.linspace(-7.0, 7.0, 57, dtype=F64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        t = torch.tensor([1.0, 0.0], dtype=F64)
        z, change = fs.odeint(flow, (grid, torch.zeros(len(grid), 1, dtype=F64)), t, rtol=1e-6, atol=1e-6)
    density = torch.exp(-0.5 * (z[-1] ** 2).sum(1) - change[-1].view(-1)) / (2.0 * math.pi)
    assert abs(density.sum().item() * (14.0 / 56) ** 2 - 1.0) < 1e-3


# ---------------------------------------------------------------------- learned physics


class Pendulum(nn.Module):
    """Known gravity, unknown friction, to be learned from the time of the first passage through the bottom."""

    def __init__(self) -> None:
        super().__init__()
        self.friction = nn.Parameter(torch.tensor(0.5))

    def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        angle, speed = state
        return speed, -4.0 * torch.sin(angle) - self.friction * speed


def test_a_parameter_is_learned_from_the_time_of_an_event() -> None:
    start = (torch.tensor([1.2], dtype=F64), torch.tensor([0.0], dtype=F64))
    t0 = torch.tensor(0.0, dtype=F64)

    def passage(pendulum: nn.Module, odeint: Any) -> Tensor:
        return fs.odeint_event(pendulum, start, t0, event_fn=lambda t, s: s[0], odeint_interface=odeint)[0]

    truth = seeded(Pendulum)
    with torch.no_grad():
        truth.friction.fill_(0.17)
        observed = passage(truth, fs.odeint)
    for odeint in (fs.odeint, fs.odeint_adjoint):
        model = seeded(Pendulum)
        for _ in range(8):  # Newton on one number
            time = passage(model, odeint)
            (slope,) = torch.autograd.grad(time, model.friction)
            with torch.no_grad():
                model.friction += (observed - time) / slope
        assert abs(model.friction.item() - 0.17) < 1e-6


def test_a_latent_model_with_a_batch_and_irregular_times() -> None:
    """Encoder, odeint over sorted times, decoder: gradients reach all three."""
    encoder, decoder, dynamics = (seeded(lambda n=n: nn.Linear(*n)) for n in ((3, 4), (4, 2), (4, 4)))
    t = torch.sort(torch.rand(9, dtype=F64, generator=torch.Generator().manual_seed(5))).values
    x = torch.randn(5, 3, dtype=F64, generator=torch.Generator().manual_seed(6))

    class Dynamics(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = dynamics

        def forward(self, t: Tensor, z: Tensor) -> Tensor:
            return torch.tanh(self.layer(z))

    def gradients(odeint: Callable[..., Tensor]) -> list[Tensor]:
        parameters = [*encoder.parameters(), *dynamics.parameters(), *decoder.parameters()]
        z = odeint(Dynamics(), encoder(x), t, rtol=1e-9, atol=1e-10)
        assert z.shape == (9, 5, 4)
        return list(torch.autograd.grad(decoder(z).pow(2).mean(), parameters))

    theirs = gradients(torchdiffeq.odeint)
    for odeint in (fs.odeint, fs.odeint_adjoint):
        for one, other in zip(gradients(odeint), theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_dropout_is_refused_where_its_error_cannot_be_estimated() -> None:
    """torchdiffeq takes ever smaller steps; here it is a sentence. Steps of one size are right to be allowed."""

    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, t: Tensor, y: Tensor) -> Tensor:
            return -self.drop(y)

    y0, t = torch.ones(4, dtype=F64, requires_grad=True), torch.tensor([0.0, 1.0], dtype=F64)
    with pytest.raises(ValueError, match="random"):
        fs.odeint(Noisy(), y0, t)
    fs.odeint_adjoint(Noisy(), y0, t, method="rk4", options={"step_size": 0.1}).sum().backward()
    assert y0.grad is not None
