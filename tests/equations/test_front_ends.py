"""Text, symbols and classes: three ways in, one graph."""

import pytest
import torch

import fieldsolver as fs

GRID = fs.Grid((6, 6), extent=1.0)
OPTIONS = {"grid": GRID, "boundary": fs.Periodic()}


class GrayScott(fs.System):
    u, v = fs.Field(), fs.Field()
    Du, Dv, k = 2e-5, 1e-5, 0.06
    F = fs.Parameter(0.04, positive=True)

    def rates(self, s):
        uptake = self.u * self.v**2
        return {
            "u": self.Du * s.laplacian(self.u) - uptake + self.F * (1 - self.u),
            "v": self.Dv * s.laplacian(self.v) + uptake - (self.F + self.k) * self.v,
        }


TEXT = """
du/dt = Du*laplacian(u) - u*v**2 + F*(1 - u)
dv/dt = Dv*laplacian(v) + u*v**2 - (F + k)*v
"""


def test_three_front_ends_give_the_same_nodes():
    parameters = {"Du": 2e-5, "Dv": 1e-5, "k": 0.06, "F": fs.Parameter(0.04, positive=True)}
    from_text = fs.FieldEquation(TEXT, parameters=parameters, **OPTIONS)
    from_class = GrayScott.equation(**OPTIONS)
    s = fs.Symbols(GRID)
    u, v = s.field("u"), s.field("v")
    Du, Dv, k, F = (s.parameter(name) for name in ("Du", "Dv", "k", "F"))
    from_symbols = fs.FieldEquation(
        {u: Du * s.laplacian(u) - u * v**2 + F * (1 - u), v: Dv * s.laplacian(v) + u * v**2 - (F + k) * v},
        parameters=parameters,
        **OPTIONS,
    )
    for other in (from_class, from_symbols):
        assert all(other.right_sides[name] is node for name, node in from_text.right_sides.items())
    y = torch.rand(2, 6, 6, dtype=torch.float64)
    assert torch.equal(from_class(0.0, y), from_text(0.0, y))


def test_every_word_is_reachable_from_python():
    from fieldsolver.equations.vocabulary import CONSTANTS, FUNCTIONS, NOISES, OPERATORS, REDUCTIONS, TREATMENTS

    s = fs.Symbols(GRID)
    for word in (
        *CONSTANTS,
        *FUNCTIONS,
        *NOISES,
        *OPERATORS,
        *REDUCTIONS,
        *TREATMENTS,
        "dot",
        "convolve",
        "d_dt",
        "t",
        "x",
    ):
        assert getattr(s, word) is not None
    with pytest.raises(AttributeError, match="did you mean 'laplacian'"):
        s.laplacain  # noqa: B018 - the access is what is tested


def test_second_order_modules_kernels_and_matrices_in_a_class():
    class Everything(fs.System):
        u = fs.Field(order=2)
        w = fs.Field(components=2)
        K = torch.eye(2)
        net = torch.nn.Linear(3, 2)
        kernel = fs.Kernel(lambda dx, dy: torch.exp(-(dx**2) - dy**2), edge="periodic")

        def rates(self, s):
            return {
                "u": s.laplacian(self.u),
                "w": self.K @ self.w + self.net(self.u, self.w) + s.convolve(self.kernel, self.u),
            }

    equation = Everything.equation(**OPTIONS)
    assert str(equation) == "d2u/dt2 = laplacian(u)\ndw/dt = K @ w + net(u, w) + convolve(kernel, u)"
    assert equation.fields == ("u", "du/dt", "w")


def test_overrides_replace_class_values():
    equation = GrayScott.equation(F=0.05, **OPTIONS)
    assert equation.parameter_values()["F"].item() == 0.05
    with pytest.raises(fs.EquationError, match="no parameter 'G'"):
        GrayScott.equation(G=1.0, **OPTIONS)


def test_inheritance_adds_and_replaces():
    class Faster(GrayScott):
        k = 0.065

    assert Faster.equation(**OPTIONS).parameter_values()["k"].item() == 0.065


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda s: {s.field("u"): s.field("u") + s.field("v")}, "uses 'v', which is not declared"),
        (lambda s: {s.field("u"): s.field("u", 2)[0]}, "with 2 component"),
        (lambda s: {s.field("u"): s.parameter("a") * s.field("u")}, "uses 'a'"),
        (lambda s: {}, "dict"),
    ],
)
def test_undeclared_symbols_are_refused(build, message):
    with pytest.raises(fs.EquationError, match=message):
        fs.FieldEquation(build(fs.Symbols(GRID)), **OPTIONS)


def test_bad_classes_are_refused():
    class Silent(fs.System):
        u = fs.Field()

    class Wrong(fs.System):
        u = fs.Field()

        def rates(self, s):
            return {"v": self.u}

    class Empty(fs.System):
        pass

    for system, message in ((Silent, "no rates"), (Wrong, "must give u, got v"), (Empty, "no fields")):
        with pytest.raises(fs.EquationError, match=message):
            system.equation(**OPTIONS)


def test_the_truth_of_a_symbol_is_not_known():
    u = fs.Symbols().field("u")
    with pytest.raises(TypeError, match="where"):
        bool(u > 0)
