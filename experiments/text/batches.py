"""Which samples go together: texts of similar length, in an order drawn by seed, every one once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from fieldsolver.errors import OptionError

from .encoded import EncodedSplit


def batches(
    split: EncodedSplit, size: int, generator: torch.Generator | None = None, ladder: np.ndarray | None = None
) -> list[np.ndarray]:
    """Indices of the samples of each batch; every sample is in exactly one.

    Samples that are padded to the same length are drawn in random order; the batches too. All batches have `size`
    samples but at most two, which are no smaller than half of it (unless there are fewer samples at all).

    Args:
        split: the samples.
        size: of a batch, over all processes.
        generator: of the order; None: always the same one, by length, for evaluation.
        ladder: increasing lengths to pad to; None: the split's own.

    Raises:
        OptionError: a size below 1, or a ladder that does not reach the longest sample.
    """
    if size < 1:
        raise OptionError(f"a batch has at least one sample, got {size}")
    ladder = split.ladder if ladder is None else ladder
    longest = int(split.lengths.max(initial=1))
    if longest > ladder[-1]:
        raise OptionError(f"{longest} tokens do not fit into the longest of the given lengths, {ladder[-1]}")
    if generator is None:
        return _cut(np.argsort(split.lengths, kind="stable"), size)
    rung = np.searchsorted(ladder, split.lengths)
    drawn = torch.randperm(len(split), generator=generator).numpy()
    groups = _cut(drawn[np.argsort(rung[drawn], kind="stable")], size)
    return [groups[index] for index in torch.randperm(len(groups), generator=generator).tolist()]


def shard(groups: Sequence[np.ndarray], rank: int, world: int) -> list[np.ndarray]:
    """The share of one process: of each batch every `world`-th sample, so that all take as many steps.

    Args:
        groups: batches, the same on all processes.
        rank: of this process, from 0.
        world: number of processes.

    Raises:
        OptionError: no such rank, or a batch with fewer samples than processes.
    """
    if not 0 <= rank < world:
        raise OptionError(f"the rank lies in 0..{world - 1}, got {rank}")
    smallest = min((len(group) for group in groups), default=world)
    if smallest < world:
        raise OptionError(
            f"{world} processes need at least {world} samples in every batch, and one has {smallest}; take batches of "
            f"{2 * world} samples or more, or fewer processes"
        )
    return [group[rank::world] for group in groups]


def _cut(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Pieces of `size`; a rest below half of it shares evenly with its neighbour."""
    groups = np.split(order, range(size, len(order), size)) if len(order) else []
    if len(groups) > 1 and 2 * len(groups[-1]) < size:
        groups[-2:] = np.array_split(np.concatenate(groups[-2:]), 2)
    return groups
