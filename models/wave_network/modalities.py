"""Images and sounds as tokens of a wave encoder."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from fieldsolver.errors import OptionError, StateError
from fieldsolver.models.parts import sinusoids

from .config import Config
from .embedding import places_of
from .encoder import WaveEncoder
from .wave_block import Layered


class ImagePatches(nn.Module):
    """Images (B, C, H, W) to square patches as tokens, (B, N, dim), in reading order.

    Args:
        channels: C.
        patch: width of a patch in pixels; H and W are multiples of it.
        dim: numbers per token.
    """

    def __init__(self, channels: int, patch: int, dim: int) -> None:
        super().__init__()
        self.patch = patch
        self.linear = nn.Linear(channels * patch * patch, dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if images.dim() != 4 or images.shape[2] % self.patch or images.shape[3] % self.patch:
            raise StateError(
                f"images have the shape (B, C, H, W) with H and W multiples of {self.patch}, got {tuple(images.shape)}"
            )
        patches = images.unfold(2, self.patch, self.patch).unfold(3, self.patch, self.patch)  # (B, C, h, w, p, p)
        tokens = self.linear(patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2))
        return tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=images.device)


class SoundFrames(nn.Module):
    """Sounds (B, samples) to frames of a short-time Fourier transform as tokens, (B, N, dim).

    Each frequency is told as ``log(1 + |X|)`` and the cosine and sine of its phase. Frames lie within the samples.

    Args:
        window: samples per frame, under a Hann window.
        hop: samples from one frame to the next.
        dim: numbers per token.
    """

    window: Tensor

    def __init__(self, window: int, hop: int, dim: int) -> None:
        super().__init__()
        if not 0 < hop <= window:
            raise OptionError(f"hop lies in 1..window={window}, got {hop}; larger ones would leave samples out")
        self.size, self.hop = window, hop
        self.register_buffer("window", torch.hann_window(window))
        self.linear = nn.Linear(3 * (window // 2 + 1), dim)

    def forward(self, sounds: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if sounds.dim() != 2 or sounds.shape[1] < self.size:
            raise StateError(f"sounds have the shape (B, at least {self.size} samples), got {tuple(sounds.shape)}")
        frames = sounds.unfold(1, self.size, self.hop)
        spectrum = torch.fft.rfft(frames * self.window)
        size = torch.hypot(spectrum.real, spectrum.imag)
        unit = spectrum / size.clamp(min=torch.finfo(size.dtype).eps)
        tokens = self.linear(torch.cat([size.log1p(), unit.real, unit.imag], -1))
        whole = torch.full((len(sounds),), sounds.shape[1], device=sounds.device) if lengths is None else lengths
        ends = torch.arange(frames.shape[1], device=sounds.device) * self.hop + self.size
        return tokens, ends <= whole.unsqueeze(1)


class WaveClassifier(nn.Module):
    """A front end, sines for the places of its tokens, a wave encoder, and a head: logits (B, K).

    Args:
        front: a module that returns tokens (B, N, dim) and their mask.
        config: of the encoder; its `classes` are those of the head.
    """

    def __init__(self, front: nn.Module, config: Config) -> None:
        super().__init__()
        self.front, self.encoder = front, WaveEncoder(config)
        self.config = config
        self.head = nn.Linear(self.encoder.width, config.classes)

    def forward(self, *inputs: Tensor) -> Tensor:
        x, mask = self.front(*inputs)
        if self.config.positions == "sinusoidal":
            x = x + self.config.position_scale * sinusoids(places_of(mask), self.config.dim).to(x.dtype)
        encoded = cast("Layered", self.encoder(x, mask))
        return cast("Tensor", self.head(self.encoder.pooled(encoded.x, mask)))
