"""Grids and boundaries: what they are, and every way in which a declaration of them is refused."""

from __future__ import annotations

import copy

import pytest
import torch

from fieldsolver.equations import FieldEquation, Spatial
from fieldsolver.errors import BoundaryError, GridError
from fieldsolver.space import Dirichlet, Grid, Neumann, Periodic, Robin
from fieldsolver.space.boundary import resolve_boundary
from fieldsolver.space.closure import ghost_rule

PLANE = Grid((8, 9), extent=1)
SYSTEM = "du/dt = laplacian(u); dv/dt = laplacian(v)"


def declare(boundary, grid=PLANE, text=SYSTEM, **options):
    return FieldEquation(text, grid=grid, boundary=boundary, **options)


# -- grids ------------------------------------------------------------------------------------------------------------


def test_positions_and_spacing():
    cells = Grid(4, bounds=(1, 3))
    assert cells.spacing == (0.5,)
    assert cells.coordinate(0).tolist() == [1.25, 1.75, 2.25, 2.75]
    assert cells.coordinate(0, below=1, above=1).tolist() == [0.75, 1.25, 1.75, 2.25, 2.75, 3.25]
    nodes = Grid(5, bounds=(1, 3), centring="node")
    assert nodes.coordinate(0).tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    ring = Grid(4, bounds=(1, 3), centring="node", periodic=("x",))
    assert ring.coordinate(0).tolist() == [1.0, 1.5, 2.0, 2.5]
    x, y = Grid((2, 3), extent=(1, 3)).coordinates()
    assert x.tolist() == [[0.25] * 3, [0.75] * 3]
    assert y.tolist() == [[0.5, 1.5, 2.5]] * 2


@pytest.mark.parametrize("centring", ["cell", "node"])
def test_weights_integrate_over_the_domain(centring):
    grid = Grid((8, 9), bounds=((0, 2), (-1, 2)), centring=centring)
    x, y = grid.coordinates()
    assert grid.weights().sum().item() == pytest.approx(6.0)
    assert (grid.weights() * x * y).sum().item() == pytest.approx(
        2 * 1.5
    )  # both rules are exact for bilinear functions


def test_equal_grids_are_equal():
    assert Grid((8, 9), extent=1) == Grid((8, 9), bounds=((0, 1), (0, 1)))
    assert hash(Grid(8, extent=1)) == hash(Grid((8,), extent=(1.0,)))
    assert Grid(8, extent=1) != Grid(8, extent=1, centring="node")
    assert Grid(8, extent=1) != Grid(8, extent=2)
    assert copy.deepcopy(PLANE) == PLANE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (8, 8)}, "give either extent=2.5 .* or bounds="),
        ({"shape": 8, "extent": 1, "bounds": (0, 1)}, "one of the two"),
        ({"shape": 8, "extent": -1}, "must run upwards between finite ends"),
        ({"shape": 8, "extent": 0}, "must run upwards"),
        ({"shape": 8, "extent": float("inf")}, "finite ends"),
        ({"shape": 8, "extent": float("nan")}, "finite ends"),
        ({"shape": 8, "bounds": (1, 0)}, "must run upwards"),
        ({"shape": (8, 8), "extent": (1, 1, 1)}, "does not fit a grid with 2 axes"),
        ({"shape": (8, 8), "bounds": (0, 1)}, "does not fit a grid with 2 axes"),
        ({"shape": (8, 8), "bounds": ((0, 1),)}, "does not fit a grid with 2 axes"),
        ({"shape": 8, "bounds": ((0, 1, 2),)}, "does not fit a grid with 1 axes"),
        ({"shape": 8, "extent": "a"}, "extent='a'"),
        ({"shape": 8, "bounds": 5}, "bounds=5"),
        ({"shape": 8, "bounds": ("a", "b")}, "bounds="),
        ({"shape": (8, 8, 8, 8), "extent": 1}, "a grid has 1, 2 or 3 axes"),
        ({"shape": (), "extent": 1}, "a grid has 1, 2 or 3 axes"),
        ({"shape": 1, "extent": 1}, "at least 2; got shape=1"),
        ({"shape": (8, 0), "extent": 1}, "at least 2"),
        ({"shape": 8.5, "extent": 1}, "shape=8.5"),
        ({"shape": (8.0,), "extent": 1}, "integer number of points"),
        ({"shape": True, "extent": 1}, "integer number of points"),
        ({"shape": 8, "extent": 1, "centring": "face"}, "centring is 'cell' or 'node', got 'face'"),
        (
            {"shape": 8, "extent": 1, "centring": "node", "periodic": ("y",)},
            "periodic names the axis 'y', but the grid has x",
        ),
    ],
)
def test_grids_that_cannot_be(arguments, message):
    with pytest.raises(GridError, match=message):
        Grid(**arguments)


@pytest.mark.parametrize(
    ("rate", "boundary", "grid", "order", "message"),
    [
        ("d4_dx4(u)", Periodic(), Grid(4, extent=1), 2, "4 points, but the periodic stencil needs at least 5"),
        ("diffusion(1, u)", Periodic(), Grid(6, extent=1), 4, "6 points, but the periodic stencil needs at least 7"),
        ("d4_dx4(u)", Neumann(0), Grid(2, extent=1), 4, "2 points, but the stencil needs at least 3 next to a wall"),
        ("laplacian(u)", Neumann(0), Grid((8, 2), extent=1, centring="node"), 4, "axis 'y' has 2 points"),
    ],
)
def test_grids_too_small_for_a_stencil(rate, boundary, grid, order, message):
    with pytest.raises(GridError, match=message):
        FieldEquation(f"du/dt = {rate}", grid=grid, boundary=boundary, space_order=order)


def test_the_smallest_grids_work():
    for points, order in ((3, 2), (5, 4)):
        equation = FieldEquation(
            "du/dt = laplacian(u)", grid=Grid(points, extent=1), boundary=Periodic(), space_order=order
        )
        assert equation(0.0, torch.ones(1, points)).abs().max() < 1e-4
    equation = FieldEquation("du/dt = laplacian(u)", grid=Grid(2, extent=1), boundary=Dirichlet(1))
    assert equation(0.0, torch.ones(1, 2, dtype=torch.float64)).abs().max() == 0


# -- boundaries -------------------------------------------------------------------------------------------------------


def test_ways_to_write_the_same_boundary():
    axes, fields = ("x", "y"), ("u", "v")
    written = [
        Neumann(0),
        {"x": Neumann(0), "y": Neumann(0)},
        {"x-": Neumann(0), "x+": Neumann(0), "y": Neumann(0)},
        {"u": Neumann(0), "v": {"x": Neumann(0), "y-": Neumann(0), "y+": Neumann(0)}},
    ]
    resolved = [resolve_boundary(boundary, fields, axes) for boundary in written]
    assert all(one == resolved[0] for one in resolved)
    assert list(resolved[0]["u"]) == [(0, 0), (0, 1), (1, 0), (1, 1)]


U = {"x": Neumann(0), "y": Neumann(0)}


@pytest.mark.parametrize(
    ("boundary", "message"),
    [
        (None, "the equation has a grid but no boundary; pass boundary=fs.Periodic"),
        ({}, "gives nothing for the field 'u'"),
        ("periodic", "must be a condition such as fs.Periodic"),
        (Periodic, "must be a condition such as fs.Periodic"),
        ({"x": Neumann(0)}, "side 'y-' of 'u' has no condition"),
        ({"x": Neumann(0), "y-": Neumann(0)}, r"side 'y\+' of 'u' has no condition; add \"y\+\""),
        ({"x": Neumann(0), "x-": Neumann(0), "y": Neumann(0)}, "side 'x-' of 'u' is given twice"),
        ({"u": Neumann(0)}, "gives nothing for the field 'v'; add it"),
        ({"u": Neumann(0), "w": Neumann(0)}, "has the key 'w', but the fields are u, v"),
        ({"u": Neumann(0), "v": Neumann(0), "vel": Neumann(0)}, "has the key 'vel'"),
        ({"u": Neumann(0), "x": Neumann(0)}, "sides and fields cannot be mixed at one level"),
        ({"u": U, "v": {**U, "z": Neumann(0)}}, "boundary of 'v' has no side 'z'; known: x, x-, x"),
        ({"u": U, "v": {**U, "left": Neumann(0)}}, "has no side 'left'"),
        ({"u": U, "v": 3}, "boundary of 'v' must be a condition or a dict of sides, got 3"),
        ({"x": 0, "y": Neumann(0)}, "side 'x' of 'u' needs a condition such as fs.Neumann"),
        ({"x-": Periodic(), "x+": Neumann(0), "y": Neumann(0)}, r"periodic somewhere but side 'x\+' of 'u' is not"),
        ({"u": Periodic(), "v": U}, "axis 'x' is periodic somewhere but side 'x-' of 'v' is not"),
        (Neumann("u"), "boundary value of 'u' at 'x-': unknown name 'u'"),
        (Neumann("k"), "unknown name 'k'"),
        (Neumann("sin(t"), "this bracket is never closed"),
        (Neumann("t > 1"), "cannot be a comparison; use where"),
        (Neumann("d_dx(x)"), "cannot contain a differential operator"),
        (Dirichlet(1j), r"is complex, but the field is real; declare complex_fields=\('u',\)"),
    ],
)
def test_boundaries_that_cannot_be(boundary, message):
    with pytest.raises(BoundaryError, match=message):
        declare(boundary)


def test_the_nearest_field_is_named():
    with pytest.raises(BoundaryError, match="the key 'heigth', but the fields are height; did you mean 'height'"):
        FieldEquation("dheight/dt = laplacian(height)", grid=Grid(8, extent=1), boundary={"heigth": Neumann(0)})


def test_a_condition_without_a_grid():
    with pytest.raises(BoundaryError, match="there is no grid for it to bound"):
        FieldEquation("du/dt = -u", boundary=Neumann(0))


def test_a_boundary_value_takes_no_field_over_the_grid():
    grid = Grid(8, extent=1)
    with pytest.raises(BoundaryError, match=r"uses the fs\.Spatial parameter 'g'"):
        FieldEquation(
            "du/dt = laplacian(u)", grid=grid, boundary=Neumann("g"), parameters={"g": Spatial(torch.ones(8))}
        )


def test_zero_times_a_laplacian_still_needs_a_boundary():
    with pytest.raises(BoundaryError, match="no boundary"):
        FieldEquation("du/dt = 0*laplacian(u)", grid=Grid(8, extent=1))


def test_a_derivative_beyond_a_wall_is_not_guessed():
    for condition in (Robin(1, 1), Neumann(1), Dirichlet("t")):
        with pytest.raises(BoundaryError, match=r"needs values of laplacian\(u\) beyond the wall"):
            FieldEquation("du/dt = laplacian(laplacian(u))", grid=Grid(9, extent=1), boundary=condition)
    FieldEquation("du/dt = laplacian(laplacian(u))", grid=Grid(9, extent=1), boundary=Neumann(0))


@pytest.mark.parametrize(
    ("rate", "axis"),
    [
        ("d_dx(d_dx(x*u))", "x"),  # x*u is neither even nor odd
        ("d_dx(d2_dx2(u + v))", "x"),  # even plus odd
        ("d_dy(laplacian(K*u))", "y"),
        ("d_dx(diffusion(v, u))", "x"),  # even towards the wall, odd along it
        ("d_dx(laplacian(exp(v)))", "x"),
    ],
)
def test_what_is_neither_even_nor_odd_is_refused(rate, axis):
    boundary = {"u": Neumann(0), "v": {"x": Dirichlet(0), "y": Neumann(0)}}
    parameters = {"K": Spatial(torch.ones(8, 9))} if "K" in rate else {}
    with pytest.raises(BoundaryError, match=f"a stencil near '{axis}-' needs values of"):
        declare(boundary, text=f"du/dt = {rate}; dv/dt = v", parameters=parameters)


@pytest.mark.parametrize(
    "rate", ["d_dx(d_dx(y*u))", "d_dx(laplacian(v))", "d_dy(laplacian(v**2*u))", "d_dx(d_dx(tanh(v)))"]
)
def test_what_is_even_or_odd_is_not_refused(rate):
    boundary = {"u": Neumann(0), "v": {"x": Dirichlet(0), "y": Neumann(0)}}
    declare(boundary, text=f"du/dt = {rate}; dv/dt = v")


@pytest.mark.parametrize(
    ("periodic", "boundary", "wanted"),
    [((), Periodic(), r"periodic=\('x', 'y'\)"), (("x", "y"), Neumann(0), r"periodic=\(\)"),
     (("x",), {"x": Neumann(0), "y": Periodic()}, r"periodic=\('y',\)")],
)  # fmt: skip
def test_nodes_and_periodicity_must_agree(periodic, boundary, wanted):
    with pytest.raises(GridError, match="disagree about periodicity; write Grid.*" + wanted):
        declare(boundary, Grid((8, 9), extent=1, centring="node", periodic=periodic))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (1, 0, "Robin with b = 0 is a Dirichlet condition"),
        (float("nan"), 1, "finite numbers"),
        (1, float("inf"), "finite"),
    ],
)
def test_robin_coefficients(a, b, message):
    with pytest.raises(BoundaryError, match=message):
        Robin(a, b, 0)


def test_a_singular_robin_ghost():
    """a/2 + b/h = 0: the ghost drops out of its own condition."""
    with pytest.raises(BoundaryError, match=r"singular on a grid of spacing 0\.5; change the grid"):
        ghost_rule(Robin(-4.0, 1.0, 0), 1, 0.5, on_node=False)


@pytest.mark.parametrize("order", [1, 3, 10])
def test_space_orders(order):
    with pytest.raises(GridError, match="space_order is one of"):
        declare(Neumann(0), space_order=order)


def test_weights_have_all_digits_and_sum_to_the_volume():
    for centring in ("cell", "node"):
        grid = Grid((7, 5), extent=(0.7, 0.3), centring=centring)
        assert grid.weights().sum().item() == pytest.approx(0.21, rel=1e-14)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Neumann(float("nan")),
        lambda: Dirichlet(float("inf")),
        lambda: Dirichlet(None),
        lambda: Neumann([1]),
        lambda: Robin("a", 1),
        lambda: Robin(1, None),
        lambda: Robin(1, 1, float("nan")),
    ],
)
def test_conditions_that_cannot_be_are_refused_where_they_are_written(make):
    with pytest.raises(BoundaryError, match="finite number"):
        make()


def test_grids_too_fine_for_arithmetic_are_refused():
    with pytest.raises(GridError, match="rescale"):
        Grid(8, extent=1e-300)
