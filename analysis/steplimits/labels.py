"""The labelled dataset of a study of step limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..labels import Entry, about
from ..schemes.scheme import Complex, Floats
from .costs import needed_stages, stages, work
from .frozen import outermost
from .limits import behaviour
from .numerical_waves import relative
from .routes import ROUTES
from .study import Study

if TYPE_CHECKING:
    import xarray

MOST_EIGENVALUES = 2000
"""Eigenvalues that are kept; the outermost ones are among them."""


def dataset(study: Study) -> xarray.Dataset:
    """Schema ``stability/1`` without its verdict."""
    import xarray

    data = xarray.Dataset(
        {**_limits(study), **_binding(study), **_waves(study), **_spectrum(study), **_totals(study)},
        coords={
            "integrator": (("integrator",), _names(study), about("method")),
            "term": (("term",), np.array(study.rates.labels), about("additive term of the right-hand sides")),
            "route": (("route",), np.array(ROUTES), about("how a limit was found")),
            "axis": (("axis",), np.array(_axes(study)), about("axis of the grid")),
            "mode_theta": (
                ("mode", "axis"),
                _theta(study)[study.shown],
                about("angle k h of a mode, NaN for no wave"),
            ),
        },
    )
    return data if study.found.range is None else data.assign(_range(study))


def _limits(study: Study) -> dict[str, Entry]:
    rows = study.rows

    def per(values: list[Any], name: str, units: str = "1", **more: Any) -> Entry:
        return ("integrator",), np.array(values), {"units": units, "long_name": name, **more}

    limits = [row.limit for row in rows]
    sure = {"confidence": 1.0} if all(found.is_certified for found in limits) else {}  # an estimate has none
    ratio = [row.engine / row.limit.dt if 0 < row.limit.dt < np.inf else np.nan for row in rows]
    return {
        "dt_max": per([found.dt for found in limits], "largest stable step", "time"),
        "dt_max_lo": per(
            [found.lo for found in limits], "stable for all eigenvalues within their discs", "time", **sure
        ),
        "dt_max_hi": per([found.dt for found in limits], "upper end for the eigenvalues found", "time", **sure),
        "dt_route": (
            ("integrator", "route"),
            np.stack([row.by_route for row in rows]),
            {"units": "time", "long_name": "limit by each route, NaN where it was not taken"},
        ),
        "dt_recommended": per([row.cost.recommended for row in rows], "recommended step", "time"),
        "dt_accurate": per([row.cost.accurate for row in rows], "step that follows the resolved modes", "time"),
        "dt_used": per([row.dt for row in rows], "step at which damping and phase are told", "time"),
        "margin": per([found.dt / row.dt for found, row in zip(limits, rows, strict=True)], "limit over step"),
        "certificate": per([found.certificate for found in limits], "level of certainty"),
        "behaviour": per([behaviour(found, study.modes.rate) for found in limits], "how steps of any size behave"),
        "note": per([found.note for found in limits], "what to know"),
        "family": per([found.scheme.family for found in limits], "family of the method"),
        "order": per([float(found.scheme.order) for found in limits], "order of the method"),
        "evaluations": per([found.scheme.evaluations for found in limits], "evaluations per step"),
        "stages": per([stages(found.scheme) for found in limits], "stages per step"),
        "stages_needed": per(
            [needed_stages(row.limit, row.dt, study.modes.rate) for row in rows],
            "stages of a stabilised method for dt_used, NaN for others",
        ),
        "solves": per([found.scheme.solves for found in limits], "linear solves per step"),
        "work": per([work(found.scheme, study.solve_cost) for found in limits], "evaluations and solves, per step"),
        "cost_per_time": per([row.cost.per_time for row in rows], "evaluations per unit of time", "1/time"),
        "growth_beyond": per(
            [row.growth for row in rows],
            "growth rate 5 % beyond the limit; without one, at the step asked about or a small one",
            "1/time",
        ),
        "dt_engine": per([row.engine for row in rows], "limit by the quick check of solve", "time"),
        "engine_ratio": per(ratio, "quick check over limit: below 1 it is cautious, above 1 it misses something"),
        "points_per_wavelength": per([row.points for row in rows], "for a phase error of one percent"),
    }


def _binding(study: Study) -> dict[str, Entry]:
    bindings = [row.binding for row in study.rows]
    values = np.array([one.eigenvalue for one in bindings])
    theta = np.stack([one.theta for one in bindings])
    per, terms = ("integrator",), ("integrator", "term")
    shares = np.stack([one.shares for one in bindings])
    effects = np.stack([one.effects for one in bindings])
    return {
        "binding_mode": (
            per,
            np.array([one.position for one in bindings]),
            about("position of the binding mode, or -1"),
        ),
        "binding_term": (per, np.array([one.term for one in bindings]), about("term that shortens the step most")),
        "binding_theta": (("integrator", "axis"), theta, about("angle k h of the binding mode")),
        **_complex(per, "binding_eigenvalue", values, "eigenvalue of the binding mode", "1/time"),
        **_complex(terms, "term_share", shares, "part of the binding eigenvalue", "1/time"),
        "term_effect": (terms, effects, about("- d log dt_max / d log term")),
    }


def _waves(study: Study) -> dict[str, Entry]:
    over, scale = ("integrator", "mode"), study.modes.rate
    values, exact = study.modes.eigenvalues[study.shown], study.exact_frequency
    steps = np.stack([relative(row.frequency, values.imag, scale) for row in study.rows])
    total = np.stack([relative(row.frequency, exact, scale) for row in study.rows])
    size = np.stack([row.amplification for row in study.rows])
    return {
        **_complex(("mode",), "mode_eigenvalue", values, "eigenvalue of a shown mode", "1/time"),
        "amplification": (over, size, about("|R| per step of dt_used")),
        "phase_error": (over, steps, about("numerical frequency over that of the mode on this grid, minus 1")),
        "phase_error_total": (
            over,
            total,
            about("numerical frequency over that of the differential equation, minus 1"),
        ),
    }


def _spectrum(study: Study) -> dict[str, Entry]:
    values, radius = study.modes.eigenvalues, study.modes.radius
    kept = np.arange(values.size)
    if values.size > MOST_EIGENVALUES:
        spread = np.linspace(0, values.size - 1, MOST_EIGENVALUES // 2).astype(int)
        kept = np.unique(np.concatenate([outermost(values)[: MOST_EIGENVALUES // 2], spread]))
    return {
        **_complex(
            ("eig",), "eig", values[kept], "eigenvalues of the Jacobian (the outermost and a selection)", "1/time"
        ),
        "eig_radius": (("eig",), radius[kept], about("radius of the disc around it", "1/time")),
    }


def _range(study: Study) -> dict[str, Entry]:
    corners = study.found.range
    if corners is None:
        return {}
    return {
        **_complex(("theta",), "numerical_range", corners, "polygon around the numerical range", "1/time"),
        "numerical_abscissa": (
            (),
            study.found.abscissa,
            about("largest growth rate of any state, from above", "1/time"),
        ),
    }


def _totals(study: Study) -> dict[str, Entry]:
    modes = study.modes
    limits = [row.limit for row in study.rows]
    noisy = [found for found in limits if found.grows is not None and "noise" in found.scheme.parts]
    count, fastest = study.growing((noisy or limits)[0])
    of = ", in the mean square," if noisy else ""
    moving = np.abs(modes.eigenvalues.real[np.abs(modes.eigenvalues.real) > 1e-12 * modes.rate])
    ratio = float(moving.max() / moving.min()) if moving.size else 1.0
    return {
        "growth_max": ((), fastest, about(f"fastest growth{of} in the equation itself", "1/time")),
        "n_growing": ((), count, about(f"modes that grow{of} in the equation itself")),
        "n_modes": ((), modes.eigenvalues.size, about("modes that were looked at")),
        "stiffness": ((), ratio, about("fastest over slowest decay or growth")),
    }


def _theta(study: Study) -> Floats:
    return study.modes.theta


def _axes(study: Study) -> list[str]:
    count = study.modes.theta.shape[1]
    equation = study.rates.equation
    if equation is not None and equation.grid is not None and not equation.layout.domains and count:
        return list(equation.layout.required_grid().axes)
    return [str(position) for position in range(count)]


def _names(study: Study) -> np.ndarray:
    return np.array([row.limit.scheme.name for row in study.rows])


def _complex(dims: tuple[str, ...], name: str, values: Complex, text: str, units: str = "1") -> dict[str, Entry]:
    return {
        f"{name}_re": (dims, values.real.copy(), about(f"{text}, real part", units)),
        f"{name}_im": (dims, values.imag.copy(), about(f"{text}, imaginary part", units)),
    }
