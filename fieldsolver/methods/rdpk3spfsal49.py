"""Ranocha and others' 4(3) pair with 9 stages, made for discretised hyperbolic equations with error control. FSAL.

Its stability region follows the spectra of discontinuous Galerkin methods; its error estimate and the published
controller were optimised together. The paper gives it in low-storage form (3S*), with three registers::

    S_1 = S_3 = y,  S_2 = y + (contribution of stage 1)
    S_2 <- S_2 + delta_i S_1
    S_1 <- gamma_1i S_1 + gamma_2i S_2 + gamma_3i S_3 + beta_i h f(t + c_i h, S_1)
"""

from __future__ import annotations

from fractions import Fraction

from . import hermite
from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

# 37 digits, as carried by OrdinaryDiffEqLowStorageRK (MIT). Stages 2 to 9.
GAMMA_1 = (
    "-4.655641447335068552684422206224169103",
    "-0.7720265099645871829248487209517314217",
    "-4.024436690519806086742256154738379161",
    "-0.02129676284018530966221583708648634733",
    "-2.435022509790109546199372365866450709",
    "0.01985627297131987000579523283542615256",
    "-0.2810791146791038566946663374735713961",
    "0.1689434168754859644351230590422137972",
)
GAMMA_2 = (
    "2.499262792574495009336242992898153462",
    "0.5866820377718875577451517985847920081",
    "1.205146086523094569925592464380295241",
    "0.3474793722186732780030762737753849272",
    "1.321346060965113109321230804210670518",
    "0.3119636464694193615946633676950358444",
    "0.4351419539684379261368971206040518552",
    "0.2359698130028753572503744518147537768",
)
GAMMA_3 = (
    "0",
    "0",
    "0.7621006678721315291614677352949377871",
    "-0.1981182504339400567765766904309673119",
    "-0.6228959218699007450469629366684127462",
    "-0.3752248380775956442989480369774937099",
    "-0.3355438309135169811915662336248989661",
    "-0.04560955005031121479972862973705108039",
)
DELTA = (
    "1.262923876648114432874834923838556100",
    "0.7574967189685911558308119415539596711",
    "0.5163589453140728104667573195005629833",
    "-0.02746327421802609557034437892013640319",
    "-0.4382673178127944142238606608356542890",
    "1.273587294602656522645691372699677063",
    "-0.6294740283927400326554066998751383342",
    "0",
)
BETA = (  # stages 1 to 9
    "0.2836343005184365275160654678626695428",
    "0.9736500104654741223716056170419660217",
    "0.3382359225242515288768487569778320563",
    "-0.3584943611106183357043212309791897386",
    "-0.004113944068471528211627210454497620358",
    "1.427968894048586363415504654313371031",
    "0.01808470948394314017665968411915568633",
    "0.1605770645946802213926893453819236685",
    "0.2952227015964591648775833803635147962",
)
C = (
    0,
    "0.2836343005184365275160654678626695428",
    "0.5484076570002894365286665352032296535",
    "0.3687228761669438493478872632332010073",
    "-0.6806126440140844191258463830024463902",
    "0.3518526124230705801739919476290327750",
    "1.665941994879593315477304663913129942",
    "0.9715279295934715835299192116436237065",
    "0.9051569840159589594903399929316959062",
    1,
)
B_HAT = (
    "0.02483675912451591196775756814283216443",
    "0.1866327774562103796990092260942180726",
    "0.05671080795936984495604436622517631183",
    "-0.003447695439149287702616943808570747099",
    "0.003602245056516636472203469198006404016",
    "0.4545570622145088936800484247980581766",
    "-0.0002434665289427612407531544765622888855",
    "0.06642755361103549971517945063138312147",
    "0.1613697079523505006226025497715177578",
    "0.04955424859358438183052504342394102722",
)
STAGES = 9


def butcher_rows() -> tuple[tuple[Fraction, ...], ...]:
    """Rows of `a`, and last the weights, from the registers: each is y plus h times a combination of k_1 .. k_9."""
    zero = [Fraction(0)] * STAGES
    register_1, register_2 = _added(zero, BETA[0], 0), zero
    rows = [register_1]
    for i, (gamma_1, gamma_2, delta) in enumerate(zip(GAMMA_1, GAMMA_2, DELTA, strict=True), start=1):
        register_2 = [s_2 + Fraction(delta) * s_1 for s_1, s_2 in zip(register_1, register_2, strict=True)]
        mixed = [
            Fraction(gamma_1) * s_1 + Fraction(gamma_2) * s_2 for s_1, s_2 in zip(register_1, register_2, strict=True)
        ]  # register 3 is y and holds no stages
        register_1 = _added(mixed, BETA[i], i)
        rows.append(register_1)
    return ((), *(tuple(row[: i + 1]) for i, row in enumerate(rows)))


def _added(register: list[Fraction], beta: str, stage: int) -> list[Fraction]:
    return [value + (Fraction(beta) if j == stage else 0) for j, value in enumerate(register)]


A = butcher_rows()
B = (*A[-1], Fraction(0))

RDPK3SPFSAL49 = ExplicitRungeKutta(
    ButcherTableau(
        name="rdpk3spfsal49",
        order=4,
        source=(
            "Ranocha, Dalcin, Parsani, Ketcheson, Commun. Appl. Math. Comput. 4 (2022) 1191-1228, "
            "doi 10.1007/s42967-021-00159-w, method RDPK3SpFSAL4(3)[3S*+]9"
        ),
        c=C,
        a=A,
        b=B,
        b_hat=B_HAT,
        embedded_order=3,
        interpolant=hermite.cubic_hermite(B),
        interpolant_order=hermite.ORDER,
    )
)
