"""Causality: right layers pass, and each kind of leak is found by the question that can see it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict, VerdictNotReached
from fieldsolver.testing import Example, check_causality

B, T, D, V = 2, 33, 4, 11
X = torch.randn(B, T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SEQUENCE = Example(X, "B T D -> B T D")
IDS = Example(torch.randint(V, (B, T), generator=torch.Generator().manual_seed(1)), "B T -> B T V", vocabulary=V)


class Function(nn.Module):
    """A layer out of a function of (B, T, D)."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Attention(nn.Module):
    """Token ids to logits; hidden pairs get `masked` added to their scores."""

    def __init__(self, masked: float = -math.inf) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.masked = masked
        self.embedding, self.positions = nn.Embedding(V, D), nn.Embedding(64, D)
        self.keys, self.values, self.logits = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, V)

    def forward(self, ids: Tensor) -> Tensor:
        size = ids.shape[1]
        x = self.embedding(ids) + self.positions(torch.arange(size))
        hidden = torch.full((size, size), self.masked, dtype=x.dtype).triu(1)
        scores = x @ self.keys(x).mT / math.sqrt(D) + hidden
        return self.logits(scores.softmax(-1) @ self.values(x))


class LongConvolution(nn.Module):
    """A causal convolution by FFT of a given length."""

    def __init__(self, length) -> None:
        super().__init__()
        self.length = length
        self.kernel = nn.Parameter(torch.randn(64, D, generator=torch.Generator().manual_seed(2)).double())

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[1]
        n = self.length(size)
        spectrum = torch.fft.rfft(x, n, 1) * torch.fft.rfft(self.kernel[:size], n, 0)
        return torch.fft.irfft(spectrum, n, 1)[:, :size]


class Recurrence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell = nn.GRU(D, D, batch_first=True).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x)[0]


@pytest.mark.parametrize(
    ("layer", "example"),
    [
        (Attention().double(), IDS),
        (Attention(), IDS),
        (LongConvolution(lambda size: 2 * size), SEQUENCE),
        (Recurrence(), SEQUENCE),
        (Function(lambda x: x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]), SEQUENCE),
        (nn.LayerNorm(D).double(), SEQUENCE),
        (
            nn.Sequential(nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(D, 3, 3)).double(),
            Example(X.mT, "B D T -> B K T"),
        ),
    ],
    ids=["attention", "attention in float32", "FFT of 2T", "GRU", "running mean", "LayerNorm", "padded conv"],
)
def test_causal_layers_pass(layer: nn.Module, example: Example) -> None:
    result = check_causality(layer, example)
    assert result.status is Verdict.PASS, result.reason
    assert result.assert_pass() is result
    assert float(result["measured"]) <= float(result["threshold"])
    assert (
        sum("Jacobian" in name for name in result["part"].values.tolist()) == 36
    )  # all 32 places of 33 tokens, 4 of 24


def late_mean(x: Tensor) -> Tensor:
    return x.mean(1, keepdim=True)


def following(x: Tensor) -> Tensor:
    """The next token; zero after the last one."""
    return torch.cat((x[:, 1:], 0 * x[:, :1]), 1)


LEAKS = {
    "circular FFT": (LongConvolution(lambda size: size), {"perturbation", "prefix", "Jacobian"}),
    "FFT of the next power of two": (  # of 33 tokens, one wraps around
        LongConvolution(lambda size: 1 << (size - 1).bit_length()),
        {"perturbation", "prefix", "Jacobian"},
    ),
    "detached mean": (Function(lambda x: x - late_mean(x).detach()), {"perturbation", "prefix"}),
    "gradient only": (Function(lambda x: x + late_mean(x) - late_mean(x).detach()), {"Jacobian"}),
    "normalised positions": (
        Function(lambda x: x + torch.linspace(0, 1, x.shape[1], dtype=x.dtype)[:, None]),
        {"prefix"},
    ),
    "norm over time": (
        nn.Sequential(Function(lambda x: x.mT), nn.GroupNorm(1, D), Function(lambda x: x.mT)).double(),
        {"perturbation", "prefix", "Jacobian"},
    ),
    "0 * inf": (Function(lambda x: x + 0 * (following(x) - following(x).detach()).abs().sqrt()), {"Jacobian"}),
    "the next token": (Function(lambda x: x + following(x)), {"perturbation", "prefix", "Jacobian"}),
}


@pytest.mark.parametrize("name", LEAKS)
def test_leaks_fail_and_the_others_do_not_see_them(name: str) -> None:
    layer, seen_by = LEAKS[name]
    result = check_causality(layer, SEQUENCE)
    assert result.status is Verdict.FAIL
    failed = {part.split()[0] for part in result["part"].values[result["holds"].values == 0].tolist()}
    assert failed == seen_by
    with pytest.raises(VerdictNotReached, match="depends on later tokens"):
        result.assert_pass()


class GlobalSteps(nn.Module):
    """Every token relaxes by itself, by Heun steps whose size comes from an error norm over all tokens."""

    def __init__(self, tolerance: float) -> None:
        super().__init__()
        self.tolerance = tolerance

    def forward(self, x: Tensor) -> Tensor:
        t, dt = 0.0, 0.1
        while t < 1:
            dt = min(dt, 1 - t)
            first = -(x**3)
            second = -((x + dt * first) ** 3)
            error = float((dt * (second - first) / 2).detach().norm() / self.tolerance)
            if error < 1:
                t, x = t + dt, x + dt * (first + second) / 2
            dt *= min(2.0, max(0.2, 0.9 / math.sqrt(error + 1e-12)))
        return x


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_steps_by_a_norm_over_tokens_leak(tolerance: float) -> None:
    """The gradient does not see it, since step sizes carry none."""
    result = check_causality(GlobalSteps(tolerance), Example(X[:, :12], "B T D -> B T D"))
    assert result.status is Verdict.FAIL
    failed = result["part"].values[result["holds"].values == 0].tolist()
    assert not any(part.startswith("Jacobian") for part in failed)
    assert 1e-10 < float(result["measured"]) < tolerance  # a leak below the tolerance of the solver


def one_place(x: Tensor, detached: bool) -> Tensor:
    """Token 5 sees token 6, and nothing else leaks."""
    if x.shape[1] <= 6:
        return x
    sixth = x[:, 6:7].detach() if detached else x[:, 6:7]
    return torch.cat((x[:, :5], x[:, 5:6] + sixth, x[:, 6:]), 1)


@pytest.mark.parametrize("detached", [False, True])
def test_a_leak_at_a_single_place(detached: bool) -> None:
    short = Example(X[:, :17], "B T D -> B T D")
    result = check_causality(Function(lambda x: one_place(x, detached)), short)
    assert result.status is Verdict.FAIL
    failed = set(result["part"].values[result["holds"].values == 0].tolist())
    assert {"perturbation after 5 of 17", "prefix of 6 of 17"} <= failed
    assert ("Jacobian at 5 of 17" in failed) is not detached
    assert not any(part.startswith("perturbation after 4 of 17") for part in failed)


def test_long_sequences_are_sampled() -> None:
    long = Example(X.repeat(1, 2, 1)[:, :65], "B T D -> B T D")
    names = check_causality(nn.Identity(), long, lengths=[65])["part"].values.tolist()
    assert [name for name in names if "perturbation" in name] == [
        f"perturbation after {t} of 65" for t in (0, 1, 32, 63)
    ]


class Unsteady(nn.Module):
    """Causal, but random, not a number, or at work on its input."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "random":
            return x + 0.1 * torch.randn_like(x)
        if self.kind == "in place":
            return x.mul_(2)
        return x * math.nan


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("random", "the layer is not deterministic: calls with the same input differ by 0"),
        ("in place", "the layer changes its input in place"),
        ("NaN", "the output is not finite (264 of its 264 numbers"),
    ],
)
def test_what_cannot_be_judged_is_not_called_a_leak(kind: str, reason: str) -> None:
    result = check_causality(Unsteady(kind), SEQUENCE)
    assert result.status is Verdict.INCONCLUSIVE
    assert reason in result.reason


class Gate(nn.Module):
    """The mean over time behind a gate that is closed until training opens it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gate * late_mean(x)


def test_a_closed_gate_hides_nothing() -> None:
    assert check_causality(Gate(), SEQUENCE).status is Verdict.FAIL
    assert check_causality(Gate(), SEQUENCE, wake=0.0).status is Verdict.PASS


def test_a_soft_mask_leaks_in_float64() -> None:
    soft = Attention(masked=-20.0)
    assert check_causality(soft.double(), IDS).status is Verdict.FAIL
    assert check_causality(soft.float(), IDS).status is Verdict.PASS  # exp(-20) = 2e-9 is below round-off there
    assert check_causality(soft.float(), IDS, exact=True).status is Verdict.FAIL
    assert check_causality(Attention(), IDS, exact=True).status is Verdict.PASS


def test_the_measured_number_is_the_leak() -> None:
    """y_t = x_t + 0.01 x_(t+1): the Jacobian says one percent."""
    shifted = Function(lambda x: x + 0.01 * following(x))
    result = check_causality(shifted, SEQUENCE)
    jacobian = result["value"].sel(part="Jacobian at 16 of 33")
    assert float(jacobian) == pytest.approx(0.01, rel=1e-12)


def test_large_outputs_at_later_tokens_hide_nothing() -> None:
    """y_t = 10^t x_t: a leak into the first outputs is judged beside these."""
    growing = Function(lambda x: x * 10.0 ** torch.arange(x.shape[1])[:, None] + 1e-6 * following(x))
    result = check_causality(growing, Example(X[:, :16], "B T D -> B T D"))
    assert 1e-7 < float(result["value"].sel(part="perturbation after 0 of 16")) < 1e-5


def test_what_cannot_leak_is_not_called_causal() -> None:
    zero = check_causality(Function(lambda x: 0 * x), SEQUENCE)
    assert zero.status is Verdict.DEGENERATE
    assert "does not depend on the tokens" in zero.reason
    pooled = check_causality(Function(lambda x: x.mean(1)), Example(X, "B T D -> B D"))
    assert pooled.status is Verdict.NOT_APPLICABLE
    field = check_causality(nn.Identity(), Example(X, "B X D -> B X D"))
    assert field.status is Verdict.NOT_APPLICABLE


def test_layers_of_fixed_length() -> None:
    mixing = Function(lambda x: torch.ones(T, T, dtype=x.dtype).tril() @ x)
    with pytest.raises(OptionError, match=r"does not take 17 tokens \(RuntimeError: .* prefixes=False"):
        check_causality(mixing, SEQUENCE, lengths=[17])
    with pytest.raises(OptionError, match=r"does not take 1 tokens"):
        check_causality(mixing, SEQUENCE, lengths=[T])
    result = check_causality(mixing, SEQUENCE, prefixes=False)
    assert result.status is Verdict.PASS
    assert "prefixes alone were not run" in result.reason
    with pytest.raises(OptionError, match="at least 3 tokens"):
        check_causality(mixing, Example(X[:, :2], "B T D -> B T D"))


def test_longer_inputs_than_the_example_are_drawn() -> None:
    wraps_late = LongConvolution(lambda size: max(64, size))
    assert check_causality(wraps_late, SEQUENCE, lengths=[24]).status is Verdict.PASS
    assert check_causality(wraps_late, SEQUENCE, lengths=[60]).status is Verdict.FAIL


def test_nothing_is_changed() -> None:
    layer = Attention()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_causality(layer, IDS)
    assert torch.equal(torch.rand(3), expected)
    assert layer.training
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    assert not any(module._forward_hooks for module in layer.modules())
