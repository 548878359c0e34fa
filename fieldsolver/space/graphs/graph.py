"""A graph as a domain of space: fields live on its vertices, and its edges say between which of them they diffuse."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fieldsolver.errors import GridError

from ..coordinate_systems import CARTESIAN, GRAPH
from ..grid import Grid
from . import edge_lists
from .checks import (
    check_degrees,
    check_weights_shape,
    checked_count,
    checked_edges,
    checked_kind,
    checked_weights,
)
from .scaling import Coefficients, degrees
from .sparse import CPU, sparse_product
from .spectrum import general_spectrum, lowest_combinatorial, symmetric_spectrum
from .topology import Topology


class Graph:
    """Vertices ``0 .. N - 1`` joined by weighted edges; a field on it is a tensor ``(..., N)``.

    In a directed graph the edge ``(j, i)`` lets vertex ``i`` hear vertex ``j``: ``i`` diffuses from those it hears,
    ``(L u)_i = sum_j w_ij (u_j - u_i)`` with ``w_ij`` the weight of the edge from ``j`` to ``i``. In an undirected one
    each end hears the other. With ``A_ij = w_ij`` and ``d_i = sum_j w_ij``, `laplacian` chooses between

    * ``"combinatorial"``, ``A - D``, which conserves ``sum u``,
    * ``"random-walk"``, ``D^-1 A - I``, which conserves ``sum d u``,
    * ``"normalised"``, ``D^-1/2 A D^-1/2 - I``, which conserves ``sum sqrt(d) u``,

    all with the sign of the continuous Laplacian. On a directed graph nothing is conserved in general.

    A repeated edge and a self-loop are refused. A vertex without neighbours is refused by the Laplacians that divide by
    its degree; a source of a directed graph, heard but hearing nobody, is not: its row is zero.

    Args:
        edges: pairs of vertices, a sequence or an ``(E, 2)`` array or tensor; an undirected edge is listed once.
        vertices: their number N.
        weights: ``(E,)``, not negative; ones if None. A tensor that requires gradients stays the user's own: every
            call reads it anew, gradients flow into it, and fields must be on its device. Others are copied to float64,
            and such a graph serves fields on every device. The name of a parameter, as in ``weights="w"``, leaves them
            to the equation that the graph is the domain of.
        directed: whether an edge is heard at its second vertex alone.
        laplacian: ``"combinatorial"``, ``"random-walk"`` or ``"normalised"`` (undirected graphs).

    Attributes:
        vertices, directed, kind: as given; `kind` is the Laplacian.
        parameter: the name of the parameter that holds the weights, or None.
        axes, system: names of the coordinates, of which there are none, and that there are none.

    Raises:
        GridError: edges, weights or a Laplacian that cannot be; weights that are asked for and only named.
    """

    axes: tuple[str, ...] = ()
    system = GRAPH
    dimension = 1
    """Number of axes of a field."""

    def __init__(
        self,
        edges: Any,
        vertices: int,
        weights: Any = None,
        directed: bool = False,
        laplacian: str = "combinatorial",
    ) -> None:
        self.vertices = checked_count(vertices, "vertices", 1)
        self.directed = bool(directed)
        self.kind = checked_kind(laplacian, self.directed)
        pairs = checked_edges(edges, self.vertices, self.directed)
        self._kept: dict[tuple[torch.device, torch.dtype], Coefficients] = {}
        with torch.inference_mode(False):  # what is kept must serve differentiated calls too
            self._topology = Topology(pairs, self.vertices, self.directed)
            self.parameter = weights if isinstance(weights, str) else None
            own = checked_weights(None if self.parameter else weights, len(pairs))
            check_degrees(self._topology, own, self.kind)
        self._weights = None if self.parameter else own
        self._fixed = not (self.parameter or own.requires_grad)
        if self._fixed:
            for dtype in (torch.float32, torch.float64):
                self._keep(CPU, dtype)

    @classmethod
    def path(cls, n: int, *, laplacian: str = "combinatorial") -> Graph:
        """``0 - 1 - ... - (n - 1)``, weights 1; the combinatorial eigenvalues are ``-4 sin^2(pi k / 2n)``."""
        return cls(edge_lists.path_edges(n), n, laplacian=laplacian)

    @classmethod
    def cycle(cls, n: int, *, laplacian: str = "combinatorial") -> Graph:
        """A ring of at least three vertices, weights 1; the combinatorial eigenvalues are ``-4 sin^2(pi k / n)``."""
        return cls(edge_lists.cycle_edges(n), n, laplacian=laplacian)

    @classmethod
    def causal(cls, n: int, window: int, *, laplacian: str = "combinatorial") -> Graph:
        """A directed chain: vertex ``i`` hears ``i - window .. i - 1``, as many of them as there are, with weight 1.

        It does not hear itself, which would add nothing to a difference; vertex 0 hears nobody and stays as it is.
        """
        return cls(edge_lists.causal_edges(n, window), n, directed=True, laplacian=laplacian)

    @classmethod
    def nearest_neighbours(
        cls, points: Any, k: int, *, length_scale: float | None = None, laplacian: str = "combinatorial"
    ) -> Graph:
        """Undirected: two points are joined when one is among the `k` nearest of the other.

        Args:
            points: coordinates ``(N, d)``.
            k: neighbours looked for, below N; a vertex may end up with more.
            length_scale: ``l`` of the weights ``exp(-r^2 / (2 l^2))``; weights are 1 if None.
            laplacian: as for `Graph`.
        """
        edges, weights, vertices = edge_lists.neighbour_edges(points, k, length_scale)
        return cls(edges, vertices, weights, laplacian=laplacian)

    @classmethod
    def from_sparse(cls, matrix: Any, *, directed: bool = False, laplacian: str = "combinatorial") -> Graph:
        """From an adjacency matrix ``(N, N)``, SciPy or torch sparse.

        ``A[i, j]`` is the weight with which ``i`` hears ``j``, an edge from ``j`` to ``i``. Entries at one place add
        up, as sparse formats mean them; stored zeros are no edges; an undirected graph needs a symmetric matrix.
        """
        edges, weights, vertices = edge_lists.matrix_edges(matrix, directed)
        return cls(edges, vertices, weights, directed, laplacian)

    @classmethod
    def from_grid(cls, grid: Grid, *, periodic: Sequence[str] = (), laplacian: str = "combinatorial") -> Graph:
        """The neighbours of a grid with weights ``1/h^2``.

        Its combinatorial Laplacian is that of the grid of second order with ``Neumann(0)``, or ``Periodic()`` along the
        axes named in `periodic`, for fields ``(..., *grid)`` with the grid axes flattened into one.
        """
        if not isinstance(grid, Grid) or grid.system != CARTESIAN:
            raise GridError(f"from_grid needs an fs.Grid in Cartesian coordinates, got {grid!r}")
        edges, weights = edge_lists.grid_edges(grid, periodic)
        return cls(edges, grid.size, weights, laplacian=laplacian)

    def with_weights(self, weights: Tensor) -> Graph:
        """The same edges with other weights ``(E,)``: cheap, differentiable, and fit for `torch.func`.

        Signs and zero degrees are not checked, because that would read the weights from the device.
        """
        check_weights_shape(weights, len(self._topology.edges))
        other = copy.copy(self)
        other._weights, other.parameter, other._fixed = weights, None, False
        return other

    def check_weights(self, weights: Tensor) -> None:
        """Refuse weights that the graph cannot have; raises `GridError`."""
        check_degrees(self._topology, checked_weights(weights, len(self._topology.edges)), self.kind)

    @property
    def weights(self) -> Tensor:
        """One per edge, ``(E,)``."""
        if self._weights is None:
            raise GridError(
                f"the weights of this graph are the parameter {self.parameter!r} of an equation; to use the graph "
                "alone, write graph.with_weights(values)"
            )
        return self._weights

    @property
    def shape(self) -> tuple[int]:
        """Shape of a field without its leading axes: ``(N,)``."""
        return (self.vertices,)

    @property
    def size(self) -> int:
        """Number of vertices."""
        return self.vertices

    @property
    def edges(self) -> Tensor:
        """``(E, 2)``, int64, in the order in which they were given."""
        return torch.as_tensor(self._topology.edges.copy())

    @property
    def degrees(self) -> Tensor:
        """``d_i = sum_j w_ij``, the total weight that a vertex hears: ``(N,)``."""
        return degrees(self._topology, self.weights)

    @property
    def weights_of_vertices(self) -> Tensor:
        """Weights ``(N,)`` of sums over the vertices: the Laplacian is self-adjoint for ``sum_i weight_i u_i v_i``.

        The degrees for the random-walk Laplacian of an undirected graph, else ones.
        """
        if self.kind == "random-walk" and not self.directed:
            return self.degrees
        return self.weights.detach().new_ones(self.vertices)

    def laplacian(self, values: Tensor, *, dim: int = -1) -> Tensor:
        """``L u``, differentiable in the values and in trainable weights.

        Args:
            values: N along `dim`, any other axes.
            dim: the axis of the vertices, counted from the end.
        """
        values = self._vertices_last(values, dim)
        entries = self._coefficients(values).entries
        return sparse_product(self._topology.laplacian, entries, values).movedim(-1, dim)

    def diffusion(self, coefficient: Tensor, values: Tensor, *, dim: int = -1) -> Tensor:
        """``div(D grad u)``, scaled by the degrees as the Laplacian is: ``D = 1`` gives `laplacian`.

        An edge has the arithmetic mean of the coefficients at its ends, so that what is conserved by the Laplacian is
        conserved here.

        Args:
            coefficient: D at every vertex, ``(N,)`` or with axes that broadcast against `values`.
            values: N along `dim`.
            dim: the axis of the vertices, counted from the end.
        """
        values = self._vertices_last(values, dim)
        coefficient = self._vertices_last(coefficient, dim if coefficient.ndim > 1 else -1)
        weights, _, left, right = self._coefficients(values)
        signs = self._topology.signs(values.device)
        mean = sparse_product(self._topology.incidence, signs.abs() / 2, coefficient)
        scaled = values if right is None else values * right
        inflow = self._inflow(weights * mean * self._differences(scaled))
        return (inflow if left is None else inflow * left).movedim(-1, dim)

    def gradient_squared(self, values: Tensor, *, dim: int = -1) -> Tensor:
        """The carré du champ ``Γ(u)_i = 1/2 sum_j L_ij (u_j - u_i)^2``, the square of the gradient at a vertex.

        For the combinatorial Laplacian ``L_ij = w_ij``. Where the rows of L sum to zero, which leaves out the
        normalised Laplacian alone, ``L(u^2) = 2 u L u + 2 Γ(u)``. Source: D. Bakry, I. Gentil, M. Ledoux, Analysis and
        Geometry of Markov Diffusion Operators (Springer, 2014), section 1.4.2.

        Args:
            values: N along `dim`.
            dim: the axis of the vertices, counted from the end.
        """
        values = self._vertices_last(values, dim)
        topology, squares = self._topology, self._differences(values).square()
        arcs, count = self._coefficients(values).entries[: len(topology.listeners)], len(topology.edges)
        if self.directed:
            total = sparse_product(topology.hearing, arcs, squares)
        else:  # the pattern lists the sources of all edges, then the targets; the arcs go to the targets first
            ends = torch.cat([arcs[count:], arcs[:count]])
            total = sparse_product(topology.incidence.T, ends, squares)
        return (total / 2).movedim(-1, dim)

    def integral(self, values: Tensor, *, dim: int = -1) -> Tensor:
        """``sum_i weight_i u_i`` with `weights_of_vertices`; the axis of the vertices is gone."""
        return self._weighted(self._vertices_last(values, dim)).sum(-1)

    def mean(self, values: Tensor, *, dim: int = -1) -> Tensor:
        """The integral divided by that of 1."""
        values = self._vertices_last(values, dim)
        one = values.new_ones(self.vertices, dtype=values.real.dtype if values.is_complex() else values.dtype)
        return self._weighted(values).sum(-1) / self._weighted(one).sum()

    def gradient(self, values: Tensor, *, dim: int = -1) -> Tensor:
        """Difference along every edge, second vertex minus first, unweighted: N along `dim` -> E along `dim`."""
        return self._differences(self._vertices_last(values, dim)).movedim(-1, dim)

    def divergence(self, edge_values: Tensor, *, dim: int = -1) -> Tensor:
        """What flows out of a vertex along its edges, minus what flows in: E along `dim` -> N along `dim`.

        The negative adjoint of `gradient`: ``sum_i (div f)_i u_i = -sum_e f_e (grad u)_e``. On an undirected graph
        ``divergence(weights * gradient(u))`` is the combinatorial Laplacian.
        """
        edge_values = self._last(edge_values, dim, len(self._topology.edges), "an edge field")
        return self._divergence(edge_values).movedim(-1, dim)

    def matrix(self) -> Any:
        """The Laplacian as a `scipy.sparse.csr_array`, float64."""
        import scipy.sparse

        weights = self.weights.detach().double().cpu()
        entries = Coefficients.of(self._topology, weights, self.kind).entries
        pattern = self._topology.laplacian
        return scipy.sparse.csr_array((entries.numpy(), (pattern.rows, pattern.columns)), pattern.shape)

    def eigenvalues(self, k: int | None = None) -> Tensor:
        """Eigenvalues of the Laplacian from the largest (real part) downwards, the slowest modes first.

        Args:
            k: how many; all if None. Up to 1500 vertices, for directed graphs, and if `k` is more than a quarter of the
                vertices, they come from the dense matrix; else from shifted and inverted Lanczos iterations.

        Returns:
            ``(k,)``, float64, for directed graphs complex128.
        """
        import scipy.sparse

        count = self.vertices if k is None else checked_count(k, "k", 1)
        if count > self.vertices:
            raise GridError(f"a graph of {self.vertices} vertices has as many eigenvalues, got k={k}")
        matrix = self.matrix()
        if self.directed:
            return torch.as_tensor(general_spectrum(matrix, count))
        if self.kind == "random-walk":  # similar to the normalised Laplacian, which is symmetric
            root = self.degrees.detach().double().cpu().sqrt().numpy()
            matrix = scipy.sparse.diags_array(root) @ matrix @ scipy.sparse.diags_array(1 / root)
        return torch.as_tensor(symmetric_spectrum(matrix, count))

    def bound(self) -> tuple[float, float]:
        """``(lowest, highest)``: an interval that holds (the real part of) every eigenvalue of the Laplacian.

        Its upper end 0 is an eigenvalue. The lower one is -2 for the Laplacians divided by degrees, attained where a
        component is bipartite, and for the combinatorial one the sum of the degrees at the ends of the worst edge.
        """
        if self.kind != "combinatorial":
            return -2.0, 0.0
        degree = self.degrees.detach().double().cpu().numpy()
        return lowest_combinatorial(self._topology.edges, degree, self.directed), 0.0

    def neighbours(self) -> Any:
        """Which vertices the Laplacian reads, itself among them: a boolean `scipy.sparse.csr_array` ``(N, N)``."""
        import scipy.sparse

        pattern = self._topology.laplacian
        flags = torch.ones(len(pattern.rows), dtype=torch.bool).numpy()
        return scipy.sparse.csr_array((flags, (pattern.rows, pattern.columns)), pattern.shape)

    def digest(self) -> str:
        """Sixteen hexadecimal digits that differ where edges or fixed weights do."""
        content = self._topology.edges.tobytes()
        if self._weights is not None:
            content += self._weights.detach().cpu().double().numpy().tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def __repr__(self) -> str:
        extra = ", directed=True" if self.directed else ""
        extra += f", weights={self.parameter!r}" if self.parameter else ""
        return f"Graph(vertices={self.vertices}, edges={len(self._topology.edges)}, laplacian={self.kind!r}{extra})"

    def __eq__(self, other: object) -> bool:
        """Same edges in the same order, Laplacian and weights; trainable weights are the same as one tensor."""
        if not isinstance(other, Graph) or self.kind != other.kind or self._topology != other._topology:
            return False
        if self._fixed and other._fixed:
            return torch.equal(self.weights, other.weights)
        return self._weights is other._weights and self.parameter == other.parameter

    def __hash__(self) -> int:
        return hash((self.kind, self._topology))

    def _coefficients(self, values: Tensor) -> Coefficients:
        """What the operators need of the weights, on the device and in the real dtype of `values`."""
        dtype = values.real.dtype if values.is_complex() else values.dtype
        if self._fixed:
            key = (values.device, dtype)
            return self._kept[key] if key in self._kept else self._keep(*key)
        if self.weights.device != values.device:
            raise GridError(
                f"the field is on {values.device} but the graph's weights are on {self.weights.device}; "
                "move one of them"
            )
        return Coefficients.of(self._topology, self.weights.to(dtype), self.kind)

    def _keep(self, device: torch.device, dtype: torch.dtype) -> Coefficients:
        """Fixed weights are evaluated in float64, once per device and dtype."""
        with torch.inference_mode(False):
            coefficients = Coefficients.of(self._topology, self.weights, self.kind)
            self._kept[device, dtype] = coefficients.to(device, dtype)
        return self._kept[device, dtype]

    def _weighted(self, values: Tensor) -> Tensor:
        if self.kind != "random-walk" or self.directed:
            return values
        _, _, inverse_degrees, _ = self._coefficients(values)
        return values if inverse_degrees is None else values / inverse_degrees

    def _differences(self, values: Tensor) -> Tensor:
        return sparse_product(self._topology.incidence, self._topology.signs(values.device), values)

    def _divergence(self, edge_values: Tensor) -> Tensor:
        signs = self._topology.signs(edge_values.device)
        return -sparse_product(self._topology.incidence.T, signs, edge_values)

    def _inflow(self, flux: Tensor) -> Tensor:
        """What the vertices hear of a flux ``w D (u_target - u_source)``; on a directed graph targets alone hear it."""
        if not self.directed:
            return self._divergence(flux)
        ones = self._topology.signs(flux.device)[len(self._topology.edges) :]
        return -sparse_product(self._topology.hearing, ones, flux)

    def _vertices_last(self, values: Tensor, dim: int) -> Tensor:
        return self._last(values, dim, self.vertices, "a field")

    @staticmethod
    def _last(values: Tensor, dim: int, size: int, what: str) -> Tensor:
        if not -values.ndim <= dim < 0 or values.shape[dim] != size:
            raise GridError(
                f"{what} on this graph has {size} values along dim={dim}, got the shape {tuple(values.shape)}; "
                "name the axis from the end, such as dim=-1"
            )
        return values.movedim(dim, -1)
