"""What a graph may be made of; each refusal is one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fieldsolver.errors import GridError, nearest

from .scaling import POWERS, degrees
from .topology import Topology


def checked_count(value: Any, name: str, least: int) -> int:
    """An integer of at least `least`, which `name` is."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise GridError(f"{name} is an integer of at least {least}, got {name}={value!r}")
    return int(value)


def checked_edges(edges: Any, vertices: int, directed: bool) -> np.ndarray:
    """The edges as int64 ``(E, 2)``; out of range, self-loops and repetitions are refused."""
    if isinstance(edges, Tensor):
        edges = edges.detach().cpu().numpy()
    try:
        pairs = np.array(edges)  # a copy: what the user does to theirs later is not seen here
    except ValueError:
        raise GridError("edges are pairs of vertices such as [(0, 1), (1, 2)], got rows of several lengths") from None
    if pairs.size == 0:
        pairs = np.zeros((0, 2), dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        hint = "; transpose it" if pairs.ndim == 2 and pairs.shape[0] == 2 else ""
        raise GridError(f"edges are pairs of vertices, an array (E, 2), got the shape {pairs.shape}{hint}")
    if not np.issubdtype(pairs.dtype, np.integer):
        raise GridError(f"edges are pairs of integers, the numbers of their vertices; got the dtype {pairs.dtype}")
    pairs = pairs.astype(np.int64)
    _refuse_out_of_range(pairs, vertices)
    _refuse_self_loops(pairs)
    _refuse_repetitions(pairs, vertices, directed)
    return pairs


def checked_weights(weights: Any, edges: int) -> Tensor:
    """One finite, non-negative number per edge; a trainable tensor is kept as it is, others are copied to float64."""
    if weights is None:
        return torch.ones(edges, dtype=torch.float64)
    try:
        values = torch.as_tensor(weights).detach()
    except (TypeError, ValueError, RuntimeError):
        raise GridError(
            f"weights are one number per edge, got {type(weights).__name__} that torch cannot read"
        ) from None
    if values.is_complex() or values.dtype == torch.bool:
        raise GridError(f"weights are real numbers, got the dtype {values.dtype}")
    check_weights_shape(values, edges)
    if not bool(torch.isfinite(values).all()) or bool((values < 0).any()):
        wrong = int(torch.nonzero(~(torch.isfinite(values) & (values >= 0)))[0])
        raise GridError(f"weights are finite and not negative, got {values[wrong].item():g} for edge {wrong}")
    trainable = isinstance(weights, Tensor) and weights.requires_grad
    return weights if trainable else values.to("cpu", torch.float64, copy=True)


def check_weights_shape(weights: Tensor, edges: int) -> None:
    """One weight per edge."""
    if tuple(weights.shape) != (edges,):
        raise GridError(f"weights are one number per edge, shape ({edges},), got {tuple(weights.shape)}")


def checked_kind(laplacian: str, directed: bool) -> str:
    """A Laplacian that exists, and exists for this graph."""
    if laplacian not in POWERS:
        known = ", ".join(map(repr, POWERS))
        raise GridError(f"laplacian is one of {known}, got {laplacian!r}{nearest(str(laplacian), POWERS)}")
    if laplacian == "normalised" and directed:
        raise GridError(
            "the normalised Laplacian divides by the degrees at both ends, which a directed graph does not have; "
            "write laplacian='random-walk' or directed=False"
        )
    return laplacian


def check_degrees(topology: Topology, weights: Tensor, kind: str) -> None:
    """Refuse a division by the degree of a vertex without neighbours.

    A source of a directed graph, which is heard and hears nobody, is no such vertex: the mean over nothing of its
    differences is zero, and every directed graph without cycles has one.
    """
    if kind == "combinatorial":
        return
    degree = degrees(topology, weights.detach())
    if topology.directed:
        speakers, _ = topology.arcs(weights.device)
        degree = degree.index_add(0, speakers, weights.detach())
    lonely = torch.nonzero(degree == 0).flatten()
    if len(lonely):
        raise GridError(
            f"vertex {int(lonely[0])} has no neighbours (degree 0), and the {kind} Laplacian divides by the degree; "
            "drop the vertex, connect it, or write laplacian='combinatorial'"
        )


def _refuse_out_of_range(pairs: np.ndarray, vertices: int) -> None:
    outside = np.flatnonzero(((pairs < 0) | (pairs >= vertices)).any(axis=1))
    if len(outside):
        source, target = pairs[outside[0]]
        raise GridError(
            f"edge ({source}, {target}) leaves the vertices 0 .. {vertices - 1}; give vertices=N large enough"
        )


def _refuse_self_loops(pairs: np.ndarray) -> None:
    loops = np.flatnonzero(pairs[:, 0] == pairs[:, 1])
    if len(loops):
        vertex = pairs[loops[0], 0]
        raise GridError(f"edge ({vertex}, {vertex}) is a self-loop, whose difference is always zero; drop it")


def _refuse_repetitions(pairs: np.ndarray, vertices: int, directed: bool) -> None:
    ends = pairs if directed else np.sort(pairs, axis=1)
    first = np.unique(ends[:, 0] * vertices + ends[:, 1], return_index=True)[1]
    if len(first) == len(pairs):
        return
    source, target = pairs[np.setdiff1d(np.arange(len(pairs)), first)[0]]
    both = "" if directed else "list an undirected edge once, in either direction, or write directed=True; "
    raise GridError(f"edge ({source}, {target}) is given twice; {both}to add weights up, use Graph.from_sparse")
