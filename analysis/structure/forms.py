"""Constant matrices K with K Df symmetric: then K f is a gradient, and K says of what kind the system is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..orders.models import Floats
from .linear_relations import null_space, rationalised
from .probes import LARGEST, Probes

FLAT = 1e-7
"""Relative size below which an entry of a fitted matrix counts as zero."""


@dataclass(frozen=True)
class Form:
    """``K f = grad H`` with ``K = Omega - D``, so that ``dH/dt = -sum_a D_a <f_a, f_a>``.

    Attributes:
        kind: ``"gradient flow"`` (Omega = 0, D > 0), ``"skew-gradient"`` (D of both signs),
            ``"Hamiltonian"`` (D = 0, Omega regular), or ``"damped Hamiltonian"`` (D >= 0).
        matrix: K, ``(c, c)``, scaled so that its largest entry is 1.
        defect: largest relative asymmetry of K Df among the probes.
    """

    kind: str
    matrix: Floats
    defect: float

    @property
    def friction(self) -> Floats:
        """D, ``(c,)``."""
        return np.asarray(-np.diag(self.matrix))


def find_forms(probes: Probes) -> list[Form]:
    """Every kind of form that the probes allow, the strongest statement of each."""
    found = [gradient_form(probes), hamiltonian_form(probes)]
    forms = [form for form in found if form is not None]
    if not any(form.kind in ("gradient flow", "Hamiltonian") for form in forms):
        damped = damped_form(probes)
        forms += [damped] if damped is not None else []
    return forms


def gradient_form(probes: Probes) -> Form | None:
    """A diagonal metric in which the Jacobian is symmetric."""
    c = probes.first.shape[1]
    basis = _basis(probes, _diagonals(c)) if c <= LARGEST else np.eye(1, c * c).reshape(1, c, c)
    if c > LARGEST:
        basis = np.eye(c)[None] if probes.twist(np.eye(c)) < 1e-10 else basis[:0]
    if not len(basis):
        return None
    metric = _positive(np.array([np.diag(matrix) for matrix in basis]))
    kind = "gradient flow"
    if metric is None:
        metric = np.array([np.diag(matrix) for matrix in basis]).sum(axis=0)
        kind = "skew-gradient"
    if np.abs(metric).min() < FLAT * np.abs(metric).max():
        return None
    return _form(kind, -np.diag(metric), probes)


def hamiltonian_form(probes: Probes) -> Form | None:
    """A constant regular skew matrix with ``Omega Df`` symmetric."""
    c = probes.first.shape[1]
    if c % 2 or c > LARGEST:
        return None
    basis = _basis(probes, _skews(c))
    if not len(basis):
        return None
    flat = basis.reshape(len(basis), -1)
    span = np.linalg.qr(flat.T)[0]
    guesses = [span @ (span.T @ guess.reshape(-1)) for guess in canonical(c)]
    guesses.append(flat.T @ np.sqrt(np.arange(2.0, 2.0 + len(flat))))
    for guess in sorted(guesses[:-1], key=lambda g: -float(np.linalg.norm(g))) + guesses[-1:]:
        matrix = guess.reshape(c, c)
        if _is_regular(matrix):
            return _form("Hamiltonian", matrix, probes)
    return None


def damped_form(probes: Probes) -> Form | None:
    """``K = Omega - D`` with ``D >= 0``, the least D that a linear programme finds."""
    from scipy.optimize import linprog

    c = probes.first.shape[1]
    if c % 2 or c > LARGEST:
        return None
    basis = _basis(probes, [*_skews(c), *_diagonals(c)])
    if not len(basis):
        return None
    diagonals = np.array([np.diag(matrix) for matrix in basis]).T
    for guess in canonical(c):
        along = np.einsum("ab,rab->r", guess, basis)
        least = linprog(
            -diagonals.sum(axis=0), A_ub=diagonals, b_ub=np.zeros(c), A_eq=along[None], b_eq=[1.0], bounds=(None, None)
        )
        if least.status != 0:
            continue
        matrix = np.einsum("r,rab->ab", least.x, basis)
        skew = (matrix - matrix.T) / 2
        if _is_regular(skew) and np.abs(np.diag(matrix)).max() > FLAT * np.abs(matrix).max():
            return _form("damped Hamiltonian", matrix, probes)
    return None


def _form(kind: str, matrix: Floats, probes: Probes) -> Form:
    matrix = matrix / np.abs(matrix).max()
    matrix = np.where(np.abs(matrix) < 1e-11, 0.0, matrix)
    tidy = rationalised(matrix.reshape(-1))
    if tidy is not None:
        whole = np.array([float(entry) for entry in tidy]).reshape(matrix.shape)
        matrix = np.copysign(1.0, whole.reshape(-1) @ matrix.reshape(-1)) * whole / np.abs(whole).max()
    return Form(kind, matrix, probes.twist(matrix))


def _basis(probes: Probes, patterns: list[Floats]) -> Floats:
    """The combinations of `patterns` that make K J symmetric, ``(r, c, c)``."""
    c = probes.first.shape[1]
    if not patterns:
        return np.zeros((0, c, c))
    stack = np.array(patterns)
    matrix = np.einsum("mab,pab->pm", stack, probes.first - probes.second)
    sizes = np.einsum("mab,pab->pm", np.abs(stack), probes.size)
    row = sizes.max(axis=1, keepdims=True)
    row = np.where(row > 0, row, 1.0)
    vectors = null_space(matrix / row, np.sqrt(((sizes / row) ** 2).mean(axis=0))).vectors
    return np.asarray(np.einsum("rm,mab->rab", vectors, stack))


def _diagonals(c: int) -> list[Floats]:
    return [np.diag(row) for row in np.eye(c)]


def _skews(c: int) -> list[Floats]:
    patterns = []
    for a, b in itertools.combinations(range(c), 2):
        matrix = np.zeros((c, c))
        matrix[a, b], matrix[b, a] = 1.0, -1.0
        patterns.append(matrix)
    return patterns


def canonical(c: int) -> list[Floats]:
    """Pairs that lie side by side, and positions before momenta, with either sign; ``-p_t`` comes first."""
    side_by_side, halves = np.zeros((c, c)), np.zeros((c, c))
    for k in range(c // 2):
        side_by_side[2 * k, 2 * k + 1], side_by_side[2 * k + 1, 2 * k] = -1.0, 1.0
        halves[k, k + c // 2], halves[k + c // 2, k] = -1.0, 1.0
    return [halves, side_by_side, -halves, -side_by_side]


def _positive(rows: Floats) -> Floats | None:
    """A combination of the rows with positive entries only, the one whose smallest is largest."""
    from scipy.optimize import linprog

    ones = rows.T @ np.linalg.lstsq(rows.T, np.ones(rows.shape[1]), rcond=None)[0]
    if ones.min() > 1e-6 * ones.max():
        return np.asarray(ones)
    count = len(rows)
    # The unknowns are the coefficients and the smallest entry.
    best = linprog(
        [*np.zeros(count), -1.0],
        A_ub=np.column_stack([-rows.T, np.ones(rows.shape[1])]),
        b_ub=np.zeros(rows.shape[1]),
        bounds=[(-1, 1)] * count + [(None, None)],
    )
    metric = rows.T @ best.x[:count] if best.status == 0 else np.zeros(rows.shape[1])
    return metric if metric.min() > FLAT * np.abs(metric).max() > 0 else None


def _is_regular(matrix: Floats) -> bool:
    values = np.linalg.svd(matrix, compute_uv=False)
    return bool(values[-1] > 1e-6 * values[0])
