"""Phase use: read-outs that compare phases pass; magnitudes and common rotations do not count."""

from __future__ import annotations

import cmath
import math

import pytest
import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError
from fieldsolver.results import Verdict
from fieldsolver.testing import Example, check_phase_use

B, T, D = 2, 5, 4
Z = torch.randn(B, T, D, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
WAVES = Example(Z, "B T D -> B K")


class ReadOut(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, z: Tensor) -> Tensor:
        match self.kind:
            case "real and imaginary":
                return torch.cat((z.real, z.imag), -1).mean(1)
            case "interference":
                return z.sum(1).abs()
            case "coherence":
                return torch.einsum("bsd,btd->bst", z, z.conj()).real.flatten(1)
            case "magnitude":
                return z.abs().mean(1)
            case "modulation":  # |z1 z2| = |z1| |z2|
                return (z[:, :-1] * z[:, 1:]).abs().mean(1)
            case "energy":
                return z.abs().pow(2).sum(1).sqrt()
            case "bare radius":
                return (z.real + (z.real**2 + z.imag**2).sqrt()).sum(1)
            case "zero":
                return 0 * z.real.sum(1)
        raise ValueError(self.kind)


@pytest.mark.parametrize("kind", ["real and imaginary", "interference", "coherence"])
def test_phases_that_are_used(kind: str) -> None:
    result = check_phase_use(ReadOut(kind), WAVES)
    assert result.status is Verdict.PASS, result.reason
    assert float(result["value"][0]) > 0.01


@pytest.mark.parametrize("kind", ["magnitude", "modulation", "energy"])
def test_phases_that_are_lost(kind: str) -> None:
    result = check_phase_use(ReadOut(kind), WAVES)
    assert result.status is Verdict.FAIL
    assert float(result["value"][0]) < 1e-14
    assert "the phase of a token is lost" in result.reason


def test_turning_every_token_would_prove_nothing() -> None:
    """Interference is blind to a common phase, and uses the differences."""
    layer = ReadOut("interference")
    torch.testing.assert_close(layer(Z * cmath.exp(2j)), layer(Z), rtol=1e-12, atol=0)
    assert check_phase_use(layer, WAVES).status is Verdict.PASS


def test_a_singular_derivative_is_found() -> None:
    holes = Z.clone()
    holes[:, 2] = 0
    holes[:, 2, 0] = 1
    result = check_phase_use(ReadOut("bare radius"), Example(holes, "B T D -> B K"), token=2)
    assert result.status is Verdict.FAIL
    assert "derivative in the angle" in result.reason
    assert math.isnan(float(result["measured"]))


class Waves(nn.Module):
    """Token ids to complex numbers, in one of two forms, to a read-out."""

    def __init__(self, pairs: bool, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.pairs = pairs
        self.embedding = nn.Sequential(nn.Embedding(9, 2 * D), nn.Unflatten(-1, (D, 2)))
        self.waves = nn.Identity() if pairs else AsComplex()
        self.read_out = ReadOut(kind)

    def forward(self, ids: Tensor) -> Tensor:
        z = self.waves(self.embedding(ids))
        return self.read_out(torch.view_as_complex(z) if self.pairs else z)


class AsComplex(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.view_as_complex(x)


@pytest.mark.parametrize("pairs", [True, False])
def test_inside_a_layer(pairs: bool) -> None:
    ids = Example(torch.randint(9, (B, T), generator=torch.Generator().manual_seed(1)), "B T -> B K", vocabulary=9)
    options = {"at": "waves", "pairs": pairs}
    assert check_phase_use(Waves(pairs, "coherence"), ids, **options).status is Verdict.PASS
    assert check_phase_use(Waves(pairs, "energy"), ids, **options).status is Verdict.FAIL
    with pytest.raises(OptionError, match=r"no submodule 'wave'; did you mean 'waves'\?"):
        check_phase_use(Waves(pairs, "energy"), ids, at="wave")
    with pytest.raises(OptionError, match="complex numbers, or pairs=True"):
        check_phase_use(Waves(pairs, "energy"), ids, at="embedding")


def test_pairs_at_the_input() -> None:
    class Pairs(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return ReadOut("coherence")(torch.view_as_complex(x))

    example = Example(torch.view_as_real(Z), "B T D R -> B K")
    assert check_phase_use(Pairs(), example, pairs=True).status is Verdict.PASS
    assert check_phase_use(Pairs(), example).status is Verdict.NOT_APPLICABLE


def test_where_it_has_no_meaning() -> None:
    real = Example(Z.real, "B T D -> B T D")
    assert check_phase_use(nn.Identity(), real).status is Verdict.NOT_APPLICABLE
    alone = check_phase_use(ReadOut("coherence"), Example(Z[:, :1], "B T D -> B K"))
    assert alone.status is Verdict.NOT_APPLICABLE
    assert check_phase_use(ReadOut("zero"), WAVES).status is Verdict.DEGENERATE
    with pytest.raises(OptionError, match=r"token is one of 0 \.\. 4, got 5"):
        check_phase_use(ReadOut("coherence"), WAVES, token=5)

    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle = nn.Identity()

        def forward(self, z: Tensor) -> Tensor:
            return z.real.mean(1)

    with pytest.raises(OptionError, match="'idle' is not called when the layer is"):
        check_phase_use(Idle(), WAVES, at="idle")
