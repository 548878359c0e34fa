"""Coupled grids: what restriction and prolongation conserve, reproduce, and undo."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from fieldsolver.errors import GridError
from fieldsolver.space import Grid
from fieldsolver.space.coupling import check_nested, prolong, restrict

BOUNDS = ((-0.3, 0.7), (0.0, 2.0), (1.0, 1.6))
COARSE, RATIOS = (4, 5, 3), (3, 2, 4)


def pair(dimension: int, centring: str = "cell", periodic: tuple[str, ...] = ()) -> tuple[Grid, Grid]:
    """``(coarse, fine)``, with another ratio along every axis."""
    ends = [int(centring == "node" and name not in periodic) for name in "xyz"]
    coarse = [cells + end for cells, end in zip(COARSE, ends, strict=True)]
    fine = [cells * ratio + end for cells, ratio, end in zip(COARSE, RATIOS, ends, strict=True)]
    own = periodic if centring == "node" else ()
    few, many = (
        Grid(shape[:dimension], bounds=BOUNDS[:dimension], centring=centring, periodic=own) for shape in (coarse, fine)
    )
    return few, many


def field(grid: Grid, *batch: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(*batch, *grid.shape, dtype=dtype, generator=generator)


def inner(grid: Grid, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (grid.weights() * u * v).sum()


def integral(grid: Grid, u: torch.Tensor) -> torch.Tensor:
    return (grid.weights() * u).sum(tuple(range(-grid.dimension, 0)))


def linear(grid: Grid) -> torch.Tensor:
    """``0.4 + 1.5 x - 0.7 y + 2 z``."""
    terms = (slope * x for slope, x in zip((1.5, -0.7, 2.0), grid.coordinates(), strict=False))
    return 0.4 + torch.stack(list(terms)).sum(0)


CASES = [
    (dimension, centring, periodic)
    for dimension, centring in itertools.product((1, 2, 3), ("cell", "node"))
    for periodic in ((), ("x",), tuple("xyz"[:dimension]))
]
DOWN = [(*case, None) for case in CASES]
UP = [(*case, order) for case in CASES for order in (1, 2) if (case[1], order) != ("node", 1)]


def apply(u, coarse, fine, periodic, order):
    """Restriction if `order` is None, else prolongation."""
    return restrict(u, fine, coarse, periodic) if order is None else prolong(u, coarse, fine, periodic, order)


@pytest.mark.parametrize(("dimension", "centring", "periodic", "order"), DOWN + UP)
def test_the_integral_is_conserved_and_constants_are_kept(dimension, centring, periodic, order):
    coarse, fine = pair(dimension, centring, periodic)
    source, target = (fine, coarse) if order is None else (coarse, fine)
    u = field(source, 2)
    moved = apply(u, coarse, fine, periodic, order)
    assert moved.shape == (2, *target.shape)
    torch.testing.assert_close(integral(target, moved), integral(source, u), rtol=0, atol=1e-13)
    constant = apply(torch.full(source.shape, 0.37, dtype=torch.float64), coarse, fine, periodic, order)
    assert (constant - 0.37).abs().max() < 1e-15


@pytest.mark.parametrize(("dimension", "centring", "periodic", "order"), UP)
def test_restriction_undoes_prolongation_between_cells(dimension, centring, periodic, order):
    coarse, fine = pair(dimension, centring, periodic)
    u = field(coarse)
    back = restrict(prolong(u, coarse, fine, periodic, order), fine, coarse, periodic)
    if centring == "cell":
        torch.testing.assert_close(back, u, rtol=0, atol=1e-14)
    else:  # full weighting smooths: it is not the inverse of interpolation
        assert (back - u).abs().max() > 0.01


@pytest.mark.parametrize(("dimension", "centring", "periodic"), CASES)
def test_adjoint_pairs(dimension, centring, periodic):
    """``<P u, v>_fine = <u, R v>_coarse`` for copying to cells and for interpolation between nodes."""
    coarse, fine = pair(dimension, centring, periodic)
    u, v = field(coarse), field(fine)
    prolonged = prolong(u, coarse, fine, periodic, order=1 if centring == "cell" else 2)
    expected = inner(coarse, u, restrict(v, fine, coarse, periodic))
    torch.testing.assert_close(inner(fine, prolonged, v), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_linear_functions_are_kept_up_to_the_walls(dimension, centring):
    coarse, fine = pair(dimension, centring)
    torch.testing.assert_close(prolong(linear(coarse), coarse, fine), linear(fine), rtol=0, atol=1e-14)
    interior = (slice(1, -1),) * dimension if centring == "node" else ...
    restricted = restrict(linear(fine), fine, coarse)
    torch.testing.assert_close(restricted[interior], linear(coarse)[interior], rtol=0, atol=1e-14)


def test_numbers_by_hand():
    """Cells: slopes -1, (7 - 2)/2, 6 or around -3, 5/2, 1/2, children at -+1/4; nodes: (1, 2, 1)/4, (2, 2)/4 at end."""
    u = torch.tensor([2.0, 1.0, 7.0])
    coarse, fine = Grid(3, extent=1), Grid(6, extent=1)
    assert prolong(u, coarse, fine).tolist() == [2.25, 1.75, 0.375, 1.625, 5.5, 8.5]
    assert prolong(u, coarse, fine, ("x",)).tolist() == [2.75, 1.25, 0.375, 1.625, 6.875, 7.125]
    assert prolong(u, coarse, fine, order=1).tolist() == [2, 2, 1, 1, 7, 7]
    v = torch.tensor([4.0, 8.0, 0.0, 2.0, 6.0])
    coarse, fine = Grid(3, extent=1, centring="node"), Grid(5, extent=1, centring="node")
    assert restrict(v, fine, coarse).tolist() == [6, 2.5, 4]
    assert prolong(u, coarse, fine).tolist() == [2, 1.5, 1, 4, 7]
    coarse, fine = (Grid(points, extent=1, centring="node", periodic=("x",)) for points in (2, 4))
    assert restrict(v[:4], fine, coarse).tolist() == [4.5, 2.5]
    assert prolong(u[:2], coarse, fine).tolist() == [2, 1.5, 1, 1.5]


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("periodic", [(), ("x",)])
def test_prolongation_of_order_2_converges_with_that_order(centring, periodic):
    """A coarse cell's value is its mean; in the largest norm, walls included."""
    k = 2 * math.pi
    errors = []
    for cells in (32, 64, 128, 256):
        end = int(centring == "node" and not periodic)
        own = periodic if centring == "node" else ()
        coarse, fine = (Grid(m * cells + end, extent=1, centring=centring, periodic=own) for m in (1, 4))
        x, y = coarse.coordinate(0), fine.coordinate(0)
        u, exact = torch.sin(k * x + 0.3), torch.sin(k * y + 0.3)
        if centring == "cell":  # means over the cells
            u, exact = (torch.sinc(torch.tensor(h)) * w for h, w in ((coarse.spacing[0], u), (fine.spacing[0], exact)))
        errors.append((prolong(u, coarse, fine, periodic) - exact).abs().max().item())
    slopes = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert abs(slopes[-1] - 2) < 0.15, slopes


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_gradients_of_all_kinds(centring):
    coarse, fine = pair(2, centring)
    u, v = field(coarse).requires_grad_(), field(fine).requires_grad_()
    assert torch.autograd.gradcheck(lambda u: prolong(u, coarse, fine), u, check_forward_ad=True)
    assert torch.autograd.gradcheck(lambda v: restrict(v, fine, coarse), v, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda u: prolong(u, coarse, fine) ** 2, u)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_dtypes_batches_and_vmap(dtype, centring, device):
    coarse, fine = pair(2, centring)
    u = field(coarse, 3, 2, dtype=dtype).to(device)
    down_up = lambda u: restrict(prolong(u, coarse, fine), fine, coarse)  # noqa: E731 - a formula
    batched = down_up(u)
    assert batched.dtype == dtype
    assert batched.device == u.device
    torch.testing.assert_close(torch.func.vmap(torch.func.vmap(down_up))(u), batched)
    torch.testing.assert_close(down_up(u[1, 1]), batched[1, 1])


def test_equal_grids_change_nothing():
    grid = Grid((4, 6), extent=1)
    u = field(grid)
    assert torch.equal(prolong(u, grid, grid), u)
    assert torch.equal(restrict(u, grid, grid), u)


def node(points: int, **options) -> Grid:
    return Grid(points, extent=1, centring="node", **options)


@pytest.mark.parametrize(
    ("coarse", "fine", "message"),
    [
        (Grid(10, extent=1), Grid(48, extent=1), r"along 'x' the fine grid must have r\*10 points .* for 10; write 50"),
        (Grid(48, extent=1), Grid(10, extent=1), r"r\*48 points .* got 10 .* write 48"),
        (node(5), node(16), r"r\*\(4 intervals\) \+ 1 points .* got 16 for 5; write 17"),
        (Grid(4, extent=1), Grid(8, extent=1.01), r"same bounds, got \(0\.0, 1\.0\) and \(0\.0, 1\.01\) along 'x'"),
        (Grid(4, extent=1), Grid((8, 8), extent=1), "share their dimension and centring"),
        (Grid(4, extent=1), node(9), "share their dimension and centring"),
        (node(4, periodic=("x",)), node(9), r"periodic axes, got \('x',\) and \(\)"),
        (Grid(4, extent=1), Grid(8, extent=1, nodes={"x": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9]}), "are uniform"),
    ],
)  # fmt: skip
def test_grids_that_are_not_nested(coarse, fine, message):
    with pytest.raises(GridError, match=message):
        check_nested(coarse, fine)


def test_ratios():
    assert check_nested(*pair(3)) == check_nested(*pair(3, "node")) == RATIOS


def test_calls_that_cannot_be():
    coarse, fine = Grid(4, extent=1), Grid(8, extent=1)
    with pytest.raises(GridError, match=r"end in the shape of their grid, \(4,\), got \(8,\)"):
        prolong(field(fine), coarse, fine)
    with pytest.raises(GridError, match=r"end in the shape of their grid, \(8,\), got \(4,\)"):
        restrict(field(coarse), fine, coarse)
    with pytest.raises(GridError, match=r"r\*8 points"):  # the grids in the wrong order
        restrict(field(coarse), coarse, fine)
    with pytest.raises(GridError, match="got order=3"):
        prolong(field(coarse), coarse, fine, order=3)
    with pytest.raises(GridError, match=r"order=1 .constant. between cells; got order=1"):
        prolong(field(node(5)), node(5), node(9), order=1)
    with pytest.raises(GridError, match=r"periodic names 'y', but .* are: x"):
        prolong(field(coarse), coarse, fine, ("y",))
    with pytest.raises(GridError, match=r"periodic names 'x', but .* are: none"):
        prolong(field(node(5)), node(5), node(9), ("x",))
