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

TRIED: tuple[tuple[str, float], ...] = (
    ("20 epochs, gain 1, scale 1, learning rate 0.003, no jitter", 0.9653),
    ("the same with transport a*d_dx(u) + b*d_dy(u), and react(u) without slopes", 0.9653),
    ("the same with zero time of dynamics", 0.9132),
    ("the same with shifts by whole pixels instead of jitter", 0.8403),
    ("the same for 60 epochs, batches of 32, dropout 0.2", 0.9340),
    ("30 epochs, gain 1, scale 1, learning rate 0.003, no jitter, dropout 0.5 on the readout", 0.9618),
    ("the same with weight decay 0.3", 0.9653),
    ("the same with label smoothing 0.1", 0.9618),
    ("the same with duration 2 (dropout 0.3)", 0.9618),
    ("the same with 32 components, hidden 96", 0.9653),
    ("the same with batches of 32", 0.9583),
    ("the same with transport a*d_dx(u) + b*d_dy(u), and react(u) without slopes", 0.9722),
    ("no jitter, gain 2, scale 2", 0.9583),
    ("jitter 0.1, dropout 0.2", 0.9722),
    ("jitter 0.1, dropout 0.2, gain 2, scale 2", 0.9757),
    ("jitter 0.1, gain 2, scale 2, readout of 2x2 means", 0.9688),
    ("the same, learning rate 0.01", 0.9792),
    ("the same, learning rate 0.003, duration 2, steps of 0.5", 0.9722),
    ("jitter 0.1, dropout 0.2, gain 2, scale 2, duration 2, GELU in react", 0.9826),
    ("60 epochs, jitter 0.15, gain 2, scale 2, duration 2, learning rate 0.01 (stopped after 40)", 0.9931),
    ("60 epochs, jitter 0.1, gain 2, scale 2, learning rate 0.01", 0.9861),
    ("the same with dropout 0.3", 0.9861),
    ("60 epochs, jitter 0.1, gain 3, scale 2, learning rate 0.005 (chosen)", 0.9931),
    ("chosen, seed 1", 0.9896),
    ("chosen, seed 2", 0.9896),
    ("chosen, batches of 32", 0.9896),
    ("chosen, 40 epochs, learning rate 0.01", 0.9931),
    ("chosen, no jitter", 0.9688),
    ("chosen, react(u) without slopes", 0.9583),
    ("chosen, zero time of dynamics", 0.9479),
    ("chosen, zero time of dynamics, no jitter", 0.9618),
)
"""What was tried, in this order, and the accuracy on the validation part (seed 0 unless said)."""

CHOSEN = (
    "Logistic regression reaches 0.9618 on this part, the support vector machine 0.976 to 0.986 by its settings. "
    "What moves the number: jitter of the training images, and slopes inside the reaction; most other lines are within "
    "the scatter of 288 images (0.006)."
)
