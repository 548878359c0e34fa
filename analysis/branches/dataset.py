"""Points and branches as labelled datasets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..labels import entry
from ..modes.dataset import RATE
from .augmented import Point
from .family import Family
from .follow import Branch
from .normal_form import NormalForm

if TYPE_CHECKING:
    import xarray


def points_dataset(family: Family, points: list[Point], forms: list[NormalForm]) -> xarray.Dataset:
    """Dimensions ``point``, ``component``, ``eig``."""
    import xarray

    along = ("point",)
    eigenvalues = np.array([form.eigenvalues for form in forms], dtype=complex).reshape(len(points), family.size)
    state = np.array([point.u.numpy() for point in points]).reshape(len(points), family.size)
    omega = np.array([point.omega for point in points])
    period = np.array([2 * math.pi / value if value else math.nan for value in omega])
    error = {"certificate": "bounded (to first order)"}
    return xarray.Dataset(
        {
            "value": entry(along, [point.p for point in points], f"value of {family.parameter}"),
            "value_error": entry(along, [point.error for point in points], "bound on its error", **error),
            "state": entry((*along, "component"), state, "equilibrium or fixed point"),
            "frequency": entry(along, omega, "angular frequency of the eigenvalues that cross", RATE),
            "period": entry(along, period, "period of the oscillation that starts there", "time"),
            "eig_re": entry((*along, "eig"), eigenvalues.real, "eigenvalues of the Jacobian", RATE),
            "eig_im": entry((*along, "eig"), eigenvalues.imag, "their imaginary parts", RATE),
            "transversality": entry(
                along, [f.transversality for f in forms], "speed of the crossing with the parameter"
            ),
            "coefficient": entry(along, [form.coefficient for form in forms], "coefficient of the normal form"),
            "criticality": entry(along, np.array([form.criticality for form in forms], dtype="U16"), "what bifurcates"),
            "newton_residual": entry(along, [point.residual for point in points], "residual of the augmented system"),
        },
        coords={
            "component": entry(("component",), family.names, "component of the state"),
            "kind": entry(along, np.array([point.kind for point in points], dtype="U16"), "kind of point"),
        },
    )


def branch_dataset(family: Family, branch: Branch) -> xarray.Dataset:
    """Dimensions ``station``, ``component``, ``eig``, and the events as ``point``."""
    import xarray

    from .normal_form import normal_form

    x = np.stack([station.x.numpy() for station in branch.stations])
    tangents = np.stack([station.tangent.numpy() for station in branch.stations])
    eigenvalues = np.stack([station.eigenvalues for station in branch.stations])
    along = ("station",)
    unit = "1" if branch.is_map else RATE
    variables: dict[str, Any] = {
        "u": entry((*along, "component"), x[:, :-1], "state on the branch"),
        "p": entry(along, x[:, -1], f"value of {family.parameter}"),
        "arclength": entry(along, branch.arclength(), "arclength"),
        "tangent": entry((*along, "unknown"), tangents, "unit tangent, the parameter last"),
        "eig_re": entry((*along, "eig"), eigenvalues.real, "eigenvalues, the most unstable first", unit),
        "eig_im": entry((*along, "eig"), eigenvalues.imag, "their imaginary parts", unit),
        "n_unstable": entry(along, branch.unstable(), "number of unstable eigenvalues"),
        "newton_residual": entry(along, [station.residual for station in branch.stations], "largest entry of F"),
    }
    coordinates = {
        "component": entry(("component",), family.names, "component of the state"),
        "unknown": entry(("unknown",), [*family.names, family.parameter], "component or parameter"),
    }
    if branch.points:
        forms = [normal_form(_of(family, branch, point), point) for point in branch.points]
        along = ("point",)
        states = np.array([point.u.numpy() for point in branch.points])
        variables |= {
            "p_event": entry(along, [point.p for point in branch.points], f"{family.parameter} at the point"),
            "p_event_error": entry(along, [point.error for point in branch.points], "bound on its error"),
            "u_event": entry((*along, "component"), states, "state at the point"),
            "omega_event": entry(along, [point.omega for point in branch.points], "angular frequency", RATE),
            "normal_form": entry(along, [form.coefficient for form in forms], "coefficient of the normal form"),
            "criticality": entry(along, np.array([form.criticality for form in forms], dtype="U16"), "what bifurcates"),
        }
        kinds = np.array([point.kind for point in branch.points], dtype="U16")
        coordinates["kind"] = entry(along, kinds, "kind of point")
    return xarray.Dataset(variables, coords=coordinates)


def _of(family: Family, branch: Branch, point: Point) -> Family:
    from .follow import _fixed

    return _fixed(family) if branch.is_map and point.kind != "period_doubling" else family
