"""The lowering to torch against an interpreter that visits one grid point after the other.

The interpreter shares nothing with the lowering but the graph: coefficients are typed in from textbooks, ghost values
are solved from the statement of their condition, and there are no arrays.
"""

from __future__ import annotations

import math
from functools import cache

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from fieldsolver.equations import FieldEquation, Parameter, PerSample, Spatial
from fieldsolver.equations import graph as g
from fieldsolver.equations.parity import parity
from fieldsolver.errors import BoundaryError
from fieldsolver.space import Dirichlet, Grid, Neumann, Periodic, Robin
from fieldsolver.testing import boundaries, equations, expressions, grids, scopes

SMALL = grids(dimensions=(1, 2), points=(7, 8))

# Fornberg, Math. Comp. 51 (1988) 699, table 1 (central) and table 2 (staggered); offsets symmetric about 0.
CENTRAL = {
    (1, 2): (-1 / 2, 0, 1 / 2),
    (1, 4): (1 / 12, -2 / 3, 0, 2 / 3, -1 / 12),
    (2, 2): (1, -2, 1),
    (2, 4): (-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12),
    (3, 2): (-1 / 2, 1, 0, -1, 1 / 2),
    (3, 4): (1 / 8, -1, 13 / 8, 0, -13 / 8, 1, -1 / 8),
    (4, 2): (1, -4, 6, -4, 1),
    (4, 4): (-1 / 6, 2, -13 / 2, 28 / 3, -13 / 2, 2, -1 / 6),
}
FACE_SLOPE = {2: (-1, 1), 4: (1 / 24, -27 / 24, 27 / 24, -1 / 24)}
FACE_MEAN = {2: (1 / 2, 1 / 2), 4: (-1 / 16, 9 / 16, 9 / 16, -1 / 16)}

FUNCTIONS = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "softplus": lambda z: np.log1p(np.exp(z)),
    "relu": lambda z: z if z > 0 else 0.0, "erf": math.erf, "abs": abs, "sign": np.sign,
    "heaviside": lambda z: np.heaviside(z, 0.5), "conj": np.conj, "real": np.real, "imag": np.imag,
    "min": min, "max": max,
}  # fmt: skip
COMPARE = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}


class Naive:
    """Right-hand side of one sample, point by point."""

    def __init__(self, equation: FieldEquation, t: float, y: np.ndarray, parameters: dict[str, np.ndarray]) -> None:
        self.equation, self.t, self.parameters = equation, t, parameters
        self.grid, self.layout = equation.grid, equation.layout
        self.fields = {name: y[start : start + size] for name, (start, size) in self.layout.fields.items()}
        self.value = cache(self._value)

    def rates(self) -> np.ndarray:
        shape = self.grid.shape if self.grid else ()
        rows = []
        for name, node in self.equation.right_sides.items():
            for c in range(self.layout.fields[name][1]):
                rate = np.zeros(shape, dtype=complex)
                for index in np.ndindex(*shape):
                    rate[index] = 0 if self._is_held(name, index) else self.value(node, self._of(node, c), index)
                rows.append(rate)
        return np.stack(rows)

    def _is_held(self, field, index):
        return any(
            isinstance(self.layout.conditions[field][axis, end], Dirichlet)
            and self.grid.has_end_nodes(axis)
            and i == (self.grid.shape[axis] - 1 if end else 0)
            for axis, i in enumerate(index)
            for end in (0, 1)
        )

    @staticmethod
    def _of(node, c):
        return c if node.components > 1 else 0

    def _value(self, node, c, index, wall=None):
        def at(child, where=index):
            return self.value(child, self._of(child, c), where, wall)

        match node:
            case g.Number():
                return node.value
            case g.Constant():
                return {"pi": math.pi, "e": math.e}[node.content[0]]
            case g.TimeSymbol():
                return self.t
            case g.ParameterSymbol():
                return self._parameter(node.name, c, index)
            case g.CoordinateSymbol():
                return self._coordinate(node.axis, index, wall)
            case g.FieldSymbol():
                return self._field(node.name, c, index)
            case g.Sum():
                return sum(at(child) for child in node.operands)
            case g.Negative():
                return -at(node.operands[0])
            case g.Product():
                return math.prod(at(child) for child in node.operands)
            case g.Quotient():
                return at(node.operands[0]) / at(node.operands[1])
            case g.Power():
                return at(node.operands[0]) ** at(node.operands[1])
            case g.Comparison():
                return COMPARE[node.content[0]](at(node.operands[0]), at(node.operands[1]))
            case g.Function(name="where"):
                return at(node.operands[1]) if at(node.operands[0]) else at(node.operands[2])
            case g.Function():
                return FUNCTIONS[node.name](*[at(child) for child in node.operands])
            case g.Component():
                return self.value(node.operands[0], node.content[0], index, wall)
            case g.ModuleCall():
                return self._module(node, index)[c]
            case g.SpatialOperator():
                return self._operator(node, c, index)
        raise TypeError(node)

    def _operator(self, node, c, index):
        order, axes = self.layout.space_order, range(self.grid.dimension)
        operand, name = node.operands[-1], node.name
        match name:
            case "laplacian":
                return sum(self._stencil(operand, c, index, axis, CENTRAL[2, order], 2) for axis in axes)
            case "gradient_squared":
                return sum(self._stencil(operand, c, index, axis, CENTRAL[1, order], 1) ** 2 for axis in axes)
            case "diffusion":
                return sum(self._diffusion(node.operands[0], operand, c, index, axis) for axis in axes)
        m = 1 if name[1] == "_" else int(name[1])
        axis = "xyz".index(name[3] if m == 1 else name.split("_d")[1][0])
        return self._stencil(operand, c, index, axis, CENTRAL[m, order], m)

    def _stencil(self, operand, c, index, axis, coefficients, m):
        half = len(coefficients) // 2
        pairs = zip(range(-half, half + 1), coefficients, strict=True)
        terms = [a * self._moved(operand, c, index, axis, j) for j, a in pairs if a]
        return sum(terms) / self.grid.spacing[axis] ** m

    def _diffusion(self, coefficient, operand, c, index, axis):
        order, h = self.layout.space_order, self.grid.spacing[axis]
        half = order // 2
        cells = range(-half + 1, half + 1)  # around the face at +1/2

        def at_face(table, node, face):  # face k lies at index + k + 1/2
            return sum(
                a * self._moved(node, c, index, axis, face + j) for a, j in zip(table[order], cells, strict=True)
            )

        def flux(face):
            slope = at_face(FACE_SLOPE, operand, face) / h
            depth, end = self._beyond(index[axis] + face + 0.5, axis)
            if depth <= 0:
                return at_face(FACE_MEAN, coefficient, face) * slope
            inwards = 1 if end == 0 else -1
            mirrored = at_face(FACE_MEAN, coefficient, face + inwards * round(2 * depth))
            if self._is_dirichlet(operand, axis, end):
                return mirrored * slope
            if self.grid.has_end_nodes(axis):
                to_wall = (0 if end == 0 else self.grid.shape[axis] - 1) - index[axis]
                around = [at_face(FACE_SLOPE, operand, to_wall + k) / h for k in (-1, 0)]
                on_wall, D = sum(around) / 2, self._moved(coefficient, c, index, axis, to_wall)
            else:
                wall_face = face + inwards * round(depth)
                on_wall, D = at_face(FACE_SLOPE, operand, wall_face) / h, at_face(FACE_MEAN, coefficient, wall_face)
            return mirrored * (slope - 2 * on_wall) + 2 * D * on_wall

        return sum(a * flux(face) for a, face in zip(FACE_SLOPE[order], range(-half, half), strict=True)) / h

    def _beyond(self, position, axis):
        """How many spacings a position lies beyond a wall (negative inside), and beyond which."""
        if self.layout.is_periodic(axis):
            return -1, 0
        shift = 0.0 if self.grid.has_end_nodes(axis) else 0.5
        low, high = -shift - position, position - (self.grid.shape[axis] - 1 + shift)
        return (low, 0) if low >= high else (high, 1)

    def _is_dirichlet(self, operand, axis, end):
        names = {node.name for node in g.walk(operand) if isinstance(node, g.FieldSymbol)}
        kinds = [isinstance(self.layout.conditions[n][axis, end], Dirichlet) for n in names]
        return (bool(kinds) and all(kinds)) or parity(operand, self.layout, (axis, end)) == -1

    def _moved(self, node, c, index, axis, offset):
        moved = list(index)
        moved[axis] += offset
        if self.layout.is_periodic(axis):
            moved[axis] %= self.grid.shape[axis]
        return self.value(node, self._of(node, c), tuple(moved))

    def _field(self, name, c, index):
        for axis, i in enumerate(index):
            if self.layout.is_periodic(axis):
                continue
            size, on_node = self.grid.shape[axis], self.grid.has_end_nodes(axis)
            for end in (0, 1):
                inward = i if end == 0 else size - 1 - i  # 0 is next to the wall, negative is beyond it
                condition = self.layout.conditions[name][axis, end]
                wall = size - 1 if end else 0
                if inward < 0:
                    mirror = -inward if on_node else -inward - 1
                    inside = self._field(name, c, self._put(index, axis, mirror if end == 0 else size - 1 - mirror))
                    distance = 2 * mirror if on_node else 2 * mirror + 1
                    on_wall = self._field(name, c, self._put(index, axis, wall)) if on_node else None
                    value = self._wall(name, c, index, axis, end)
                    return _ghost(condition, inside, on_wall, value, distance * self.grid.spacing[axis])
        walls = [
            self._wall(name, c, index, axis, end)
            for axis in range(len(index))
            for end in (0, 1)
            if index[axis] == (self.grid.shape[axis] - 1 if end else 0)
            and self.grid.has_end_nodes(axis)
            and isinstance(self.layout.conditions[name][axis, end], Dirichlet)
        ]
        return sum(walls) / len(walls) if walls else self.fields[name][(c, *index)]  # where walls meet, their mean

    @staticmethod
    def _put(index, axis, i):
        return (*index[:axis], i, *index[axis + 1 :])

    def _wall(self, name, c, index, axis, end):
        return self.value(self.layout.wall_values[name][axis, end], 0, index, (axis, end))

    def _coordinate(self, axis, index, wall):
        if wall is not None and wall[0] == axis:
            return self.grid.bounds[axis][wall[1]]
        low, h = self.grid.bounds[axis][0], self.grid.spacing[axis]
        return low + (index[axis] + (0.0 if self.grid.centring == "node" else 0.5)) * h

    def _parameter(self, name, c, index):
        value, declared = self.parameters[name], self.equation.declared[name]
        if declared.place != "spatial":
            return value if value.ndim == 0 else value[c]
        inside = []
        for axis, i in enumerate(index):  # even reflection
            size, skip = self.grid.shape[axis], int(self.grid.has_end_nodes(axis))
            i = -i - 1 + skip if i < 0 else i
            inside.append(2 * size - 1 - i - skip if i >= size else i)
        return value[(c, *inside)] if declared.components > 1 else value[tuple(inside)]

    def _module(self, node, index):
        inputs = [self.value(child, c, index) for child in node.operands for c in range(child.components)]
        with torch.no_grad():
            return self.equation.submodules[node.name](
                torch.tensor([float(i) for i in inputs], dtype=torch.float64)
            ).numpy()


def _ghost(condition, inside, on_wall, value, distance):
    match condition:
        case Dirichlet():
            return 2 * value - inside
        case Neumann():
            return inside + distance * value
        case Robin(a=a, b=b) if on_wall is not None:
            return inside + distance * (value - a * on_wall) / b
        case Robin(a=a, b=b):  # a (G + u)/2 + b (G - u)/distance = value
            return (value - a * inside / 2 + b * inside / distance) / (a / 2 + b / distance)
    raise TypeError(condition)


def naive(equation: FieldEquation, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The right-hand side of a batch ``(B, C, *grid)``."""
    values = {name: value.detach().numpy() for name, value in equation.parameter_values().items()}
    samples = []
    for sample in range(y.shape[0]):
        own = {
            name: value[sample] if equation.declared[name].place == "per sample" else value
            for name, value in values.items()
        }
        time = float(t[sample]) if t.dim() else float(t)
        rate = Naive(equation, time, y[sample].numpy(), own).rates()
        samples.append(torch.from_numpy(rate if y.is_complex() else rate.real))
    return torch.stack(samples)


def random_state(equation: FieldEquation, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    dtype = torch.complex128 if equation.is_complex else torch.float64
    return 0.5 * torch.randn(batch, *equation.state_shape, dtype=dtype, generator=generator)


def assert_agrees(equation: FieldEquation, batch: int = 1, t: float | torch.Tensor = 0.7) -> None:
    y, t = random_state(equation, batch), torch.as_tensor(t, dtype=torch.float64)
    got, expected = equation(t, y).detach(), naive(equation, t, y)
    # Stencils of order m divide by h^m: the round-off of a sum is relative to its largest term, not to the sum.
    scale = 1 + expected.abs().max() + (y.abs().max() / min(equation.grid.spacing) ** 4 if equation.grid else 0)
    assert (got - expected).abs().max() <= 1e-12 * scale


@settings(max_examples=150)
@given(SMALL.flatmap(lambda grid: equations(grid=grid, depth=3)))
def test_random_equations(equation):
    assert_agrees(equation)


@settings(max_examples=120)
@given(st.data())
def test_operators_of_operators(data):
    grid = data.draw(grids(dimensions=(1, 2)))
    scope = data.draw(scopes(grid.axes))
    scope = type(scope)({name: scope.symbols[name] for name in ("u", "v", "D")}, {}, grid.axes)
    text = "\n".join(f"d{f}/dt = {data.draw(expressions(scope, depth=3, nested=True, tame=True))} + D*u" for f in "uv")
    boundary = data.draw(boundaries(grid, "uv", homogeneous=True, robin=False))
    try:
        equation = FieldEquation(text, grid=grid, boundary=boundary, parameters={"D": 0.3})
    except BoundaryError as refusal:
        if "beyond the wall" not in str(refusal):
            raise
        return  # a reflection that is neither even nor odd is refused, never guessed
    assert_agrees(equation)


ALL_OPERATORS = """\
du/dt = laplacian(u) + {diffusion} + gradient_squared(v) + d_dx(u*v) + d2_dx2(u) + d3_dx3(v) + d4_dx4(u**2)
dv/dt = diffusion(D, v) - diffusion(2, u*cos(x)) + d_dx(x*v) + laplacian(D*u)"""
SETTINGS = [
    (dimension, centring, order, kind)
    for dimension, shape in ((1, (9,)), (2, (7, 8)), (3, (5, 6, 5)))
    for centring in ("cell", "node")
    for order in (2, 4)
    for kind in ("periodic", "walls", "mixed")
    if dimension < 3 or order == 2
]


def declared(dimension: int, centring: str, order: int, kind: str, **options) -> FieldEquation:
    shape = {1: (9,), 2: (7, 8), 3: (6, 5, 7)}[dimension]
    axes = "xyz"[:dimension]
    if kind == "periodic":
        boundary, closed = Periodic(), axes
    else:
        walls = {"x-": Dirichlet("sin(t)"), "x+": Neumann("t*D"), "y-": Robin(1, 2, 0.3), "y+": Dirichlet("x*t"),
                 "z-": Neumann("x*y - D"), "z+": Robin(0.5, 1.0, "cos(x)")}  # fmt: skip
        u = {key: value for key, value in walls.items() if key[0] in axes}
        v = {key: Robin(1.0, 1.0, 0.2) if key[0] == "x" else Neumann(0.1) for key in u}
        closed = ""
        if kind == "mixed":
            closed = axes[-1]
            u = {**{k: c for k, c in u.items() if k[0] != closed}, closed: Periodic()}
            v = {**{k: c for k, c in v.items() if k[0] != closed}, closed: Periodic()}
        boundary = {"u": u, "v": v}
    return FieldEquation(
        options.pop("text", ALL_OPERATORS).format(diffusion="diffusion(1 + u**2 + x, v)"),
        grid=Grid(shape, extent=1.5, centring=centring, periodic=tuple(closed) if centring == "node" else ()),
        boundary=boundary,
        parameters={"D": 0.4, **options.pop("parameters", {})},
        space_order=order,
        **options,
    )


@pytest.mark.parametrize(("dimension", "centring", "order", "kind"), SETTINGS)
def test_every_operator(dimension, centring, order, kind):
    assert_agrees(declared(dimension, centring, order, kind), batch=2 if dimension == 1 else 1)


def test_batch_with_a_time_and_a_parameter_per_sample():
    equation = declared(
        2, "cell", 2, "walls",
        text=ALL_OPERATORS + "+ k*u*t + w[0]*u + w[1]*sin(t)*v",
        parameters={"k": PerSample(torch.tensor([0.1, 2.0, -1.0])), "w": PerSample(torch.randn(3, 2))},
    )  # fmt: skip
    assert_agrees(equation, batch=3, t=torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64))


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("order", [2, 4])
def test_spatial_parameters(centring, order):
    generator = torch.Generator().manual_seed(1)
    K = torch.rand(7, 8, generator=generator, dtype=torch.float64) + 0.5
    M = torch.rand(2, 7, 8, generator=generator, dtype=torch.float64)
    text = (
        "du/dt = D*diffusion(K, u) + laplacian(K*u) + M[0]*v; dphi/dt = M*u + diffusion(M, phi); dv/dt = d_dx(M[1])*v"
    )
    equation = FieldEquation(
        text, grid=Grid((7, 8), extent=1, centring=centring), boundary=Neumann(0.5), components={"phi": 2},
        parameters={"D": 0.4, "K": Spatial(K), "M": Spatial(M)}, space_order=order,
    )  # fmt: skip
    assert_agrees(equation)


@pytest.mark.parametrize("dimension", [0, 1, 2])
def test_modules_see_components_last(dimension):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    text = "du/dt = net(u, phi, t)[1] + u; dphi/dt = net(phi, k, u)"
    if dimension:
        text += " + laplacian(net(u, phi, x))"
    grid = {0: None, 1: Grid(6, extent=1), 2: Grid((5, 6), extent=1)}[dimension]
    equation = FieldEquation(
        text, grid=grid, boundary=Neumann(0.3) if dimension else None, modules={"net": net}, components={"phi": 2},
        parameters={"k": 0.3},
    )  # fmt: skip
    assert_agrees(equation, batch=3)


@pytest.mark.parametrize("boundary", [Periodic(), Dirichlet(0.2 + 0.1j), Neumann("1j*t"), Robin(1.0, 1.0, 0.5)])
def test_complex_fields_beside_real_ones(boundary):
    real = Periodic() if isinstance(boundary, Periodic) else Neumann(0.1)
    text = """
    dA/dt = A + (1 + c)*laplacian(A) - (1 + 2j)*abs(A)**2*A + exp(1j*t)*u + conj(A)*w
    du/dt = max(u, 0.1) - where(u > 0, real(A), imag(A*w)) + laplacian(u) + abs(w)*u + imag(exp(1j*t)*u)
    """
    equation = FieldEquation(
        text, grid=Grid((6, 7), extent=2), boundary={"A": boundary, "u": real}, complex_fields=("A",),
        parameters={"c": 0.5j, "w": torch.tensor([0.3 - 0.7j])},
    )  # fmt: skip
    y = random_state(equation, 2)
    got = equation(0.3, y)
    expected = naive(equation, torch.tensor(0.3, dtype=torch.float64), torch.stack([y[:, 0], y[:, 1].real + 0j], dim=1))
    assert (got - expected).abs().max() < 1e-11
    assert got[:, 1].imag.abs().max() == 0


@pytest.mark.parametrize(
    "text",
    [
        "where(u > 0, 0.1, 0.3)", "where(2 > 1, u, 3)", "where(t > 1, u, -u)", "max(u, 0.1) + min(0.7, t)*u",
        "heaviside(u) + sign(u) + relu(u)", "softplus(u) + erf(u)", "asin(u/9) + acos(u/9) + sinh(u) + cosh(u)",
        "log(2 + sin(u)) + sqrt(1 + u**2) + exp(u)", "u*10**30", "u*123456789012345678901234567890", "2[0]*u + pi[0]",
        "t[0]*u", "2**u + u**-2 + (1 + u**2)**-0.5", "tan(u) + atan(u) + sigmoid(u)", "u/3/7*2", "e**2", "1", "abs(-u)",
        "where(u > 0.1, k, 0.1*t)*u", "-0.0*u", "conj(u) + real(u) + imag(u)", "imag(exp(1j*t)*u) + real(exp(1j*k)*u)",
    ],
)  # fmt: skip
def test_functions_of_an_ordinary_equation(text):
    equation = FieldEquation(f"du/dt = {text} + k", parameters={"k": 0.3})
    y = torch.tensor([[-1.3], [0.4], [0.0], [2.1]], dtype=torch.float64)
    y = y + 0.05 if "**-2" in text else y
    expected = naive(equation, torch.tensor(0.7, dtype=torch.float64), y)
    torch.testing.assert_close(equation(0.7, y), expected, rtol=1e-14, atol=1e-15)


# -- derivatives ------------------------------------------------------------------------------------------------------


def directional(function, at, along, step=1e-5):
    """Central difference of fourth order."""
    one, two = (function(at + k * step * along) - function(at - k * step * along) for k in (1, 2))
    return (8 * one - two) / (12 * step)


@settings(max_examples=15)
@given(SMALL.flatmap(lambda grid: equations(grid=grid, depth=3)))
def test_state_derivatives_of_random_equations(equation):
    y, direction = random_state(equation), random_state(equation, seed=1)
    t = torch.tensor(0.7, dtype=torch.float64)
    _, tangent = torch.func.jvp(lambda y: equation(t, y), (y,), (direction,))
    difference = directional(lambda y: equation(t, y).detach(), y, direction)
    scale = 1 + tangent.abs().max() + y.abs().max() / min(equation.grid.spacing) ** 4
    assert (tangent - difference).abs().max() < 1e-7 * scale
    weights = random_state(equation, seed=2)
    (gradient,) = torch.func.vjp(lambda y: equation(t, y), y)[1](weights)
    torch.testing.assert_close((gradient * direction).sum(), (weights * tangent).sum(), rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize("kind", ["periodic", "walls"])
@pytest.mark.parametrize("centring", ["cell", "node"])
def test_parameter_gradients(kind, centring):
    text = ALL_OPERATORS + "+ a*diffusion(K, u) + b*u*t + laplacian(c*v)"
    K = torch.rand(7, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) + 0.5
    equation = declared(
        2, centring, 2, kind, text=text,
        parameters={"D": Parameter(0.4, positive=True), "K": Spatial(Parameter(K)), "a": Parameter(0.3, bounds=(0, 1)),
                    "b": PerSample(Parameter(torch.tensor([0.5, -0.5]))), "c": Parameter(0.3)},
    )  # fmt: skip
    y, weights = random_state(equation, 2), random_state(equation, 2, seed=5)
    function, parameters = equation.pure()
    parameters = tuple(p.detach() for p in parameters)
    t = torch.tensor(0.7, dtype=torch.float64)

    def loss(*parameters):
        return (weights * function(parameters, t, y)).sum()

    gradients = torch.func.grad(loss, argnums=tuple(range(len(parameters))))(*parameters)
    for position, (value, gradient) in enumerate(zip(parameters, gradients, strict=True)):
        direction = torch.ones_like(value)
        difference = directional(
            lambda v, i=position: loss(*parameters[:i], v, *parameters[i + 1 :]), value, direction, 1e-4
        )
        torch.testing.assert_close((gradient * direction).sum(), difference, rtol=1e-7, atol=1e-6)

    # And down to the numbers an optimiser sees.
    loss_of_raw = (weights * equation(t, y)).sum()
    loss_of_raw.backward()
    values = dict(zip(equation.parameter_values(), gradients, strict=True))
    torch.testing.assert_close(equation.raw["D"].grad, values["D"] * 0.4)  # d exp(r)/dr
    torch.testing.assert_close(equation.raw["a"].grad, values["a"] * 0.3 * 0.7)  # d sigmoid(r)/dr
    torch.testing.assert_close(equation.raw["K"].grad, values["K"])
