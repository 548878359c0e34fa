"""The controllers by name.

Safety. A filter whose exponents sum to less than 1 would turn a safety factor of 0.9 into a much smaller stationary
error. The filters of the literature therefore get safety = 0.9^(sum of k beta): their steps settle at 0.9 of the size
that the tolerance would allow, whatever their exponents. The codes of Hairer and Wanner keep their own constants.
"""

from __future__ import annotations

from collections.abc import Mapping

from fieldsolver.errors import OptionError, listing, nearest

from .controller import Controller

SAFETY = 0.9
SODERLIND = "Soderlind, ACM Transactions on Mathematical Software 29 (2003) 1-26"


def _filter(
    name: str, source: str, error_exponents: tuple[float, float, float],
    ratio_exponents: tuple[float, float] = (0.0, 0.0), *, smooth: bool = False,
) -> Controller:  # fmt: skip
    return Controller(
        name, source, error_exponents, ratio_exponents,
        safety=SAFETY ** sum(error_exponents), limiter="arctan" if smooth else "clip",
    )  # fmt: skip


_ALL = (
    Controller(
        "pi",
        "Hairer, Wanner, Solving Ordinary Differential Equations II (1996), section IV.2, eq. (2.43c), with the "
        "constants of their code DOPRI5 (beta = 0.04 for k = 5)",
        (0.85, -0.2, 0.0),  # k (1/k - 3/4 beta) and -k beta with k beta = 0.2
        memoryless_exponent=0.85,
        first_error=1e-4,
        least_error=1e-4,
    ),
    _filter(
        "i", "Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (1993), eq. (II.4.13)", (1.0, 0.0, 0.0)
    ),
    _filter("pi34", "Gustafsson, ACM Transactions on Mathematical Software 17 (1991) 533-554", (7 / 10, -4 / 10, 0.0)),
    _filter("pi42", f"{SODERLIND}, PI.4.2", (3 / 5, -1 / 5, 0.0)),
    _filter(
        "pid",
        "the constants k1 = 0.58, k2 = 0.21, k3 = 0.1 of the PID controller in ARKODE (SUNDIALS)",
        (0.58, -0.21, 0.1),
    ),
    _filter("h211b", f"{SODERLIND}, H211b with b = 4", (1 / 4, 1 / 4, 0.0), (1 / 4, 0.0), smooth=True),
    _filter("h312pid", f"{SODERLIND}, H312PID", (1 / 18, 1 / 9, 1 / 18), smooth=True),
    Controller(
        "predictive",
        "Gustafsson, ACM Transactions on Mathematical Software 20 (1994) 496-517; Hairer, Wanner, Solving Ordinary "
        "Differential Equations II (1996), section IV.8, with the safeguards of their code RADAU5",
        (2.0, -1.0, 0.0),
        (-1.0, 0.0),
        max_factor=8.0,
        least_error=1e-2,
        cautious=True,
    ),
)

CONTROLLERS: Mapping[str, Controller] = {controller.name: controller for controller in _ALL}


def get_controller(name: str | Controller) -> Controller:
    """Look a controller up; a controller is returned as it is.

    Raises:
        OptionError: no controller has this name; the message lists those that exist.
    """
    if isinstance(name, Controller):
        return name
    if name not in CONTROLLERS:
        raise OptionError(
            f"unknown controller {name!r}; known: {listing(CONTROLLERS)}{nearest(str(name), CONTROLLERS)}"
        )
    return CONTROLLERS[name]
