"""Wave Network: every token is a wave whose amplitude is the whole text's."""

from __future__ import annotations

from fieldsolver.models.parts import Training

from .columns import Columns
from .config import Config
from .network import WaveNetwork
from .presets import PRESETS, TRAINING
from .representation import global_semantics, represent
from .wave import Wave


def build(config: Config) -> WaveNetwork:
    """A network with fresh weights, drawn from torch's generator."""
    return WaveNetwork(config)


__all__ = [
    "PRESETS",
    "TRAINING",
    "Columns",
    "Config",
    "Training",
    "Wave",
    "WaveNetwork",
    "build",
    "global_semantics",
    "represent",
]
