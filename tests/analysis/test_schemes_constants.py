"""Stability constants of the literature, each against a number from outside."""

import math
from fractions import Fraction

import numpy as np
import pytest

from fieldsolver.analysis.schemes import SCHEMES, energy_growth, get_scheme, stabilised, stages_needed
from fieldsolver.analysis.schemes.characteristic import terms
from fieldsolver.analysis.schemes.rational import RationalScheme, one_step
from fieldsolver.analysis.schemes.runge_kutta import implicit_scheme, stage_order
from fieldsolver.analysis.schemes.stabilised import interval
from fieldsolver.errors import OptionError
from fieldsolver.methods import METHODS, ButcherTableau
from fieldsolver.methods.monotonicity import ssp_radius
from fieldsolver.methods.polynomial import polynomial

INF = math.inf

# Real and imaginary interval: rational R(z), roots isolated to 40 digits.
EXPLICIT = {
    "euler": (2, 0),
    "midpoint": (2, 0),
    "heun": (2, 0),
    "bosh3": (2.5127453266183, math.sqrt(3)),
    "ssprk33": (2.5127453266183, math.sqrt(3)),
    "rk4": (2.7852935634053, 2 * math.sqrt(2)),
    "rk38": (2.7852935634053, 2 * math.sqrt(2)),
    "ssprk43": (5.1494861477740, 2.1561796401677),
    "ssprk104": (13.917047464637, 4.9214530707320),
    "dopri5": (3.3065678926349, 0.99718900863253),
    "tsit5": (3.5068469938, 0.477978868883),
    "ab2": (1, 0),
    "ab3": (6 / 11, 0.723627226986633),
    "ab4": (3 / 10, 0.429987079909256),
    "am3": (6, 0),
    "am4": (3, 0),
    "leapfrog": (0, 1),
    "verlet": (0, 2),
}


@pytest.mark.parametrize("name", EXPLICIT)
def test_intervals(name):
    real, imaginary = EXPLICIT[name]
    facts = get_scheme(name).facts()
    assert facts["real_interval"] == pytest.approx(real, abs=1e-10)
    assert facts["imaginary_interval"] == pytest.approx(imaginary, abs=1e-10)
    if 0 in (real, imaginary):
        assert min(facts["real_interval"], facts["imaginary_interval"]) == 0.0


# Hairer, Wanner II, table V.2.1: 86.03, 73.35, 51.84, 17.84.
@pytest.mark.parametrize(
    ("steps", "degrees"),
    [(1, 90.0), (2, 90.0), (3, 86.03236686), (4, 73.35167047), (5, 51.83975584), (6, 17.83977779)],
)
def test_bdf_sectors(steps, degrees):
    facts = get_scheme(f"bdf{steps}").facts()
    assert facts["alpha"] == pytest.approx(degrees, abs=1e-8)
    assert facts["a_stable"] == (steps <= 2)
    assert facts["real_interval"] == INF


def limit_at_infinity(name):
    return get_scheme(name).facts()["limit_at_infinity"]


def test_limits_at_infinity():
    assert limit_at_infinity("backward_euler") == 0
    assert limit_at_infinity("crank_nicolson") == limit_at_infinity("implicit_midpoint") == -1
    assert [limit_at_infinity(f"gauss{s}") for s in (1, 2, 3, 4)] == [-1, 1, -1, 1]
    assert {limit_at_infinity(f"radau_iia{p}") for p in (1, 3, 5, 7)} == {0}
    assert {limit_at_infinity(f"lobatto_iiic{p}") for p in (2, 4, 6)} == {0}
    assert {abs(limit_at_infinity(f"lobatto_iiia{p}")) for p in (2, 4, 6)} == {1}


def test_every_implicit_method_of_the_catalogue_is_a_stable_and_the_right_ones_l_stable():
    for name, scheme in SCHEMES.items():
        if scheme.family != "implicit":
            continue
        facts = scheme.facts()
        assert facts["a_stable"] is True, name
        assert facts["alpha"] == 90.0
        assert facts["l_stable"] == (not name.startswith(("gauss", "lobatto_iiia", "crank", "implicit_m"))), name


def test_an_a_stable_axis_with_a_pole_on_the_left_is_not_a_stability():
    # |R(iy)| = 1 for all y, but the pole lies at -1: R = (1 - z) / (1 + z)
    chi = one_step(polynomial([1, -1]), polynomial([1, 1]))
    scheme = RationalScheme("wrong", "implicit", 0, 1, 1, "none", chi)
    assert scheme.imaginary_interval == INF
    assert scheme.a_stable is False


def test_growing_solutions_decay_beyond_the_growth_boundary_of_radau():
    assert get_scheme("radau_iia5").facts()["growth_boundary"] == pytest.approx(11.84, abs=0.005)
    assert get_scheme("backward_euler").facts()["growth_boundary"] == 2.0


@pytest.mark.parametrize(("name", "radius"), [("euler", 1), ("heun", 1), ("ssprk33", 1), ("ssprk43", 2), ("rk4", 0)])
def test_ssp_coefficients(name, radius):
    assert get_scheme(name).facts()["ssp"] == pytest.approx(radius, abs=1e-10)
    assert ssp_radius(METHODS["ssprk104"].tableau) == pytest.approx(6, abs=1e-10)


def test_stage_orders():
    for s in (1, 2, 3, 4):
        assert get_scheme(f"gauss{s}").facts()["stage_order"] == s
        assert get_scheme(f"radau_iia{2 * s - 1}").facts()["stage_order"] == s
    assert get_scheme("sdirk2").facts()["stage_order"] == 1
    third = Fraction(1, 12)
    radau = [[5 * third, -third], [Fraction(3, 4), Fraction(1, 4)]]
    assert stage_order(radau, radau[1]) == 2


# --------------------------------------------------------------------- stabilised

RKC2 = {
    2: 1.96296296296,
    3: 5.23040391107,
    4: 9.80425578813,
    5: 15.6847661766,
    10: 64.6884016104,
    20: 260.702501064,
    50: 1632.8009988,
    100: 6533.15274808,
}


@pytest.mark.parametrize("stages", RKC2)
def test_intervals_of_rkc2(stages):
    assert stabilised("rkc2", stages).beta == pytest.approx(RKC2[stages], rel=1e-11)
    assert stabilised("rkc2", stages, Fraction(0)).beta == pytest.approx(2 / 3 * (stages**2 - 1), rel=1e-14)


@pytest.mark.parametrize(("stages", "beta"), [(5, 48.41404627), (10, 193.606271206), (20, 774.375152542)])
def test_intervals_of_rkc1(stages, beta):
    assert stabilised("rkc1", stages).beta == pytest.approx(beta, rel=1e-9)
    assert stabilised("rkc1", stages, Fraction(0)).beta == 2 * stages**2


@pytest.mark.parametrize("stages", [2, 5, 10, 23])
def test_intervals_of_rkl(stages):
    assert stabilised("rkl1", stages).beta == stages**2 + stages
    assert stabilised("rkl2", stages).beta == (stages**2 + stages - 2) / 2


@pytest.mark.parametrize("kind", ["rkc1", "rkc2", "rkl1", "rkl2"])
@pytest.mark.parametrize("stages", [3, 4, 10, 60])
def test_stabilised_methods_do_not_grow_within_their_interval(kind, stages):
    scheme = stabilised(kind, stages)
    z = -np.linspace(0, scheme.beta, 20_001)
    assert scheme.growth(z).max() <= 1 + 1e-11
    assert scheme.facts()["real_interval"] >= scheme.beta * (1 - 1e-14)
    assert scheme.growth(np.array([-1.02 * scheme.facts()["real_interval"]]))[0] > 1


@pytest.mark.parametrize("kind", ["rkc1", "rkc2", "rkl1", "rkl2"])
@pytest.mark.parametrize("reach", [0.0, 1.0, 7.3, 64.6, 5000.0, 1e6])
def test_stages_needed_are_the_fewest(kind, reach):
    stages = stages_needed(kind, reach)
    fewest = int(kind[-1])
    assert stages == fewest or interval(kind, stages) >= reach
    assert stages == fewest or interval(kind, stages - 1) < reach
    assert interval(kind, 12) == pytest.approx(stabilised(kind, 12).beta, rel=1e-13)


def test_the_usual_rule_for_rkc2_never_takes_fewer_stages():
    for reach in np.geomspace(2, 1e5, 60):
        assert 0 <= 1 + math.floor(math.sqrt(1 + 1.54 * reach)) - stages_needed("rkc2", reach) <= 2


# --------------------------------------------------------------------- energy of an oscillator


def taylor(p):
    return RationalScheme(f"taylor{p}", "explicit", p, p, 0, "Taylor", one_step(exponential(p)))


def exponential(p):
    return polynomial(Fraction(1, math.factorial(k)) for k in range(p + 1))


# y -> numerator of |R(iy)|^2 - 1, Taylor methods of order 1 to 6
ENERGY = {
    1: lambda y: y**2,
    2: lambda y: y**4 / 4,
    3: lambda y: y**4 * (y**2 - 3) / 36,
    4: lambda y: y**6 * (y**2 - 8) / 576,
    5: lambda y: y**6 * (y**4 - 15 * y**2 + 40) / 14400,
    6: lambda y: y**8 * (y**4 - 24 * y**2 + 180) / 518400,
}


@pytest.mark.parametrize("order", ENERGY)
def test_energy_growth_of_an_oscillator(order):
    numerator, denominator = energy_growth(taylor(order))
    assert denominator == (1,)
    for y in (Fraction(1, 3), Fraction(2), Fraction(7, 5)):
        assert sum(c * y**k for k, c in enumerate(numerator)) == ENERGY[order](y)


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("bosh3", 3), ("rk4", 4)])
def test_energy_growth_of_the_methods_with_those_functions(name, order):
    assert energy_growth(get_scheme(name)) == energy_growth(taylor(order))


def test_leading_energy_growth_of_other_methods():
    leading = {
        "ssprk43": (Fraction(-1, 24), Fraction(1, 144)),
        "ssprk104": (Fraction(-1, 3240), None),
        "dopri5": (Fraction(-1, 1800), Fraction(1, 1600)),
    }
    for name, (first, second) in leading.items():
        numerator, _ = energy_growth(get_scheme(name))
        lowest = next(k for k, value in enumerate(numerator) if value)
        assert numerator[lowest] == first
        assert second in (None, numerator[lowest + 2])
    tsit5, _ = energy_growth(get_scheme("tsit5"))
    assert float(tsit5[6]) == pytest.approx(-8.6645e-5, rel=1e-4)


def test_gauss_methods_conserve_and_others_refuse():
    assert energy_growth(get_scheme("implicit_midpoint"))[0] == ()
    assert energy_growth(get_scheme("gauss3"))[0] == ()
    with pytest.raises(OptionError, match="no stability function"):
        energy_growth(get_scheme("bdf2"))


# --------------------------------------------------------------------- traps


def test_defects_of_published_decimals_do_not_decide():
    tableau = METHODS["tsit5"].tableau
    exact = list(tableau.stability_polynomial())
    spoiled = [*exact[:2], exact[2] - Fraction(1, 10**13), *exact[3:]]
    raw = RationalScheme("raw", "explicit", 5, 6, 0, "decimals", one_step(polynomial(spoiled)))
    assert raw.imaginary_interval == 0.0  # a defect of 1e-13 decides the sign near 0

    def rounded(row):
        return [Fraction(round(value * 10**14), 10**14) for value in row]

    published = ButcherTableau(
        name="fourteen decimals",
        order=5,
        source=tableau.source,
        c=rounded(tableau.c),
        a=[rounded(row) for row in tableau.a],
        b=rounded(tableau.b),
    )
    assert get_scheme(published).facts()["imaginary_interval"] == pytest.approx(0.477978868883, abs=1e-11)


def test_no_tolerance_makes_an_unstable_pair_stable():
    for name in ("euler", "heun", "ab2", "etd1", "etdrk2", "cnab2"):
        scheme = get_scheme(name)
        silent = [np.zeros(1, dtype=complex)] * (len(scheme.parts) - 1)
        assert scheme.largest_step(np.array([1j]), *silent).dt == 0.0, name


def test_tangency_at_zero_does_not_destroy_an_interval():
    # of methods whose |R| touches 1 with high order; in floating point these come out as 0.0004 and 9e-8 elsewhere
    assert get_scheme("rk4").largest_step(np.array([1j])).dt == pytest.approx(2 * math.sqrt(2), abs=1e-14)
    assert get_scheme("bosh3").largest_step(np.array([1j])).dt == pytest.approx(math.sqrt(3), abs=1e-14)


def test_round_off_in_the_coefficients_of_l_stable_methods_does_not_decide():
    for name in ("sdirk2", "sdirk3", "trbdf2"):
        scheme = get_scheme(name)
        assert scheme.a_stable
        assert scheme.order == (3 if name == "sdirk3" else 2)


# --------------------------------------------------------------------- names


def test_every_scheme_describes_itself():
    assert len(SCHEMES) > 70
    for name, scheme in SCHEMES.items():
        assert scheme.name.split(":")[0] == name
        assert scheme.source
        assert scheme.evaluations >= 0
        assert scheme.solves >= 0
        assert {"real_interval", "imaginary_interval"} <= set(scheme.facts())


def test_schemes_of_methods_tableaux_and_names_agree():
    assert get_scheme(METHODS["rk4"]).facts() == get_scheme("rk4").facts()
    assert get_scheme(METHODS["rk4"].tableau).facts() == get_scheme("rk4").facts()
    assert get_scheme("rkc2:7").evaluations == 7
    scheme = get_scheme("bdf2")
    assert get_scheme(scheme) is scheme


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("rk5", "unknown scheme"),
        ("abm", "changes its formula"),
        ("rkc2:x", "number of stages"),
        ("rkc2:1", "from 2 to"),
        ("rkc3:4", "unknown stabilised"),
    ],
)
def test_names_that_are_refused(name, fault):
    with pytest.raises(OptionError, match=fault):
        get_scheme(name)


def test_tableaux_that_are_refused():
    with pytest.raises(OptionError, match="order 3 is claimed"):
        implicit_scheme("wrong", 3, [["1/2"]], [1], "nobody")
    with pytest.raises(OptionError, match="hides its exact value"):
        implicit_scheme("wrong", 1, [[1.0]], [1], "nobody")
    with pytest.raises(OptionError, match="b has 2"):
        implicit_scheme("wrong", 1, [["1/2"]], ["1/2", "1/2"], "nobody")


def test_terms_drop_zeros():
    assert terms(0, 1, 0) == {(1,): 1}
