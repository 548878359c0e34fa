"""`Linearisation`: the Jacobian of a right-hand side at one state, known by its products with vectors."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import EquationError, OptionError, StateError

from .differences import difference_products
from .probe import obstacle, refuse_random
from .unknowns import Floats, Unknowns, from_real, real, unknowns_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Columns = NDArray[Any]

DENSE_LIMIT = 1500
"""Unknowns up to which the whole matrix is formed."""
EXACT_NORM = 400
"""Unknowns up to which the norm is a singular value."""
BATCH_ENTRIES = 2**18
"""Numbers in a batch of vectors that are multiplied at once; larger batches leave the cache."""


class Linearisation:
    """``J = df/dy`` at ``(t, y)``, by forward and reverse differentiation, or by differences where that fails.

    Vectors are real, of length `size`, and scaled so that their Euclidean norm is the norm of the grid (`Unknowns`).

    Args:
        f: a declared equation, a layer that holds one, or a function or module ``f(t, y, *args)`` of one system.
        y: the state, ``(C, *grid)`` for a declared equation, else of any shape; real or complex.
        t: the time.
        args: further arguments of a function.
        weights: of the inner product, broadcastable to `y`; None takes the quadrature weights of the grid, else 1.
        free: bool, broadcastable to `y`: which entries are unknowns; None leaves out held nodes and masked cells.

    Attributes:
        size: number of real unknowns.
        differentiable: whether products are derivatives; else they are central differences.
        reason: why not; empty if they are.
        nfev, njvp, nvjp: evaluations and products so far.

    Raises:
        StateError: the state has another shape or is not finite, or `f` returns another shape.
        OptionError: `f` gives different values at the same state, or an option does not fit.
    """

    def __init__(
        self,
        f: Callable[..., Tensor],
        y: Tensor,
        t: float = 0.0,
        *,
        args: Sequence[Any] = (),
        weights: Tensor | None = None,
        free: Tensor | None = None,
    ) -> None:
        f = declared_in(f)
        _check(f, y)
        self.f, self.y, self.t = f, y.detach(), float(t)
        self._args = tuple(args)
        self.nfev = self.njvp = self.nvjp = 0
        self.unknowns: Unknowns = unknowns_of(f, self.y, weights, free)
        self.size = self.unknowns.size
        self.precision = float(torch.finfo(y.dtype).eps)
        self._point = real(self.y)
        self._vmaps = True
        self._rate = refuse_random(self._evaluate, self._point)
        self.reason = obstacle(self._evaluate, self._point, self._rate, self.unknowns)
        self.differentiable = not self.reason

    @property
    def certificate(self) -> str:
        """``"bounded"`` where products are derivatives to round-off, ``"empirical"`` where they are differences."""
        return "bounded" if self.differentiable else "empirical"

    @functools.cached_property
    def norm(self) -> float:
        """An estimate of the spectral norm from below, by power iterations on ``J^T J`` (on J without J^T)."""
        if self.size <= EXACT_NORM:
            return float(np.linalg.norm(self.dense(), 2))
        v = self.random_vector(seed=3)
        size = 0.0
        for _ in range(12):
            w = self.product(v)
            size = float(np.linalg.norm(w))
            v = self.transpose_product(w) if self.differentiable else w
            if not np.any(v):
                return size
            v = v / np.linalg.norm(v)
        return size

    @property
    def rate(self) -> Floats:
        """The right-hand side at the state, as a vector."""
        return self.unknowns.vectors(self._rate[None])[:, 0]

    def random_vector(self, seed: int = 0) -> Floats:
        """A random unit vector, every direction equally likely."""
        v = np.random.default_rng(seed).standard_normal(self.size)
        return v / np.linalg.norm(v)

    def state_of(self, vector: Columns) -> Tensor:
        """A vector (or its real part) as a state of the shape of `y`; zero at nodes that are held."""
        return self.unknowns.declared(self.unknowns.states(np.real(vector)[:, None]))[0]

    def vector_of(self, state: Tensor) -> Floats:
        """A state of the shape of `y` as a vector."""
        return self.unknowns.vectors(real(state.to(self.y))[None])[:, 0]

    def product(self, v: Columns) -> Columns:
        """``J v`` for ``(n,)`` or columns ``(n, m)``, real or complex."""
        return _by_columns(self._products, v)

    def transpose_product(self, w: Columns) -> Columns:
        """``J^T w`` for ``(n,)`` or columns ``(n, m)``, real or complex.

        Raises:
            OptionError: `f` is not differentiable and too large for its whole matrix.
        """
        if self.differentiable:
            return _by_columns(self._transposed, w)
        if self.size > DENSE_LIMIT:
            raise OptionError(
                f"products with the transpose need derivatives, but {self.reason}; "
                f"with at most {DENSE_LIMIT} unknowns the whole matrix would do, got {self.size}"
            )
        return self.dense().T @ w

    def dense(self) -> Floats:
        """The whole matrix ``(n, n)``.

        Raises:
            OptionError: there are more than 1500 unknowns.
        """
        if self.size > DENSE_LIMIT:
            raise OptionError(
                f"a dense matrix of {self.size} unknowns is too large (at most {DENSE_LIMIT}); use krylov_schur"
            )
        return self._dense

    @functools.cached_property
    def _dense(self) -> Floats:
        matrix: Floats = self._products(np.eye(self.size))
        return matrix

    def sparse(self) -> csr_array | None:
        """The matrix in the scaled unknowns, for real declared equations whose terms are all local; else None."""
        from scipy.sparse import diags_array

        if not isinstance(self.f, FieldEquation) or not self.differentiable or self.y.is_complex():
            return None
        try:
            matrix = self.f.jacobian().sparse(self.t, self.y)
        except EquationError:  # a term that couples all points: there is no pattern to colour
            return None
        self.njvp += 1
        kept, roots = self.unknowns.kept, self.unknowns.roots
        return (diags_array(roots) @ matrix[kept][:, kept] @ diags_array(1 / roots)).tocsr()

    def _evaluate(self, point: Tensor) -> Tensor:
        """The right-hand side on real forms of states."""
        self.nfev += 1
        y = from_real(point) if self.y.is_complex() else point.clone()  # some functions write into their argument
        rate = self.f(self._time(point), y, *self._args)
        if not isinstance(rate, Tensor) or rate.shape != y.shape:
            got = tuple(rate.shape) if isinstance(rate, Tensor) else type(rate).__name__
            raise StateError(f"f(t, y) must return a tensor of the shape of y, {tuple(y.shape)}; got {got}")
        if self.y.is_complex():
            return torch.stack([rate.real, rate.imag if rate.is_complex() else torch.zeros_like(rate.real)], dim=-1)
        return rate

    def _time(self, point: Tensor) -> Tensor:
        return torch.tensor(self.t, dtype=torch.float64, device=point.device)

    def _products(self, columns: Floats) -> Floats:
        self.njvp += columns.shape[1]
        if not self.differentiable:
            return difference_products(self._evaluate, self._point, self.unknowns, columns)
        return self._batched(self._jvp, columns, self.unknowns.states, self.unknowns.vectors)

    def _transposed(self, columns: Floats) -> Floats:
        self.nvjp += columns.shape[1]
        return self._batched(self._vjp, columns, self.unknowns.costates, self.unknowns.covectors)

    def _jvp(self, v: Tensor) -> Tensor:
        return torch.func.jvp(self._evaluate, (self._point,), (v,))[1]

    @functools.cached_property
    def _pull_back(self) -> Callable[[Tensor], tuple[Tensor]]:
        return torch.func.vjp(self._evaluate, self._point)[1]

    def _vjp(self, w: Tensor) -> Tensor:
        return self._pull_back(w)[0]

    def _batched(
        self,
        apply: Callable[[Tensor], Tensor],
        columns: Floats,
        unpack: Callable[[Floats], Tensor],
        pack: Callable[[Tensor], Floats],
    ) -> Floats:
        width = max(1, BATCH_ENTRIES // self._point.numel())
        parts = [columns[:, i : i + width] for i in range(0, columns.shape[1], width)]
        return np.concatenate([pack(self._mapped(apply, unpack(part))) for part in parts], axis=1)

    def _mapped(self, apply: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        with torch.no_grad(), warnings.catch_warnings():
            if len(batch) > 1 and self._vmaps:
                # conj and a few others run one state after the other inside; the answer is the same
                warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
                try:
                    return torch.func.vmap(apply)(batch)
                except (RuntimeError, ValueError, NotImplementedError):
                    # A function that branches on its values runs for one state only; a true fault shows again below.
                    self._vmaps = False
            return torch.stack([apply(one) for one in batch])


def declared_in(f: Any) -> Callable[..., Tensor]:
    """The equation of a layer that holds one; anything else callable as it is."""
    equation = getattr(f, "equation", None)
    if not isinstance(f, FieldEquation) and isinstance(equation, FieldEquation):
        return equation
    if not callable(f):
        raise OptionError(f"f is a FieldEquation, a layer of one, or a function f(t, y); got {type(f).__name__}")
    return f


def _by_columns(apply: Callable[[Floats], Floats], v: Columns) -> Columns:
    """Apply a real operator to one column or several; complex ones in two parts."""
    if v.ndim == 1:
        return _by_columns(apply, v[:, None])[:, 0]
    if not np.iscomplexobj(v):
        return apply(v)
    both = apply(np.concatenate([v.real, v.imag], axis=1))
    return both[:, : v.shape[1]] + 1j * both[:, v.shape[1] :]


def _check(f: Any, y: Any) -> None:
    if not isinstance(y, Tensor) or not (y.is_floating_point() or y.is_complex()):
        kind = str(y.dtype) if isinstance(y, Tensor) else type(y).__name__
        raise StateError(f"the state is a tensor of real or complex floating point numbers, got {kind}")
    if isinstance(f, FieldEquation) and tuple(y.shape) != f.state_shape:
        raise StateError(f"one state has the shape {f.state_shape}, got {tuple(y.shape)}; pass one sample")
    if y.numel() == 0 or not bool(torch.isfinite(real(y)).all()):
        raise StateError("the state is empty or has entries that are not finite")
