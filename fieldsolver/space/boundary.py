"""Boundary conditions, and how a user's declaration is spread over fields, axes and sides.

A side is written ``"x-"`` (low end) or ``"x+"`` (high end); ``"x"`` means both. Nothing is filled in silently: a side
without a condition, with two conditions, or a key that fits nothing is a `BoundaryError`.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fieldsolver.errors import BoundaryError, listing, nearest

Value = float | int | complex | str


@dataclass(frozen=True)
class Condition:
    """Base of the boundary conditions."""

    def __post_init__(self) -> None:
        value = getattr(self, "value", 0.0)
        number = isinstance(value, (int, float, complex)) and not isinstance(value, bool)
        if not isinstance(value, str) and not (number and cmath.isfinite(value)):
            kind = type(self).__name__
            raise BoundaryError(f"{kind} needs a finite number or an expression such as 'sin(t)', got {value!r}")


@dataclass(frozen=True)
class Periodic(Condition):
    """The two ends of the axis are the same place."""


@dataclass(frozen=True)
class AntiPeriodic(Condition):
    """The two ends of the axis are the same place, where the field changes its sign: ``u(x + L) = -u(x)``."""


@dataclass(frozen=True)
class Dirichlet(Condition):
    """``u = value`` on the wall; `value` is a number or an expression such as ``"sin(2*pi*t)"``."""

    value: Value = 0.0


@dataclass(frozen=True)
class Neumann(Condition):
    """Outward normal derivative ``du/dn = value``; `value` is a number or an expression."""

    value: Value = 0.0


@dataclass(frozen=True)
class Pole(Neumann):
    """What stands for a condition where coordinates end without a wall: nothing flows through an end without area."""


@dataclass(frozen=True)
class Robin(Condition):
    """``a u + b du/dn = value`` with the outward derivative; `value` is a number or an expression.

    Raises:
        BoundaryError: `b` is zero (use `Dirichlet`) or a coefficient is not finite.
    """

    a: float
    b: float
    value: Value = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = all(isinstance(c, (int, float)) and not isinstance(c, bool) for c in (self.a, self.b))
        if not numbers or not (math.isfinite(self.a) and math.isfinite(self.b)):
            raise BoundaryError(f"Robin coefficients must be finite numbers, got a={self.a!r}, b={self.b!r}")
        if self.b == 0:
            raise BoundaryError("Robin with b = 0 is a Dirichlet condition; write Dirichlet(g/a)")


@dataclass(frozen=True)
class Absorbing(Condition):
    """Waves of speed `speed` leave: ``du/dt + speed du/dn = 0``, for fields of second order in time.

    Exact for waves that meet the wall at a right angle; one at the angle ``phi`` to the normal comes back with the
    amplitude ``(1 - cos phi)/(1 + cos phi)``.

    Args:
        speed: a positive number or an expression, such as the name of a parameter.

    Raises:
        BoundaryError: the speed is a number that is not positive.

    References:
        Engquist & Majda, Math. Comp. 31 (1977) 629, the first approximation.
    """

    speed: Value

    def __post_init__(self) -> None:
        speed = self.speed
        number = isinstance(speed, (int, float)) and not isinstance(speed, bool) and math.isfinite(speed) and speed > 0
        if not isinstance(speed, str) and not number:
            raise BoundaryError(
                f"Absorbing needs the speed of the waves, a positive number or an expression such as "
                f"'c', got {self.speed!r}"
            )


def is_closed(condition: Condition) -> bool:
    """Whether the axis closes on itself there, with or without a change of sign."""
    return isinstance(condition, (Periodic, AntiPeriodic))


Side = tuple[int, int]
"""``(axis, end)`` with end 0 for low and 1 for high."""

Declaration = Condition | Mapping[str, Any] | None


def resolve_boundary(
    declaration: Declaration, fields: Sequence[str], axes: Sequence[str], poles: Collection[Side] = ()
) -> dict[str, dict[Side, Condition]]:
    """Return ``{field: {(axis, end): condition}}``, complete.

    Args:
        declaration: one condition for everything, or a dict keyed by field (``"u"``) or side (``"x"``, ``"y-"``).
        fields: names of the fields.
        axes: names of the axes.
        poles: sides where the domain ends without a wall, as `Grid.poles` gives them.
    """
    if not axes:
        if declaration is not None:
            raise BoundaryError("boundary= was given, but there is no grid for it to bound; drop it or pass grid=")
        return {name: {} for name in fields}
    if declaration is None:
        raise BoundaryError(
            "the equation has a grid but no boundary; pass boundary=fs.Periodic(), fs.Neumann(0), fs.Dirichlet(0) "
            "or a dict per field and side"
        )
    if isinstance(declaration, Condition):
        per_field: dict[str, Declaration] = dict.fromkeys(fields, declaration)
    elif isinstance(declaration, Mapping):
        per_field = _split_by_field(declaration, fields, axes)
    else:
        raise BoundaryError(f"boundary must be a condition such as fs.Periodic() or a dict, got {declaration!r}")
    resolved = {name: _resolve_sides(name, per_field[name], axes, poles) for name in fields}
    _check_poles(resolved, axes, poles)
    _check_periodic(resolved, axes)
    return resolved


def _split_by_field(
    declaration: Mapping[str, Any], fields: Sequence[str], axes: Sequence[str]
) -> dict[str, Declaration]:
    sides = _side_names(axes)
    if declaration and all(key in sides and key not in fields for key in declaration):
        return dict.fromkeys(fields, declaration)
    for key in declaration:
        if key not in fields:
            kind = "; sides and fields cannot be mixed at one level" if key in sides else nearest(key, fields)
            raise BoundaryError(f"boundary has the key {key!r}, but the fields are {listing(fields)}{kind}")
    missing = [name for name in fields if name not in declaration]
    if missing:
        raise BoundaryError(f"boundary gives nothing for the field {missing[0]!r}; add it, one entry per field")
    return dict(declaration)


def _resolve_sides(
    field: str, declaration: Declaration, axes: Sequence[str], poles: Collection[Side]
) -> dict[Side, Condition]:
    if isinstance(declaration, Condition):
        declaration = _on_all_walls(declaration, axes, poles)
    if not isinstance(declaration, Mapping):
        raise BoundaryError(f"the boundary of {field!r} must be a condition or a dict of sides, got {declaration!r}")
    resolved: dict[Side, Condition] = {}
    known = _side_names(axes)
    for key, condition in declaration.items():
        if key not in known:
            raise BoundaryError(f"the boundary of {field!r} has no side {key!r}; known: {listing(known)}")
        if not isinstance(condition, Condition):
            raise BoundaryError(f"side {key!r} of {field!r} needs a condition such as fs.Neumann(0), got {condition!r}")
        for side in known[key]:
            if side in poles:
                raise BoundaryError(_no_wall(field, key, side, axes, poles))
            if side in resolved:
                raise BoundaryError(f"side {side_name(side, axes)!r} of {field!r} is given twice")
            resolved[side] = condition
    resolved |= dict.fromkeys(poles, Pole())
    for side in ((axis, end) for axis in range(len(axes)) for end in (0, 1)):
        if side not in resolved:
            raise BoundaryError(
                f"side {side_name(side, axes)!r} of {field!r} has no condition; add "
                f'"{side_name(side, axes)}": fs.Neumann(0) or another'
            )
    return dict(sorted(resolved.items()))


def _on_all_walls(condition: Condition, axes: Sequence[str], poles: Collection[Side]) -> dict[str, Condition]:
    names = (
        name if not {(axis, 0), (axis, 1)} & set(poles) else side_name((axis, end), axes)
        for axis, name in enumerate(axes)
        for end in (0, 1)
        if (axis, end) not in poles
    )
    return dict.fromkeys(names, condition)


def _no_wall(field: str, key: str, side: Side, axes: Sequence[str], poles: Collection[Side]) -> str:
    other = (side[0], 1 - side[1])
    instead = "" if other in poles else f'; write "{side_name(other, axes)}" for the other end'
    without = f"drop {key!r}" if key[-1] in "-+" or not instead else f"{key!r} means both ends"
    return f"the boundary of {field!r} has a condition at {side_name(side, axes)!r}, but the pole has no wall: " + (
        without + instead
    )


def _check_poles(
    resolved: Mapping[str, Mapping[Side, Condition]], axes: Sequence[str], poles: Collection[Side]
) -> None:
    for axis, end in poles:
        for field, sides in resolved.items():
            other = sides[axis, 1 - end]
            if is_closed(other):
                raise BoundaryError(
                    f"axis {axes[axis]!r} ends at a pole and cannot close on itself; give {field!r} a condition such "
                    f'as fs.Neumann(0) at "{side_name((axis, 1 - end), axes)}" instead of {type(other).__name__}'
                )


def _check_periodic(resolved: Mapping[str, Mapping[Side, Condition]], axes: Sequence[str]) -> None:
    for axis, name in enumerate(axes):
        kinds = {
            (field, side): is_closed(condition)
            for field, sides in resolved.items()
            for side, condition in sides.items()
            if side[0] == axis
        }
        if any(kinds.values()) and not all(kinds.values()):
            field, side = next(key for key, periodic in kinds.items() if not periodic)
            raise BoundaryError(
                f"axis {name!r} is periodic somewhere but side {side_name(side, axes)!r} of {field!r} is not; "
                "an axis is periodic (or anti-periodic) on both sides and for every field, or for none"
            )
        for field, sides in resolved.items():
            if is_closed(sides[axis, 0]) and type(sides[axis, 0]) is not type(sides[axis, 1]):
                raise BoundaryError(
                    f"axis {name!r} of {field!r} is periodic at one end and anti-periodic at the other; "
                    f'write {{"{name}": fs.Periodic()}} or {{"{name}": fs.AntiPeriodic()}}'
                )


def side_name(side: Side, axes: Sequence[str]) -> str:
    """``(0, 1)`` -> ``"x+"``."""
    return axes[side[0]] + "-+"[side[1]]


def _side_names(axes: Sequence[str]) -> dict[str, list[Side]]:
    names: dict[str, list[Side]] = {}
    for axis, name in enumerate(axes):
        names[name] = [(axis, 0), (axis, 1)]
        names[name + "-"] = [(axis, 0)]
        names[name + "+"] = [(axis, 1)]
    return names
