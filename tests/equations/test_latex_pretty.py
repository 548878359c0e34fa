"""LaTeX and Unicode: the strings that a reader sees, and brackets where meaning needs them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

from fieldsolver.equations import FieldEquation, Parameter, build, views
from fieldsolver.equations.grammar import Scope, parse_expression
from fieldsolver.equations.views.latex import LatexNotation
from fieldsolver.equations.views.names import latex_name, pretty_name
from fieldsolver.equations.views.pretty import PrettyNotation
from fieldsolver.equations.vocabulary import FUNCTIONS, OPERATORS
from fieldsolver.space import Grid, Kernel, Neumann, Periodic

GRID = Grid((8, 8), extent=1.0)
GRAY_SCOTT = "du/dt = Du*laplacian(u) - u*v**2 + F*(1 - u); dv/dt = Dv*laplacian(v) + u*v**2 - (F + k)*v"
SCOPE = Scope(
    {
        "u": build.field("u"),
        "v": build.field("v"),
        "phi": build.field("phi", 2),
        "D": build.parameter("D"),
        "sigma": build.parameter("sigma"),
        "K": build.matrix("K", 2, 2),
        "A": build.field("A", is_complex=True),
    },
    {"net": lambda *arguments: build.module_call("net", 1, *arguments)},
    ("x", "y"),
    {"u": build.velocity("u")},
    frozenset({"w"}),
)


def gray_scott() -> FieldEquation:
    parameters = {"Du": 2e-5, "Dv": 1e-5, "F": Parameter(0.04, positive=True), "k": 0.06}
    return FieldEquation(GRAY_SCOTT, grid=GRID, boundary=Periodic(), parameters=parameters)


def pretty(text: str) -> str:
    return PrettyNotation("uv").render(parse_expression(text, SCOPE))


def latex(text: str) -> str:
    return LatexNotation("uv").render(parse_expression(text, SCOPE))


def test_gray_scott():
    equation = gray_scott()
    assert equation.pretty() == "∂u/∂t = Dᵤ ∇²u − u v² + F (1 − u)\n∂v/∂t = Dᵥ ∇²v + u v² − (F + k) v"
    assert equation.latex() == (
        "\\begin{aligned}\n"
        "\\partial_t u &= D_{u} \\nabla^2 u - u v^{2} + F \\left(1 - u\\right) \\\\\n"
        "\\partial_t v &= D_{v} \\nabla^2 v + u v^{2} - \\left(F + k\\right) v\n"
        "\\end{aligned}"
    )


def test_sine_gordon():
    equation = FieldEquation(
        "d2u/dt2 = c**2*laplacian(u) - sin(u) - gamma*d_dt(u)",
        grid=GRID,
        boundary=Neumann(0),
        parameters={"c": 1.0, "gamma": 0.1},
    )
    assert equation.pretty() == "∂²u/∂t² = c² ∇²u − sin(u) − γ ∂ₜu"
    assert equation.latex() == (
        "\\begin{aligned}\n"
        "\\partial_t^2 u &= c^{2} \\nabla^2 u - \\sin\\left(u\\right) - \\gamma \\partial_t u\n"
        "\\end{aligned}"
    )


def test_stochastic_equation():
    equation = FieldEquation(
        "dx/dt = theta*(mu - x) + sigma*white_noise(0)",
        parameters={"theta": 1.0, "mu": 0.0, "sigma": 0.3},
        calculus="ito",
    )
    assert equation.pretty() == "dx/dt = θ (μ − x) + σ ξ₀"
    assert equation.latex() == (
        "\\begin{aligned}\n"
        "\\frac{\\mathrm{d} x}{\\mathrm{d} t} &= \\theta \\left(\\mu - x\\right) + \\sigma \\xi_{0}\n"
        "\\end{aligned}"
    )


def test_definitions_follow_the_equations():
    equation = FieldEquation("du/dt = -rate*u", parameters={"rate": "1 + sin(t)**2"})
    assert equation.pretty() == "du/dt = −rate u\nrate = 1 + sin(t)²"
    assert "\\mathrm{rate} &= 1 + \\sin\\left(t\\right)^{2}" in equation.latex()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("diffusion(1 + u**2, u)", "∇·((1 + u²) ∇u)"),
        ("diffusion(D, u)", "∇·(D ∇u)"),
        ("gradient_squared(u)", "|∇u|²"),
        ("d_dx(u) + d_dy(u*v)", "∂ₓ u + ∂_y (u v)"),
        ("d2_dx2(u) - d4_dy4(u)", "∂ₓ² u − ∂_y⁴ u"),
        ("laplacian(u)*v", "(∇²u) v"),
        ("v*laplacian(u**2)", "v ∇²(u²)"),
        ("biharmonic(laplacian(u))", "∇⁴(∇²u)"),
        ("advection(phi, u)", "(φ·∇)u"),
        ("divergence(phi) + curl(phi)", "∇·φ + ∇×φ"),
        ("dot(gradient(u), phi)", "∇u · φ"),
        ("phi[0]*phi[1]", "φ₀ φ₁"),
        ("(K @ phi)[0]", "(K φ)[0]"),
        ("u - (v - D)", "u − (v − D)"),
        ("-u*v", "−u v"),
        ("-(u + v)", "−(u + v)"),
        ("u*-v", "u (−v)"),
        ("u**-2", "u⁻²"),
        ("(u*v)**2", "(u v)²"),
        ("u**v**2", "u^(v²)"),
        ("u**D", "u^D"),
        ("u*2*3", "u · 2 · 3"),
        ("u/(v*D)", "u/(v D)"),
        ("(u + v)/D*u", "((u + v)/D) u"),
        ("1e-05*u", "1·10⁻⁵ u"),
        ("(2e-05)**2", "(2·10⁻⁵)²"),
        ("sqrt(u + v)*abs(v)", "√(u + v) |v|"),
        ("where(u > 0, u, v)", "{u if u > 0, else v}"),
        ("max(u, v) + heaviside(u)", "max(u, v) + H(u)"),
        ("integral(u*v) - mean(u)", "∫ (u v) − ⟨u⟩"),
        ("convolve(w, u**2)", "(w ∗ u²)"),
        ("coloured_noise(1, 0.5)", "η₁(ℓ=0.5)"),
        ("implicit(laplacian(u))", "implicit(∇²u)"),
        ("net(u, sigma)", "net(u, σ)"),
        ("1j*A + 2j*u", "i A + 2 i u"),
        ("pi*e*t", "π e t"),
    ],
)
def test_pretty(text, shown):
    assert pretty(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("diffusion(1 + u**2, u)", r"\nabla\cdot\left(\left(1 + u^{2}\right) \nabla u\right)"),
        ("gradient_squared(u)", r"\left|\nabla u\right|^2"),
        ("gradient_squared(u)**2", r"{\left(\left|\nabla u\right|^2\right)}^{2}"),
        ("d_dx(u)*v + d2_dy2(u)", r"\left(\partial_x u\right) v + \partial_y^2 u"),
        ("u/(v + D)", r"\frac{u}{v + D}"),
        ("(u/v)**2", r"\left(\frac{u}{v}\right)^{2}"),
        ("-u/v", r"-\frac{u}{v}"),
        ("advection(phi, u)", r"\left(\phi\cdot\nabla\right) u"),
        ("phi[1]", r"\phi_{1}"),
        ("integral(u)", r"\int u \,\mathrm{d}V"),
        ("conj(A)*1j", r"\overline{A} \mathrm{i}"),
        ("where(u >= 0, u, v)", r"\begin{cases} u & u \ge 0 \\ v & \text{otherwise} \end{cases}"),
        ("coloured_noise(0, 0.1)", r"\eta_{0}^{(\ell=0.1)}"),
        ("convolve(w, u)", r"\left(w * u\right)"),
        ("1e-05*u", r"1 \cdot 10^{-5} u"),
        ("explicit(u)", r"\left[u\right]_{\mathrm{explicit}}"),
        ("erf(u) + asin(u)", r"\operatorname{erf}\left(u\right) + \arcsin\left(u\right)"),
    ],
)
def test_latex(text, shown):
    assert latex(text) == shown


@pytest.mark.parametrize("name", sorted({*FUNCTIONS} - {"where"}))
def test_every_function_has_both_notations(name):
    arguments = ", ".join(["u", "v"][: FUNCTIONS[name].arity])
    for render in (pretty, latex):
        shown = render(f"{name}({arguments})")
        assert "u" in shown
        assert shown.count("(") == shown.count(")")


@pytest.mark.parametrize("name", [name for name, word in OPERATORS.items() if word.axis != 2])
def test_every_operator_has_both_notations(name):
    operand = "phi" if name in ("divergence", "curl") else "u"
    call = {"diffusion": "D, u", "advection": "phi, u", "fractional_laplacian": "D, u"}.get(name, operand)
    assert any(sign in pretty(f"{name}({call})") for sign in "∇∂")
    assert any(sign in latex(f"{name}({call})") for sign in (r"\nabla", r"\partial"))


@pytest.mark.parametrize(
    ("name", "shown", "typeset"),
    [
        ("sigma", "σ", r"\sigma"),
        ("σ", "σ", r"\sigma"),
        ("lam", "λ", r"\lambda"),
        ("tau_m", "τₘ", r"\tau_{m}"),
        ("D_w", "D_w", "D_{w}"),
        ("k1", "k₁", "k_{1}"),
        ("Du", "Dᵤ", "D_{u}"),
        ("mu", "μ", r"\mu"),
        ("nu", "ν", r"\nu"),
        ("rate", "rate", r"\mathrm{rate}"),
        ("v_max", "vₘₐₓ", r"v_{\mathrm{max}}"),
        ("a_b_c", "a_b_c", r"a_{\mathrm{b\_c}}"),
        ("lambda_", "λ", r"\lambda"),
    ],
)
def test_names(name, shown, typeset):
    assert pretty_name(name, ("u", "v")) == shown
    assert latex_name(name, ("u", "v")) == typeset


def test_kernels_and_modules_print():
    equation = FieldEquation(
        "du/dt = -u + convolve(w, heaviside(u - h)) + net(u)",
        grid=Grid(8, extent=1.0),
        boundary=Periodic(),
        parameters={"h": 0.3},
        kernels={"w": Kernel(lambda x: torch.exp(-(x**2)), edge="periodic")},
        modules={"net": torch.nn.Linear(1, 1).double()},
    )
    assert equation.pretty() == "∂u/∂t = −u + (w ∗ H(u − h)) + net(u)"


def test_sympy_is_loaded_inside_functions_only():
    for file in Path(views.__file__).parent.glob("*.py"):
        for statement in ast.parse(file.read_text()).body:
            names = [alias.name for alias in getattr(statement, "names", [])] + [getattr(statement, "module", "")]
            assert "sympy" not in names, file.name
