"""WaveNetNeuro: tokens as a reaction-diffusion field on a line, run until it rests."""

from .config import Config
from .dynamics import FieldDynamics
from .energy import FieldEnergy
from .growth import growth
from .model import WaveNetNeuro, build
from .presets import PRESETS, TRAINING
from .stability import descending_step, largest_step, steps_within

__all__ = [
    "PRESETS",
    "TRAINING",
    "Config",
    "FieldDynamics",
    "FieldEnergy",
    "WaveNetNeuro",
    "build",
    "descending_step",
    "growth",
    "largest_step",
    "steps_within",
]
