"""Largest stable steps: laws that hold for every scheme, and the limits of the literature."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fieldsolver.analysis.schemes import SCHEMES, get_scheme, largest_courant, snapped
from fieldsolver.analysis.schemes.characteristic import CharacteristicScheme
from fieldsolver.errors import OptionError

PAIRED = ("imex", "exponential", "splitting", "stochastic")
ONE_PART = [name for name, scheme in SCHEMES.items() if scheme.family not in PAIRED]
TWO_PARTS = [name for name, scheme in SCHEMES.items() if scheme.family in PAIRED]
STRONG_FAMILIES = ("explicit", "implicit", "multistep", "stabilised")
BOUNDED_ONLY = "reversible_"  # these are allowed to grow by 1e-10 per step


def exact_exponential(scheme, z):
    return np.exp(z[0] if scheme.family == "stochastic" else sum(z))


@pytest.mark.parametrize("name", SCHEMES)
def test_the_principal_factor_is_exp_to_the_order(name):
    scheme = SCHEMES[name]
    directions = [0.6 + 0.8j, -0.7 + 0.1j][: len(scheme.parts)]
    order = 1 if scheme.family == "stochastic" else scheme.order  # the mean of EM and Milstein is that of Euler
    h = 0.05 if order < 5 else 0.4  # the error of high orders stays above round-off
    z = [np.array([h, h / 2]) * direction for direction in directions]
    errors = np.abs(scheme.factor(*z) - exact_exponential(scheme, z))
    if errors.max() < 1e-13:
        return  # exact sub-flows, and order 8 and 9
    slope = math.log2(errors[0] / errors[1]) - 1
    assert slope >= order - 0.3
    if scheme.family in STRONG_FAMILIES and not name.startswith(BOUNDED_ONLY) and errors[1] > 1e-13:
        assert slope <= order + 0.9  # and no more: the claimed order is not too low either


@pytest.mark.parametrize("name", ONE_PART)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(angle=st.just(0.0) | st.floats(1e-4, math.pi / 2), size=st.floats(-3, 3))
def test_no_growth_up_to_the_limit_and_growth_beyond(name, angle, size):
    scheme = SCHEMES[name]
    mode = np.array([10**size * complex(-math.sin(angle), math.cos(angle))])
    bound = scheme.largest_step(mode)
    slack = 1e-9 if name.startswith(BOUNDED_ONLY) else 3e-12
    if math.isinf(bound.dt):
        shares = np.geomspace(1e-3, 1e3, 40) / 10**size
    else:
        shares = bound.dt * np.linspace(0.01, 1.0, 40)
    assert np.nanmax(scheme.growth(shares * mode)) <= 1 + slack
    if 0 < bound.dt < math.inf:
        assert bound.binding == 0
        assert scheme.growth(bound.dt * 1.02 * mode)[0] > 1


@pytest.mark.parametrize("name", TWO_PARTS)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(first=st.floats(-3, 0), oscillation=st.floats(-3, 3), second=st.floats(-30, 0))
def test_no_growth_up_to_the_limit_of_pairs(name, first, oscillation, second):
    scheme = SCHEMES[name]
    noise = np.array([abs(first) + 0j])
    modes = (np.array([complex(second, oscillation)]), noise)
    if scheme.family != "stochastic":
        modes = (np.array([complex(first, oscillation)]), np.array([second + 0j]))
    bound = scheme.largest_step(*modes)
    if 0 < bound.dt < math.inf:
        shares = bound.dt * np.linspace(0.01, 1.0, 40)
        assert np.nanmax(scheme.growth(*(shares * mode for mode in modes))) <= 1 + 1e-9
        assert scheme.growth(*(bound.dt * 1.03 * mode for mode in modes))[0] > 1


def test_a_stable_methods_have_no_limit():
    modes = -np.geomspace(1e-6, 1e6, 50) + 1j * np.linspace(-1e3, 1e3, 50)
    for name in ONE_PART:
        facts = SCHEMES[name].facts()
        if facts.get("a_stable"):
            bound = SCHEMES[name].largest_step(modes)
            assert (bound.dt, bound.binding, bound.certificate) == (math.inf, -1, "exact")


@pytest.mark.parametrize("name", ["rk4", "dopri5", "ssprk104", "ab3", "bdf4", "am4", "rkc2:6"])
def test_many_modes_give_what_each_alone_gives(name):
    scheme = get_scheme(name)
    rng = np.random.default_rng(7)
    modes = -5 * rng.random(60) * rng.random(60) ** 4 + 1j * rng.normal(size=60)
    alone = [scheme.largest_step(np.array([mode])).dt for mode in modes]
    together = scheme.largest_step(modes)
    assert together.dt == pytest.approx(min(alone), rel=1e-12)
    assert alone[together.binding] == min(alone)


@pytest.mark.parametrize("name", ["imex_euler", "sbdf2", "ars443", "etdrk4", "strang_rk4"])
def test_many_pairs_give_what_each_alone_gives(name):
    scheme = get_scheme(name)
    rng = np.random.default_rng(11)
    pairs = -rng.random(40) + 3j * rng.normal(size=40), -20 * rng.random(40) + 0j
    alone = [scheme.largest_step(a[None], b[None]).dt for a, b in zip(*pairs, strict=True)]
    together = scheme.largest_step(*pairs)
    assert together.dt == pytest.approx(min(alone), rel=1e-6)
    many = tuple(np.concatenate([values, 0.5 * np.repeat(values, 30)]) for values in pairs)
    assert scheme.largest_step(*many).dt == pytest.approx(min(alone), rel=1e-6)


def test_two_hundred_thousand_modes_cost_few_exact_decisions(monkeypatch):
    decided, original = [], CharacteristicScheme.exact_limit

    def counted(self, *mode):
        decided.append(mode)
        return original(self, *mode)

    monkeypatch.setattr(CharacteristicScheme, "exact_limit", counted)
    theta = np.linspace(0, 2 * np.pi, 200_001)[1:-1]
    bound = get_scheme("rk4").largest_step(-(1 - np.exp(-1j * theta)))
    assert bound.dt == pytest.approx(1.392646781702641, abs=1e-9)
    assert len(decided) < 40


def test_the_binding_mode_is_found_among_weakly_damped_ones():
    # the mode closest to the imaginary axis binds, though it is a hundred times shorter than the others
    modes = np.array([-100.0 + 0j, -50 + 50j, -1e-9 + 1j])
    bound = get_scheme("heun").largest_step(modes)
    assert bound.binding == 2
    # 1 + 2 a x + ... = 1: h^3 / 4 = 2e-9, Heun grows by h^4 / 4 per step
    assert bound.dt == pytest.approx(8e-9 ** (1 / 3), rel=1e-3)


# --------------------------------------------------------------------- special limits


def test_leapfrog_and_verlet():
    assert get_scheme("leapfrog").largest_step(np.array([2j, -1j])).dt == 0.5
    assert get_scheme("leapfrog").largest_step(np.array([-1e-12 + 1j])).dt == 0.0
    assert get_scheme("verlet").largest_step(np.array([3j])).dt == pytest.approx(2 / 3, abs=1e-15)
    # Yoshida's composition: a known limit, Hairer, Lubich, Wanner
    assert get_scheme("yoshida4_verlet").facts()["imaginary_interval"] == pytest.approx(1.5734, abs=1e-4)


def test_verlet_has_the_numerical_frequency_of_the_literature():
    zeta = get_scheme("verlet").factor(np.array([0.5j]))[0]
    assert np.angle(zeta) / 0.5 == pytest.approx(2 / 0.5 * math.asin(0.25), abs=1e-15)
    assert np.angle(zeta) / 0.5 == pytest.approx(1.010721020568, abs=1e-12)


def test_mean_square_limits():
    lam, mu2 = np.array([-4.0 + 0j]), np.array([2.0 + 0j])
    assert get_scheme("euler_maruyama").largest_step(lam, mu2).dt == pytest.approx(6 / 16)
    assert get_scheme("milstein").largest_step(lam, mu2).dt == pytest.approx(6 / (16 + 2))
    assert get_scheme("theta_maruyama").largest_step(lam, mu2).dt == math.inf
    # the equation itself is unstable in mean square
    assert get_scheme("euler_maruyama").largest_step(lam, np.array([9.0 + 0j])).dt == 0.0
    with pytest.raises(OptionError, match="real and not negative"):
        get_scheme("milstein").largest_step(lam, np.array([-1.0 + 0j]))


@pytest.mark.parametrize(("name", "theta", "milstein"), [("euler_maruyama", 0, 0), ("milstein", 0, 1)])
def test_mean_square_growth_is_that_of_simulated_steps(name, theta, milstein):
    rng = np.random.default_rng(3)
    noise, z, mu2 = rng.normal(size=400_000), -0.3 + 0.2j, 0.4
    step = 1 + z + math.sqrt(mu2) * noise + milstein * mu2 / 2 * (noise**2 - 1)
    squares = np.abs(step) ** 2
    error = squares.std() / math.sqrt(squares.size)
    growth = get_scheme(name).growth(np.array([z]), np.array([mu2 + 0j]))[0]
    assert abs(squares.mean() - growth) < 4 * error


def test_stiff_parts_do_not_limit_imex_and_exponential_methods():
    for name in ("imex_euler", "sbdf2", "ars222", "etd1", "etdrk4", "krogstad"):
        scheme = get_scheme(name)
        nothing, stiff = np.zeros(3, dtype=complex), -np.array([1.0, 1e3, 1e6]) + 0j
        assert scheme.largest_step(nothing, stiff).dt == math.inf


def test_refused_modes():
    with pytest.raises(OptionError, match="one for each of explicit, implicit"):
        get_scheme("cnab2").largest_step(np.array([1j]))
    with pytest.raises(OptionError, match="one common shape"):
        get_scheme("cnab2").largest_step(np.array([1j]), np.array([1j, 2j]))
    with pytest.raises(OptionError, match="finite"):
        get_scheme("rk4").largest_step(np.array([np.nan]))
    bound = get_scheme("rk4").largest_step(np.array([], dtype=complex))
    assert (bound.dt, bound.binding) == (math.inf, -1)
    assert get_scheme("rk4").largest_step(np.array([1.0 + 1j])).dt == 0.0


def test_snapping_removes_round_off_only():
    values = np.array([1e-17 + 1j, -1e-5 + 0.5j, 1e-16j - 2])
    assert np.array_equal(snapped(values), np.array([1j, -1e-5 + 0.5j, -2]))
    assert snapped(np.array([])).size == 0


# --------------------------------------------------------------------- Courant numbers on the infinite grid

THIRD, HALF = Fraction(1, 3), Fraction(1, 2)
STENCILS = {
    "upwind1": {0: -1, -1: 1},
    "upwind2": {0: -3 * HALF, -1: 2, -2: -HALF},
    "upwind3": {1: -THIRD, 0: -HALF, -1: 1, -2: -Fraction(1, 6)},
    "central2": {1: -HALF, -1: HALF},
    "central4": {2: Fraction(1, 12), 1: -2 * THIRD, -1: 2 * THIRD, -2: -Fraction(1, 12)},
}
METHODS = ("euler", "heun", "bosh3", "rk4", "ssprk43", "ssprk104", "dopri5", "tsit5")
COURANT = {
    "upwind1": (1, 1, 1.25637, 1.39265, 2, 6, 1.65328, 1.75342),
    "upwind2": (0, 0.5, 0.62807, 0.69632, 0.96313, 2.56870, 0.82664, 0.87671),
    "upwind3": (0, (2 / 3) ** (1 / 3), 1.62589, 1.74527, 2.03670, 3.61112, 2.24629, 2.30100),
    "central2": (0, 0, 1.7320508, 2.8284271, 2.1561796, 4.9214531, 0.9971890, 0.4779789),
    "central4": (0, 0, 1.26222, 2.06120, 1.57131, 3.58648, 0.72670, 0.34832),
}


@pytest.mark.parametrize("stencil", STENCILS)
@pytest.mark.parametrize("column", range(len(METHODS)))
def test_courant_numbers(stencil, column):
    limit = largest_courant(get_scheme(METHODS[column]), STENCILS[stencil])
    assert limit.bound.dt == pytest.approx(COURANT[stencil][column], abs=1e-5)
    assert limit.bound.certificate == "exact"
    if COURANT[stencil][column] == 0:
        assert limit.bound.dt == 0.0
        assert limit.angle == 0.0


def test_the_long_wave_limit_of_heun_with_third_order_upwinding_is_exact():
    limit = largest_courant(get_scheme("heun"), STENCILS["upwind3"])
    assert limit.bound.dt == pytest.approx((2 / 3) ** (1 / 3), abs=1e-15)
    assert limit.angle == 0.0


def test_courant_number_of_linear_weno5_with_three_stages():
    # Wang, Spiteri 2007; Motamed, Macdonald, Ruuth 2011: 1.43
    flux = {2: Fraction(-1, 20), 1: Fraction(9, 20), 0: Fraction(47, 60), -1: Fraction(-13, 60), -2: Fraction(1, 30)}
    weights = {k: -flux.get(k, Fraction(0)) + flux.get(k + 1, Fraction(0)) for k in range(-3, 3)}
    assert largest_courant(get_scheme("ssprk33"), weights).bound.dt == pytest.approx(1.43, abs=0.005)


@pytest.mark.parametrize(
    ("weights", "smallest"),
    [
        ({1: 1, 0: -2, -1: 1}, 4),
        (
            {2: -Fraction(1, 12), 1: Fraction(4, 3), 0: -Fraction(5, 2), -1: Fraction(4, 3), -2: -Fraction(1, 12)},
            16 / 3,
        ),
        ({2: -1, 1: 4, 0: -6, -1: 4, -2: -1}, 16),
    ],
)
def test_diffusion_numbers(weights, smallest):
    for name in ("euler", "rk4"):
        limit = largest_courant(get_scheme(name), weights)
        assert limit.bound.dt == pytest.approx(get_scheme(name).facts()["real_interval"] / smallest, abs=1e-12)
        assert limit.angle == pytest.approx(math.pi)
    for name in ("crank_nicolson", "backward_euler"):
        assert largest_courant(get_scheme(name), weights).bound.dt == math.inf


def test_courant_limits_agree_with_dense_sampling():
    theta = np.linspace(0, 2 * np.pi, 601)[1:-1]
    for stencil, weights in STENCILS.items():
        symbol = sum(float(w) * np.exp(1j * k * theta) for k, w in weights.items())
        if stencil.startswith("central"):
            symbol = 1j * symbol.imag
        for name in ("rk4", "bosh3"):
            sampled = get_scheme(name).largest_step(symbol).dt
            assert largest_courant(get_scheme(name), weights).bound.dt == pytest.approx(sampled, abs=3e-4)


def test_only_runge_kutta_methods_have_exact_courant_numbers():
    with pytest.raises(OptionError, match="wants a Runge-Kutta method"):
        largest_courant(get_scheme("ab3"), STENCILS["upwind1"])
