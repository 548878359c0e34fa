"""Which vertices hear which: the edges of a graph, without their weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .sparse import CPU, Pattern


class Topology:
    """Edges between vertices ``0 .. N - 1``, and the sparsity patterns of the operators that live on them.

    An edge ``(source, target)`` of a directed graph means that the target hears the source. In an undirected graph each
    hears the other, so that an edge gives two *arcs* from a `speaker` to a `listener`.

    Args:
        edges: int64 ``(E, 2)``, each edge once, no self-loops.
        vertices: N.
        directed: whether an edge is heard at its target alone.
    """

    def __init__(self, edges: np.ndarray, vertices: int, directed: bool) -> None:
        self.edges, self.vertices, self.directed = edges, vertices, directed
        sources, targets = edges[:, 0], edges[:, 1]
        self.speakers = sources if directed else np.concatenate([sources, targets])
        self.listeners = targets if directed else np.concatenate([targets, sources])
        count, numbers, own = len(edges), np.arange(len(edges)), np.arange(vertices)
        # (N, N): an entry per arc, then the diagonal.
        rows, columns = np.concatenate([self.listeners, own]), np.concatenate([self.speakers, own])
        self.laplacian = Pattern(rows, columns, (vertices, vertices))
        # (E, N): for every edge an entry at its source, then for every edge one at its target.
        self.incidence = Pattern(np.tile(numbers, 2), np.concatenate([sources, targets]), (count, vertices))
        # (N, E): the edges that a vertex of a directed graph hears.
        self.hearing = Pattern(targets, numbers, (vertices, count))
        ends, signs = (self.speakers, self.listeners), np.repeat([-1.0, 1.0], count)
        self._arcs = {CPU: tuple(torch.as_tensor(a) for a in ends)}
        self._signs = {CPU: torch.as_tensor(signs)}

    def arcs(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """``(speakers, listeners)``, int64 ``(arcs,)`` each, on the device."""
        if device not in self._arcs:
            with torch.inference_mode(False):  # what is kept must serve differentiated calls too
                self._arcs[device] = tuple(ends.to(device) for ends in self._arcs[CPU])
        speakers, listeners = self._arcs[device]
        return speakers, listeners

    def signs(self, device: torch.device) -> Tensor:
        """Entries of `incidence` for the difference target minus source: float64 ``(2 E,)``."""
        if device not in self._signs:
            with torch.inference_mode(False):
                self._signs[device] = self._signs[CPU].to(device)
        return self._signs[device]

    def arc_weights(self, weights: Tensor) -> Tensor:
        """``(E,) -> (arcs,)``."""
        return weights if self.directed else torch.cat([weights, weights])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Topology)
            and (self.vertices, self.directed) == (other.vertices, other.directed)
            and np.array_equal(self.edges, other.edges)
        )

    def __hash__(self) -> int:
        return hash((self.vertices, self.directed, self.edges.tobytes()))
