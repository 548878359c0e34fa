"""Padding: masked layers pass; those that let pads in by a bias, a norm, a count or a gradient fail."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict
from fieldsolver.testing import Example, check_padding

B, T, D, V = 3, 12, 4, 7
X = torch.randn(B, T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
READ_OUT = Example(X, "B T D -> B K", mask="mask")
SEQUENCE = Example(X, "B T D -> B T K", mask="mask")
IDS = torch.randint(V, (B, T), generator=torch.Generator().manual_seed(1))


class MaskedMean(nn.Module):
    """Features of every token, averaged over the real ones; each fault lets pads in by another door."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fault = fault
        self.features = nn.Linear(D, 5).double()
        nn.init.zeros_(self.features.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        real = mask[..., None]
        if self.fault == "bias":  # the mask comes first, then the bias puts something on pads
            return self.features(x * real).sum(1) / real.sum(1)
        hidden = self.features(x)
        if self.fault == "norm":
            hidden = hidden / hidden.pow(2).mean((1, 2), keepdim=True).sqrt()
        if self.fault == "count":
            return (hidden * real).mean(1)
        if self.fault == "maximum":
            return (hidden * real).amax(1)
        if self.fault == "gradient":
            lengths = x.pow(2).sum(-1, keepdim=True).sqrt()  # its gradient at a pad of zero is 0/0
            return (hidden * torch.where(real, lengths, 0.0)).sum(1) / real.sum(1)
        if self.fault == "leaking gradient":
            outside = torch.where(real, 0.0, hidden).sum(1)
            return (hidden * real).sum(1) / real.sum(1) + outside - outside.detach()
        return torch.where(real, hidden, 0.0).sum(1) / real.sum(1)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_masked_mean_passes(side: str) -> None:
    result = check_padding(MaskedMean(), READ_OUT, side=side)
    assert result.status is Verdict.PASS, result.reason
    assert float(result["measured"]) < 1e-14
    assert result["part"].size == 3 * 2 * 4  # contents, amounts, comparisons


DOORS = {
    "bias": {"output", "gradient of parameters", "gradient of real tokens"},
    "norm": {"output", "gradient of parameters", "gradient of real tokens", "gradient at pads"},
    "count": {"output", "gradient of parameters", "gradient of real tokens"},
    "maximum": {"output", "gradient of parameters", "gradient of real tokens"},
    "gradient": {"gradient of parameters", "gradient of real tokens", "gradient at pads"},
    "leaking gradient": {"gradient of parameters", "gradient at pads"},
}


@pytest.mark.parametrize("fault", DOORS)
def test_pads_that_get_in_are_found(fault: str) -> None:
    result = check_padding(MaskedMean(fault), READ_OUT)
    assert result.status is Verdict.FAIL
    failed = {name.split(" (")[0] for name in result["part"].values[result["holds"].values == 0].tolist()}
    assert failed <= DOORS[fault]
    assert ("output" in failed) == ("gradient" not in fault)
    assert "padding changes the result" in result.reason


def test_a_bias_that_is_still_zero_is_found() -> None:
    """Comparing untrained layers misses it: padding adds a bias that is zero until the first step."""
    assert check_padding(MaskedMean("bias"), READ_OUT).status is Verdict.FAIL
    untouched = check_padding(MaskedMean("bias"), READ_OUT, wake=0.0)
    failed = untouched["part"].values[untouched["holds"].values == 0].tolist()
    assert not any(name.startswith("output") for name in failed)


def test_an_infinite_gradient_behind_a_mask_is_found_by_pads_of_zero_only() -> None:
    result = check_padding(MaskedMean("gradient"), READ_OUT)
    failed = result["part"].values[result["holds"].values == 0].tolist()
    assert failed
    assert all("pads of zero" in name for name in failed)
    assert "nan" in result.reason


class Reversed(nn.Module):
    """Counts the places from the end of the padded batch."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x + torch.arange(x.shape[1], 0, -1, dtype=x.dtype)[:, None]


class Folded(nn.Module):
    """Folds the tokens into rows of four and drops the rest."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        rows = (x * mask[..., None])[:, : max(4, x.shape[1] // 4 * 4)]
        return rows.sum(1) / rows.shape[1] * 4


def test_the_amount_matters_alone() -> None:
    assert check_padding(Reversed(), SEQUENCE).status is Verdict.FAIL
    assert check_padding(Folded(), Example(X, "B T D -> B D", mask="mask")).status is Verdict.FAIL


class Attention(nn.Module):
    """Without order, so that pads may be on either side."""

    def __init__(self, pad_id: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.pad_id = pad_id
        self.embedding, self.values = nn.Embedding(V, D), nn.Linear(D, D)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        real = ids != self.pad_id if mask is None else mask
        x = self.embedding(ids)
        scores = (x @ x.mT).masked_fill(~real[:, None, :], -torch.inf)
        return scores.softmax(-1) @ self.values(x)


@pytest.mark.parametrize("side", ["right", "left"])
def test_token_ids(side: str) -> None:
    by_mask = Example(IDS, "B T -> B T D", vocabulary=V, mask="mask")
    assert check_padding(Attention(), by_mask, side=side).status is Verdict.PASS
    by_id = Example(IDS, "B T -> B T D", vocabulary=V, pad_id=3)
    assert check_padding(Attention(pad_id=3), by_id, side=side).status is Verdict.PASS
    assert check_padding(Attention(pad_id=2), by_id, side=side).status is Verdict.FAIL


class LastState(nn.Module):
    """A recurrence read at the last token: of the padded batch, or the last real one."""

    def __init__(self, padded: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.padded, self.cell = padded, nn.GRU(D, D, batch_first=True).double()

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        states = self.cell(x)[0]
        return states[:, -1] if self.padded else states[torch.arange(len(x)), lengths - 1]


def test_lengths() -> None:
    example = Example(X, "B T D -> B D", lengths="lengths")
    assert check_padding(LastState(padded=False), example).status is Verdict.PASS
    assert check_padding(LastState(padded=True), example).status is Verdict.FAIL


def test_without_a_mask_there_is_no_padding() -> None:
    result = check_padding(nn.Identity(), Example(X, "B T D -> B T D"))
    assert result.status is Verdict.NOT_APPLICABLE
    assert "no mask=, lengths= or pad_id=" in result.reason


def test_bad_input() -> None:
    with pytest.raises(OptionError, match="side is 'right' or 'left', got 'both'"):
        check_padding(MaskedMean(), READ_OUT, side="both")
    with pytest.raises(OptionError, match="at least 4 tokens to take some away, got 3"):
        check_padding(MaskedMean(), Example(X[:, :3], "B T D -> B K", mask="mask"))

    class Fixed(nn.Module):
        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return torch.ones(T, T, dtype=x.dtype) @ x

    with pytest.raises(OptionError, match=r"does not take 1 sample\(s\) of 8 tokens \(RuntimeError"):
        check_padding(Fixed(), SEQUENCE)


def test_random_layers_are_not_called_sensitive_to_padding() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return torch.where(mask[..., None], x + 0.1 * torch.randn_like(x), 0.0)

    values = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    result = check_padding(Noisy(), Example(values, "B T D -> B T D", mask="mask"))
    assert result.status is Verdict.INCONCLUSIVE
    assert "not deterministic" in result.reason
