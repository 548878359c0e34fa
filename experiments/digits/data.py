"""scikit-learn's bundled 8x8 digits, with the one split that every number of this experiment refers to.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository (1998); 1797 images of its test
part. The 20 % test split is looked at once, after training; choices are made on a part of the training split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2
SPLIT_SEED = 0


@dataclass(frozen=True)
class Part:
    """Some of the images.

    Attributes:
        images: grey values in [0, 1], float32, shape ``(N, 8, 8)``: row from the top, column from the left.
        labels: the digits, int64, shape ``(N,)``.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to_numpy(self) -> tuple[np.ndarray, np.ndarray]:
        """``(N, 64)`` and ``(N,)``, for scikit-learn."""
        return self.images.flatten(1).double().numpy(), self.labels.numpy()


def load_split(*, validation: bool = False) -> tuple[Part, Part]:
    """Training and test part; with `validation`, the training part alone, divided once more for choices."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    everything = np.arange(len(digits.target))
    train, test = train_test_split(everything, test_size=TEST_FRACTION, stratify=digits.target, random_state=SPLIT_SEED)
    if validation:
        train, test = train_test_split(
            train, test_size=VALIDATION_FRACTION, stratify=digits.target[train], random_state=SPLIT_SEED
        )
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32)
    labels = torch.tensor(digits.target, dtype=torch.int64)
    return Part(images[train], labels[train]), Part(images[test], labels[test])


def jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Stretch, shear and shift each image a little, at random (bilinear): training images only.

    Args:
        images: ``(B, 8, 8)``.
        strength: largest relative stretch; shear goes up to 1.5 times, shift up to 1.25 times of half the width.
        generator: the only source of randomness.
    """
    if strength == 0:
        return images
    number = len(images)
    draw = (2 * torch.rand(6, number, generator=generator) - 1) * strength
    scale = draw.new_tensor([1.0, 1.5, 1.25, 1.5, 1.0, 1.25])
    matrices = (draw.T * scale).reshape(number, 2, 3) + torch.eye(2, 3)
    where = torch.nn.functional.affine_grid(matrices, [number, 1, 8, 8], align_corners=False)
    return torch.nn.functional.grid_sample(images[:, None], where, align_corners=False)[:, 0]
