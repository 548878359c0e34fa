"""Eigenvalues of the Laplacian of a graph, and which vertices it couples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from fieldsolver.space.graphs import Graph

from .spectra import AxisModes, Bound

if TYPE_CHECKING:
    from ..field_equation import FieldEquation

# Above this many vertices the spectrum is bounded instead of being computed.
MAX_VERTICES = 1024
ROUND_OFF = 1e-12
TRANSFORM = "graph fourier"

_known: WeakKeyDictionary[FieldEquation, tuple[Tensor, np.ndarray]] = WeakKeyDictionary()
"""Eigenvalues per equation, with the weights that they belong to."""


@dataclass(frozen=True, eq=False)
class VertexModes(AxisModes):
    """Eigenvectors of the Laplacian; diffusion with a constant coefficient has the same."""

    values: np.ndarray

    def eigenvalues(self, kind: int | str) -> np.ndarray:
        return self.values

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def thinned(self, keep: int) -> AxisModes:
        return self  # there are at most MAX_VERTICES


def current_graph(equation: FieldEquation) -> Graph | None:
    """The graph of an equation with its weights at the current values of the parameters; None on a grid."""
    graph = equation.layout.graph
    if graph is None or graph.parameter is None:
        return graph
    return graph.with_weights(equation.parameter_values()[graph.parameter].detach().double().cpu())


def modes(equation: FieldEquation, graph: Graph) -> list[AxisModes] | None:
    """The modes of a graph that is small enough to compute them."""
    if graph.vertices > MAX_VERTICES:
        return None
    weights = graph.weights.detach()
    known = _known.get(equation)
    if known is None or not torch.equal(known[0], weights):
        values = graph.eigenvalues().numpy()
        values[np.abs(values) <= ROUND_OFF * np.abs(values).max()] = 0  # each component of the graph has a zero
        known = _known[equation] = (weights.clone(), values)
    return [VertexModes(known[1])]


def operator_bound(equation: FieldEquation, graph: Graph) -> Bound:
    """Bound on the spectrum of the Laplacian, fit to be scaled by coefficients that vary and added to others.

    A directed graph has Gershgorin's discs about ``-d_i`` with radius ``d_i``: its Laplacian is not normal, and its
    eigenvalues say nothing of sums and products with it.
    """
    lowest, highest = graph.bound()
    if graph.directed:
        return Bound("upper", lowest, highest, -lowest / 2, "Gershgorin's discs of a directed graph")
    found = modes(equation, graph)
    if found is None:
        return Bound("upper", lowest, highest, 0.0, f"more than {MAX_VERTICES} vertices: a bound by their degrees")
    values = found[0].eigenvalues(2)
    return Bound("exact", float(values.min()), float(values.max()), 0.0)


def keeps_uniform(graph: Graph) -> bool:
    """Whether the Laplacian vanishes on uniform states, as that of degrees divided at both ends does not in general."""
    one = torch.ones(graph.vertices, dtype=torch.float64)
    return graph.kind != "normalised" or bool(graph.laplacian(one).abs().max() <= 1e-12)


def transform(graph: Graph) -> str:
    """``"graph fourier"`` where the eigenvectors are known and orthogonal, else ``"none"``."""
    return "none" if graph.directed or graph.vertices > MAX_VERTICES else TRANSFORM


def vertex_weights(graph: Graph) -> Tensor:
    """Weights of the integral over the vertices, float64 ``(N,)``."""
    return graph.weights_of_vertices.detach().double().cpu()


def farther(hops: Iterable[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """What is read after one more Laplacian: one edge farther than before."""
    return {(count + 1,) for (count,) in hops}


def within(graph: Graph, hops: int) -> object:
    """Which vertices lie within so many edges of each other: booleans, sparse ``(N, N)``."""
    from scipy.sparse import csr_array, eye_array

    total = csr_array(eye_array(graph.vertices, dtype=np.int64))
    for _ in range(hops):
        total = csr_array((total @ graph.neighbours().astype(np.int64)) > 0).astype(np.int64)
    return total.astype(bool)
