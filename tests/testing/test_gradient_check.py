"""Gradient check: right gradients pass to 1e-9, wrong ones fail by their error, and noise is called noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict
from fieldsolver.testing import Example, check_gradients

B, T, D = 2, 4, 3
X = torch.randn(B, T, D, generator=torch.Generator().manual_seed(0))
SEQUENCE = Example(X, "B T D -> B T K")
FIELD = Example(torch.randn(2, 1, 6, generator=torch.Generator().manual_seed(1)), "B C X -> B C X")


def field_layer(**options) -> nn.Module:
    equation = fs.FieldEquation(
        "du/dt = D*laplacian(u) + u - u**3",
        grid=fs.Grid(shape=(6,), extent=3.0),
        boundary=fs.Neumann(0),
        parameters={"D": fs.Parameter(0.1, positive=True)},
    )
    return fs.nn.FieldLayer(equation, duration=0.5, **options)


class Square(torch.autograd.Function):
    """x^2 with a derivative that is wrong by a relative amount."""

    @staticmethod
    def forward(ctx, x: Tensor, wrong: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.wrong = wrong
        return x * x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return 2 * x * gradient * (1 + ctx.wrong), None


class Squared(nn.Module):
    def __init__(self, wrong: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.wrong = nn.Linear(D, D), wrong

    def forward(self, x: Tensor) -> Tensor:
        return Square.apply(torch.tanh(self.linear(x)), self.wrong)


@pytest.mark.parametrize("gradient", ["direct", "checkpointed"])
def test_fields_with_fixed_steps_pass(gradient: str) -> None:
    result = check_gradients(field_layer(method="rk4", dt=0.1, gradient=gradient), FIELD)
    assert result.status is Verdict.PASS, result.reason
    assert result["part"].values.tolist() == ["equation.raw.D", "input"]
    assert float(result["measured"]) < 1e-9


def test_the_error_is_measured() -> None:
    right = check_gradients(Squared(0.0), SEQUENCE)
    assert right.status is Verdict.PASS
    assert float(right["measured"]) < 1e-9
    wrong = check_gradients(Squared(1e-4), SEQUENCE)
    assert wrong.status is Verdict.FAIL
    assert 1e-6 < float(wrong["measured"]) < 1.01e-4
    assert check_gradients(Squared(1e-7), SEQUENCE).status is Verdict.PASS


class Conjugated(torch.autograd.Function):
    """Nothing, with the other convention for complex gradients."""

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        return z.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient.conj()


class Forgotten(nn.Module):
    """A path that a gradient does not take."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(D))
        self.unused_by_gradient = nn.Parameter(torch.full((D,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.sin() + self.unused_by_gradient.detach() * x.cos()


def test_a_detached_path_is_found() -> None:
    result = check_gradients(Forgotten(), SEQUENCE)
    failed = result["part"].values[result["holds"].values == 0].tolist()
    assert failed == ["unused_by_gradient"]
    assert float(result["measured"]) == pytest.approx(1.0)


def test_adaptive_steps_are_seen_by_differences_unless_tight() -> None:
    loose = check_gradients(field_layer(rtol=1e-3, atol=1e-5), FIELD)
    assert loose.status is Verdict.FAIL
    assert 1e-6 < float(loose["measured"]) < 1e-3
    assert "does the layer choose its steps by the error? Give it a fixed dt" in loose.reason
    tight = check_gradients(field_layer(rtol=1e-11, atol=1e-12, method="dop853"), FIELD)
    assert tight.status is Verdict.PASS, tight.reason


class Counted(nn.Module):
    """Euler steps of dx/dt = -x^3, as many as the state asks for: a jump wherever their number changes."""

    def __init__(self, wrong: float) -> None:
        super().__init__()
        self.scale, self.wrong = nn.Parameter(torch.ones(D)), wrong

    def forward(self, x: Tensor) -> Tensor:
        x = self.scale * x
        steps = int(100 * x.detach().abs().sum())
        for _ in range(5):
            x = x - x**3 / steps
        return Square.apply(x, self.wrong)


class Rough(nn.Module):
    """Jumps of 1e-5 at every scale, which carry no gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sin() + 1e-5 * torch.frac(1e10 * x.detach())


def test_between_jumps_the_gradient_is_right() -> None:
    assert check_gradients(Counted(0.0), SEQUENCE).status is Verdict.PASS


def test_jumps_at_every_scale_are_too_noisy_to_judge() -> None:
    result = check_gradients(Rough(), SEQUENCE)
    assert result.status is Verdict.INCONCLUSIVE
    assert "the differences for input are good to" in result.reason
    assert "the output jumps" in result.reason


def test_a_large_error_is_seen_through_noise() -> None:
    assert check_gradients(Counted(1.0), SEQUENCE).status is Verdict.FAIL


class Wrong(torch.autograd.Function):
    """The identity with a derivative that is wrong by a factor of its own in every entry."""

    @staticmethod
    def forward(ctx, x: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (factor,) = ctx.saved_tensors
        return gradient * factor, None


class Rectified(nn.Module):
    """Two layers with a ReLU between them, and a derivative that may be wrong."""

    def __init__(self, seed: int, factor: Tensor) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Linear(D, 16), nn.Linear(16, D)
        self.register_buffer("factor", factor)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(Wrong.apply(self.first(x), self.factor).relu())


TOKENS = Example(torch.randn(2, 17, D, generator=torch.Generator().manual_seed(3)), "B T D -> B T K")


@pytest.mark.parametrize("seed", range(8))
def test_kinks_between_the_steps_do_not_accuse(seed: int) -> None:
    right = check_gradients(Rectified(seed, torch.ones(16)), TOKENS)
    assert right.status is Verdict.PASS, right.reason
    assert float(right["measured"]) < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_kinks_hide_no_wrong_gradient(seed: int) -> None:
    everywhere = check_gradients(Rectified(seed, torch.full((16,), 1.01)), TOKENS)
    assert everywhere.status is Verdict.FAIL
    assert 1e-4 < float(everywhere["measured"]) < 0.05
    one_entry = torch.ones(16)
    one_entry[int(torch.randint(16, (), generator=torch.Generator().manual_seed(seed)))] = 1.01
    assert check_gradients(Rectified(seed, one_entry), TOKENS).status is Verdict.FAIL


class Corner(nn.Module):
    """|x - corner|, with a kink at the corner."""

    def __init__(self, corner: Tensor) -> None:
        super().__init__()
        self.register_buffer("corner", corner)
        self.scale = nn.Parameter(torch.ones(D))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * (x - self.corner).abs()


def test_a_kink_at_the_example_itself_is_told() -> None:
    """All three steps agree on the mean slope there, which is not what autograd returns, nor is that wrong."""
    result = check_gradients(Corner(X[0, 0]), SEQUENCE)
    assert result.status is Verdict.INCONCLUSIVE
    assert "in all 9 directions input meets a kink" in result.reason


def test_a_parameter_without_effect_is_no_failure() -> None:
    """The bias of attention keys cancels in the softmax: gradient and differences are round-off."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.keys = nn.Linear(D, D)

        def forward(self, x: Tensor) -> Tensor:
            return (x @ self.keys(x).mT).softmax(-1) @ x

    result = check_gradients(Attention(), TOKENS)
    assert result.status is Verdict.PASS, result.reason


def test_stock_transformers_pass() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 64, batch_first=True)
    result = check_gradients(layer, Example(torch.randn(2, 9, 8), "B T D -> B T D"))
    assert result.status is Verdict.PASS, result.reason


def test_a_changed_input_is_told() -> None:
    class Changing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.sin()
            x.mul_(2)
            return y

    result = check_gradients(Changing(), SEQUENCE)
    assert result.status is Verdict.INCONCLUSIVE
    assert "the layer changes its input in place" in result.reason


def test_complex_numbers() -> None:
    class Turned(nn.Module):
        def __init__(self, conjugated: bool) -> None:
            super().__init__()
            self.rotation = nn.Parameter(torch.exp(1j * torch.arange(3.0)))
            self.conjugated = conjugated

        def forward(self, z: Tensor) -> Tensor:
            turned = z * z * self.rotation
            return Conjugated.apply(turned) if self.conjugated else turned

    waves = Example(torch.complex(X, X.flip(0)), "B T D -> B T D")
    assert check_gradients(Turned(conjugated=False), waves).status is Verdict.PASS
    assert check_gradients(Turned(conjugated=True), waves).status is Verdict.FAIL


def test_ids_have_no_gradient_but_parameters_have() -> None:
    ids = Example(torch.tensor([[0, 1, 2]]), "B T -> B T D", vocabulary=3)
    result = check_gradients(nn.Sequential(nn.Embedding(3, D), nn.Tanh()), ids)
    assert result.status is Verdict.PASS
    assert result["part"].values.tolist() == ["0.weight"]
    frozen = nn.Embedding(3, D).requires_grad_(False)
    assert check_gradients(frozen, ids).status is Verdict.NOT_APPLICABLE


def test_training_mode_repeats_its_random_numbers() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(D))

        def forward(self, x: Tensor) -> Tensor:
            return self.scale * x * torch.rand_like(x) if self.training else self.scale * x

    assert check_gradients(Noisy(), SEQUENCE, training=True).status is Verdict.PASS


def test_the_layer_stays_in_float32() -> None:
    layer = Squared(0.0)
    check_gradients(layer, SEQUENCE)
    assert layer.linear.weight.dtype == torch.float32
    assert X.dtype == torch.float32
    assert not X.requires_grad


def test_bad_input() -> None:
    with pytest.raises(OptionError, match="directions, step and tolerance are positive, got 0"):
        check_gradients(Squared(0.0), SEQUENCE, directions=0)

    class Single(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ torch.ones(D, D)

    with pytest.raises(OptionError, match=r"does not run in float64 \(RuntimeError"):
        check_gradients(Single(), SEQUENCE)
    with pytest.raises(OptionError, match="not finite in float64"):
        check_gradients(nn.LayerNorm(D, eps=0.0), Example(torch.zeros(1, 2, D), "B T D -> B T D"))
