"""Claims about the Wave Network that a computation decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from fieldsolver.experiments.baselines import NETS
from fieldsolver.experiments.compare import Finding
from fieldsolver.models.catalogue import build
from fieldsolver.models.parts import TextModel
from fieldsolver.models.wave_network import Wave, represent
from fieldsolver.models.wave_network.columns import Columns
from fieldsolver.models.wave_network.superposition import interference, modulation
from fieldsolver.models.wave_network.wave import intensity, magnitude

WORDPIECES = 30_522
BERT = {"embedding": 768, "width": 768, "layers": 12, "heads": 12}
"""The sizes of BERT base (Devlin et al. 2019), without its segments and trained positions."""
TEXTS, TOKENS = 2, 128


def two_waves() -> tuple[Wave, Wave, Columns]:
    """Two waves of 12 random tokens in 32 dimensions, float64."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(2, 1, 12, 32, generator=generator, dtype=torch.float64)
    columns = Columns(torch.ones(1, 12, dtype=torch.bool))
    return represent(w[0], columns), represent(w[1], columns), columns


def parameters_of_the_paper() -> Finding:
    """ "2.4 million parameters"."""
    table = build("wave_network", "paper", vocabulary=WORDPIECES, classes=4).parameter_table()
    words = f"{table['total']:,} with {WORDPIECES:,} WordPieces, {table['rest']:,} of them outside the embedding"
    return Finding(table["total"] <= 2.5e6, words)


def smaller_than_bert() -> Finding:
    """ "4.5 times smaller than BERT"."""
    ours = build("wave_network", "paper", vocabulary=WORDPIECES, classes=4).parameter_table()
    theirs = bert().parameter_table()
    ratio, rest = theirs["total"] / ours["total"], theirs["rest"] / ours["rest"]
    words = (
        f"{theirs['total'] / 1e6:.1f} over {ours['total'] / 1e6:.1f} million is {ratio:.2f}; {ours['embedding']:,} of "
        f"the smaller number are a look-up table; without both tables the ratio is {rest:.0f}"
    )
    return Finding(ratio >= 0.9 * 4.5, words)


def memory_against_bert(quick: bool) -> dict[str, float]:
    """Bytes of training, at equal batches of 64 texts of 128 tokens: weights, gradients, optimiser, what is held."""
    from fieldsolver.experiments.compare.costs import model_costs

    texts = 1 if quick else TEXTS
    ids = torch.randint(2, WORDPIECES, (texts, TOKENS), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids, dtype=torch.bool)
    wave = model_costs(build("wave_network", "paper", vocabulary=WORDPIECES, classes=4), ids, mask)
    large = model_costs(bert(), ids, mask)
    batch = 64 / texts  # what is held is proportional to the batch
    return {
        "wave": wave["state_bytes"] + batch * wave["held_bytes"],
        "bert": large["state_bytes"] + batch * large["held_bytes"],
        "wave_macs": wave["macs_per_token"],
        "bert_macs": large["macs_per_token"],
    }


def memory_lines(found: Mapping[str, Any]) -> list[str]:
    """The section of the page."""
    return [
        "A network of BERT's sizes with random weights costs what BERT costs. At equal batches (64 texts of 128 "
        f"tokens, float32) training takes {found['wave'] / 1e6:,.0f} MB for the Wave Network and "
        f"{found['bert'] / 1e6:,.0f} MB for BERT's sizes, {found['bert'] / found['wave']:.1f} times as much; counted, "
        "not sampled: weights, gradients, two averages of the optimiser, and what is held for the gradient. "
        "Per token a forward pass takes "
        f"{found['wave_macs'] / 1e6:.2f} and {found['bert_macs'] / 1e6:.1f} million MACs. The source measured 1,166 MB "
        "at a batch of 64 against 4,170 MB at a batch of 32.",
    ]


def modulus_of_a_modulation() -> Finding:
    """ "The amplitude of the modulated wave carries the meaning of the token"."""
    first, second, _ = two_waves()
    size = magnitude(modulation(first, second))
    spread = float(((size.amax(1) - size.amin(1)) / size.mean(1)).max())
    other = magnitude(interference(first, second))
    words = (
        f"|Z1 Z2| = G1 G2 is the same for all tokens of a text (relative spread {spread:.0e}); of an interference it "
        f"is {float(((other.amax(1) - other.amin(1)) / other.mean(1)).mean()):.2f}"
    )
    return Finding(spread > 1e-6, words)


def renormalisation_is_nothing() -> Finding:
    """ "Rescaling to |c1||c2| conserves the energy of a modulation"."""
    first, second, _ = two_waves()
    product = modulation(first, second)
    factor = magnitude(first) * magnitude(second) / magnitude(product)
    change = float((factor - 1).abs().max())
    energies = [float(intensity(wave).sum()) for wave in (first, second, product.times(factor))]
    words = (
        f"the factor is 1 to {change:.0e}, whatever the waves; the energy after it is {energies[2]:.0f}, that of both "
        f"waves {energies[0] + energies[1]:.0f}"
    )
    return Finding(abs(energies[2] / (energies[0] + energies[1]) - 1) < 1e-6, words)


def interference_conserves_energy() -> Finding:
    """ "Interference conserves energy"."""
    first, second, columns = two_waves()
    total, before = _sum(interference(first, second), columns), _sum(first, columns) + _sum(second, columns)
    off = float((total / before - 1).abs().mean())
    words = f"columns gain or lose {100 * off:.0f} % on the average; both imaginary parts are positive, so they add up"
    return Finding(off < 1e-6, words)


def bert() -> TextModel:
    """A transformer of BERT's sizes, with random weights."""
    package = NETS["transformer"].load()
    return cast("TextModel", package.build(package.Config(WORDPIECES, 4, **BERT)))


def _sum(wave: Wave, columns: Columns) -> Tensor:
    return columns.total(intensity(wave))
