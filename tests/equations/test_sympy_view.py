"""SymPy as a view: there and back again, for every word of the language."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import sympy as sp
import torch
from hypothesis import given, settings

from fieldsolver.equations import FieldEquation, Parameter, Signal, Spatial, build
from fieldsolver.equations.calculus.evaluate import evaluate
from fieldsolver.equations.calculus.explicit import Explicit
from fieldsolver.equations.grammar import Scope, parse_expression
from fieldsolver.equations.graph import Node, Number, walk
from fieldsolver.equations.views import SympyView, from_sympy, to_sympy
from fieldsolver.equations.vocabulary import FUNCTIONS, OPERATORS
from fieldsolver.errors import EquationTypeError
from fieldsolver.space import Grid, Periodic
from fieldsolver.testing import expressions

SYMBOLS: dict[str, Node] = {
    "u": build.field("u"),
    "v": build.field("v"),
    "phi": build.field("phi", 2),
    "A": build.field("A", is_complex=True),
    "D": build.parameter("D"),
    "w": build.parameter("w", 2),
    "θ": build.parameter("θ"),
    "K": build.matrix("K", 2, 2),
    "I_in": build.signal("I_in"),
    "S": build.parameter("S", spatial=True),
}
MODULES = {"net": lambda *arguments: build.module_call("net", 2, *arguments)}
SCOPE = Scope(SYMBOLS, MODULES, ("x", "y"), {"u": build.velocity("u")}, frozenset({"kern"}))
VALUES = {
    "u": 0.37, "v": 0.81, "phi": [0.4, -0.6], "A": 0.3 - 0.7j, "D": 1.3, "w": [0.2, 0.9], "θ": 0.6,
    "K": [[0.5, -1.0], [2.0, 0.25]], "I_in": 0.45, "S": 0.33, "x": 0.21, "y": -0.4, "t": 0.7, "du/dt": 1.1,
}  # fmt: skip


def parse(text: str) -> Node:
    return parse_expression(text, SCOPE)


def view() -> SympyView:
    return SympyView(("x", "y"), positive={"D"})


def there_and_back(node: Node) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Values of the components of `node`, and of what SymPy makes of them."""
    seen = view()
    entries = seen.entries(node)
    # The entries of a matrix have no node of their own: put their values.
    numbers = {sp.Symbol(f"K_{i}_{j}", real=True): VALUES["K"][i][j] for i in (0, 1) for j in (0, 1)}
    back = [evaluate(from_sympy(entry.subs(numbers), seen.symbols), VALUES)[0] for entry in entries]
    return evaluate(node, VALUES), back


POINTWISE = [
    *(f"{name}({', '.join(['u', 'v'][: word.arity])})" for name, word in FUNCTIONS.items() if name != "where"),
    *(f"{name}(A*u + 1j)" for name, word in FUNCTIONS.items() if word.complex_ok and word.arity == 1),
    *(f"{name}(-u)" for name in ("abs", "sign", "heaviside", "relu", "sigmoid", "softplus")),
    "heaviside(u - u)",
    "where(u < v, u**2, v)", "where(u >= v, u, D)", "where(u > 0.1, sin(u), w)", "where(x <= y, 1, 2)",
    "u + v - 2*u*v/D", "-u*v**3 + (1 - u)/(D + v**2)", "u**2.5 + v**-3 + D**θ", "2**u", "pi*e + t*x - y",
    "1j*A + conj(A)*abs(A)**2", "(0.5 + 2j)*A", "real(A)**2 + imag(A)*u", "phi*w + u", "phi[0]*w[1]", "K @ phi + w",
    "dot(phi, w)", "d_dt(u) + u", "I_in*u + S*v", "implicit(u*D) + explicit(v)", "1e-05*u + 123456789012345678901*v",
    "0.1*u + 0.30000000000000004", "sqrt(D*u) + cos(pi*x)*exp(-t)", "min(u, max(v, 0.2))",
]  # fmt: skip


@pytest.mark.parametrize("text", POINTWISE)
def test_values_survive_the_round_trip(text):
    before, after = there_and_back(parse(text))
    assert len(before) == len(after)
    for a, b in zip(before, after, strict=True):
        assert abs(complex(a) - complex(b)) <= 1e-13 * (1 + abs(complex(a)))


@settings(max_examples=60)
@given(st.data())
def test_random_expressions_survive_the_round_trip(data):
    scope = Scope({name: SYMBOLS[name] for name in ("u", "v", "phi", "D", "w")}, {}, ("x", "y"))
    node = data.draw(expressions(scope, components=2, depth=3, operators=False, tame=True))
    before, after = there_and_back(node)
    for a, b in zip(before, after, strict=True):
        # Powers of sums of size ten amplify the round-off of another order of summation.
        assert abs(a - b) <= 1e-9 * (1 + abs(a))


x, y, D, n = sp.symbols("x y D n", real=True)
ELEMENTARY = [
    x, sp.Integer(3), sp.Rational(-2, 7), sp.Float(0.1), sp.pi, sp.E, sp.I, 2 * sp.I + 1, x + y - 3, -x, x * y / D,
    -x * y**2 / (3 * D), x**-2, x**sp.Rational(1, 2), x ** sp.Rational(-1, 2), x ** sp.Rational(2, 3), x**y, 2**x,
    sp.exp(-x**2), sp.exp(x) * sp.exp(y), sp.sqrt(1 + x**2), (x + y) ** 3, 1 / (1 + sp.exp(-x)), x - y * (x - D),
    sp.sin(x) * sp.cos(y) + sp.tan(x), sp.asin(x), sp.acos(x), sp.atan(x), sp.sinh(x), sp.cosh(x), sp.tanh(x),
    sp.log(x), sp.erf(x), sp.Abs(x), sp.sign(x), sp.Heaviside(x), sp.Min(x, y, D), sp.Max(x, y),
    sp.conjugate(sp.Symbol("z")), sp.re(sp.Symbol("z")), sp.im(sp.Symbol("z")),
    sp.Piecewise((x, x < y), (y**2, True)), sp.Piecewise((1, x >= 2), (0, True)),
    sp.sqrt(2) * x / 3, x * sp.Rational(3, 4), sp.pi * x / 2, sp.diff(sp.sin(x**2) / x, x, 2).expand(),
    sp.Float(2.5) * x,
]  # fmt: skip


@pytest.mark.parametrize("expression", ELEMENTARY, ids=str)
def test_expressions_survive_the_round_trip(expression):
    nodes = {name: build.parameter(name) for name in ("x", "y", "D")} | {"z": build.parameter("z", is_complex=True)}
    assert to_sympy(from_sympy(expression, nodes)) == expression


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (sp.oo, "not a finite number"),
        (sp.nan, "not a finite number"),
        (sp.zoo, "not a finite number"),
        (sp.Symbol("q"), "'q' is unknown"),
        (sp.gamma(x), "rewrite gamma"),
        (sp.DiracDelta(x), "rewrite DiracDelta"),
        (sp.Heaviside(x, 1), "heaviside\\(0\\) is 1/2"),
        (sp.Piecewise((x, x < 0), (y, x < 1), (1, True)), "only Piecewise"),
        (sp.Piecewise((x, sp.Ne(x, y)), (1, True)), "only Piecewise"),
        (sp.Function("f")(x), "unknown"),
        (sp.Integral(x, (x, 0, 1)), "rewrite Integral"),
        (sp.Derivative(sp.Function("f")(x), D), "unknown"),
        ("x + 1", "expected a number"),
        (sp.Matrix([x]), "expected a number"),
    ],
    ids=str,
)
def test_what_has_no_counterpart_is_refused(expression, message):
    nodes = {name: build.parameter(name) for name in ("x", "y", "D")}
    with pytest.raises(EquationTypeError, match=message):
        from_sympy(expression, nodes)


def test_fields_are_functions_and_parameters_know_their_sign():
    seen = view()
    u = seen.of(parse("u"))
    assert u.func.__name__ == "u"
    assert [str(a) for a in u.args] == ["t", "x", "y"]
    assert u.is_real
    assert seen.of(parse("A")).is_real is None
    assert seen.of(parse("D")).is_positive
    assert seen.of(parse("θ")).is_real
    assert seen.of(parse("θ")).is_positive is None
    assert seen.of(parse("d_dt(u)")) == sp.Derivative(u, seen.t)
    assert seen.of(parse("phi")).shape == (2, 1)
    assert [str(e.func) for e in seen.of(parse("phi"))] == ["phi_0", "phi_1"]
    assert seen.of(parse("K @ phi"))[1] == sum(
        sp.Symbol(f"K_1_{j}", real=True) * seen.of(parse("phi"))[j] for j in (0, 1)
    )
    assert seen.of(SYMBOLS["K"]).shape == (2, 2)


def test_views_of_an_equation_know_axes_and_positive_parameters():
    equation = FieldEquation(
        "du/dt = D*laplacian(u) + S*u + I_in",
        grid=Grid((8, 8), extent=1.0),
        boundary=Periodic(),
        parameters={"D": Parameter(1.0, positive=True), "S": Spatial(torch.ones(8, 8)), "I_in": Signal([0, 1], [0, 1])},
    )
    seen = SympyView.of_equation(equation)
    e = seen.of(equation.statements["u"])
    t, (x, y) = seen.t, seen.coordinates
    u, S = sp.Function("u", real=True)(t, x, y), sp.Function("S", real=True)(x, y)
    positive = sp.Symbol("D", positive=True)
    assert e == positive * (u.diff(x, 2) + u.diff(y, 2)) + S * u + sp.Function("I_in", real=True)(t)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("laplacian(u)", lambda u, v, p, q, x, y: u.diff(x, 2) + u.diff(y, 2)),
        ("diffusion(u*v, u)", lambda u, v, p, q, x, y: (u * v * u.diff(x)).diff(x) + (u * v * u.diff(y)).diff(y)),
        ("gradient_squared(u)", lambda u, v, p, q, x, y: u.diff(x) ** 2 + u.diff(y) ** 2),
        ("dot(gradient(u), gradient(v))", lambda u, v, p, q, x, y: u.diff(x) * v.diff(x) + u.diff(y) * v.diff(y)),
        ("divergence(phi)", lambda u, v, p, q, x, y: p.diff(x) + q.diff(y)),
        ("curl(phi)", lambda u, v, p, q, x, y: q.diff(x) - p.diff(y)),
        ("advection(phi, u)", lambda u, v, p, q, x, y: p * u.diff(x) + q * u.diff(y)),
        ("biharmonic(u)", lambda u, v, p, q, x, y: u.diff(x, 4) + 2 * u.diff(x, 2, y, 2) + u.diff(y, 4)),
        ("laplacian(phi)[1]", lambda u, v, p, q, x, y: q.diff(x, 2) + q.diff(y, 2)),
        ("divergence(u*gradient(v))", lambda u, v, p, q, x, y: (u * v.diff(x)).diff(x) + (u * v.diff(y)).diff(y)),
        *(
            (f"{name}(u**2)", lambda u, v, p, q, x, y, word=word: (u**2).diff((x, y)[word.axis], word.derivative_order))
            for name, word in OPERATORS.items()
            if word.axis in (0, 1)
        ),
    ],
)
def test_operators_are_derivatives(text, expected):
    seen = view()
    u, v, p, q = (seen.of(parse(name)) for name in ("u", "v", "phi[0]", "phi[1]"))
    assert sp.expand(seen.of(parse(text)).doit() - expected(u, v, p, q, *seen.coordinates).doit()) == 0


@pytest.mark.parametrize(
    "text",
    ["laplacian(u)", "diffusion(1 + u**2, v)", "gradient_squared(u*v)", "divergence(phi)", "biharmonic(u)", "curl(phi)",
     "d3_dx3(u*v)", "d_dx(d_dt(u))", "advection(w, u)", "d2_dy2(d_dt(u)) + d_dt(u)"],
)  # fmt: skip
def test_operators_come_back(text):
    seen = view()
    returned = from_sympy(seen.of(parse(text)), seen.symbols)
    # On explicit fields both graphs are numbers again.
    t, x, y = build.time(), build.coordinate("x", 0), build.coordinate("y", 1)
    wave = build.function("sin", 2 * x + t) * build.function("cos", y * x)
    explicit = Explicit(
        {"u": (wave,), "v": (x**3 * y,), "phi": (wave * x, y**2 * wave), "du/dt": (x**4 * y**3 + wave,)}, 2, build.stack
    )
    a, b = (evaluate(explicit(node)[0], VALUES)[0] for node in (parse(text), returned))
    assert torch.isclose(a, b, rtol=1e-12, atol=1e-12)


def test_whole_field_terms_are_functions_that_differentiate_rightly():
    seen = view()
    u, x = seen.of(parse("u")), seen.coordinates[0]
    integral = seen.of(parse("integral(D*u**2)"))
    assert integral.func.__name__ == "integral"
    assert integral.diff(x) == 0
    assert integral.diff(seen.of(parse("D"))).args[0] == u**2
    assert seen.of(parse("mean(u)")).diff(seen.t).args[0] == u.diff(seen.t)
    convolved = seen.of(parse("convolve(kern, u)"))
    assert str(convolved.args[0]) == "kern"
    assert convolved.diff(seen.t).args[1] == u.diff(seen.t)
    with pytest.raises(EquationTypeError, match="not known to SymPy"):
        convolved.diff(x)
    assert [str(e.func) for e in seen.of(parse("net(u, v)"))] == ["net_0", "net_1"]
    assert str(seen.of(parse("white_noise(3)")).func) == "xi_3"
    assert str(seen.of(parse("coloured_noise(1, 0.5)")).func) == "eta_1"


def test_two_names_that_sympy_would_confuse_are_refused():
    seen = SympyView()
    seen.of(build.parameter("w", 2))
    with pytest.raises(EquationTypeError, match="rename one"):
        seen.of(build.parameter("w_0"))


def test_exact_views_keep_the_binary_value():
    node = build.number(0.1)
    assert isinstance(node, Number)
    assert to_sympy(node, exact=True) == sp.Rational(3602879701896397, 36028797018963968)
    assert to_sympy(node) == sp.Float(0.1)


def test_every_kind_of_node_is_covered():
    seen = view()
    texts = [*POINTWISE, "laplacian(u)", "integral(u)", "convolve(kern, u)", "net(u)", "white_noise(0)", "gradient(u)"]
    kinds = {type(node).__name__ for text in texts for node in walk(parse(text))}
    assert kinds >= {"Number", "Constant", "VelocitySymbol", "MatrixProduct", "SignalSymbol", "Treatment", "Comparison"}
    for text in texts:
        assert seen.entries(parse(text))
