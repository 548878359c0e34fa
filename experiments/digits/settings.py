"""The settings of the digits experiment, and what was tried to find them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Sizes and numbers of the network and its training.

    Attributes:
        components: of the field.
        hidden: width of the perceptron ``react``.
        duration: how long the field evolves; 0 is the ablation without dynamics.
        method, dt: scheme and fixed step.
        scale: value of the field where a pixel is fully black.
        gain: factor on the usual initial weights of ``react``.
        diffusion, decay: starting values of ``D`` (pixels squared per unit of time) and ``k``.
        jitter: strength of the random stretch, shear and shift of training images.
        epochs, batch, learning_rate, weight_decay: of the training.
        seeds: number of repetitions.
    """

    components: int = 16
    hidden: int = 64
    duration: float = 1.0
    method: str = "heun"
    dt: float = 0.25
    scale: float = 2.0
    gain: float = 3.0
    diffusion: float = 0.3
    decay: float = 0.5
    jitter: float = 0.1
    epochs: int = 60
    batch: int = 64
    learning_rate: float = 5e-3
    weight_decay: float = 0.01
    seeds: int = 5


QUICK_EPOCHS, QUICK_SEEDS = 10, 2

TRIED: tuple[tuple[str, float], ...] = (("x", 0.0),)
"""What was changed, one line each, and the accuracy on the validation part."""

CHOSEN = ""
