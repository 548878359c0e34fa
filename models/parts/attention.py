"""Attention among the real tokens of a text."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def in_heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, D) -> (B, heads, N, D/heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class MaskedAttention(nn.Module):
    """Every token looks at the real ones, with several heads (A. Vaswani et al., NeurIPS 2017, section 3.2).

    Without dropout of the weights: with it a CPU has no fused attention and keeps N x N numbers.

    Args:
        channels: C, a multiple of `heads`.
        heads: their number.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(channels, 3 * channels)  # queries, keys, values
        self.out = nn.Linear(channels, channels)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, N, C) with mask (B, N) -> (B, N, C)."""
        query, key, value = (in_heads(part, self.heads) for part in self.project(features).chunk(3, -1))
        # An empty text sees its padding: a softmax over nothing is NaN. Whoever pools leaves padding out.
        seen = mask | ~mask.any(1, keepdim=True)
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=seen[:, None, None])
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out
