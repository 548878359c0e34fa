"""Benchmark `train`: training steps, forward and backward; each table is a file of its own."""

from __future__ import annotations

from . import conv_layer, neural_ode
from .comparison import Comparison
from .settings import BenchSettings


def compare(settings: BenchSettings) -> list[Comparison]:
    """All cases."""
    return [*neural_ode.compare(settings), *conv_layer.compare(settings)]
