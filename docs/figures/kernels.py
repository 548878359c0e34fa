"""The pictures of topology.md and partitioning.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fieldsolver.kernels import gauss_linking_map, linking_matrix, partition


def topology_and_partition(folder: Path) -> None:
    """Two strands that are wound and unwound again, a chain mail of rings, and weights in three parts."""
    s = np.linspace(-3, 3, 121)
    angle = 1.5 * np.pi * (np.tanh(3 * (s + 1.5)) - np.tanh(3 * (s - 1.5)))
    strands = [np.stack([k * np.cos(angle), k * np.sin(angle), s], axis=1) for k in (0.4, -0.4)]
    gauss_linking_map(*strands).plot().savefig(folder / "gauss_map.png", dpi=80)
    linking_matrix(chain(8)).plot().savefig(folder / "linking_matrix.png", dpi=80)
    partition([46, 39, 27, 26, 16, 13, 10], 3, objective="largest").plot().savefig(folder / "partition.png", dpi=80)


def chain(links: int) -> list[np.ndarray]:
    """Rings in a row, each through the next, turned by a right angle."""
    t = 2 * np.pi * np.arange(60) / 60
    rings = []
    for k in range(links):
        flat = np.stack([1.3 * k + np.cos(t), np.sin(t), 0 * t], axis=1)
        rings.append(flat[:, [0, 2, 1]] if k % 2 else flat)
    return rings


if __name__ == "__main__":
    topology_and_partition(Path(__file__).parent)
