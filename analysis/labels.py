"""Variables of result datasets: dimensions, values, and the attributes that every one of them carries."""

from __future__ import annotations

from typing import Any

Entry = tuple[Any, Any, dict[str, Any]]
"""What `xarray.Dataset` takes for a variable: dimensions, values, attributes."""


def about(name: str, units: str = "1", **more: Any) -> dict[str, Any]:
    """Attributes: units, the name in words, and what else there is to say."""
    return {"units": units, "long_name": name, **more}


def entry(dims: tuple[str, ...], values: Any, name: str, units: str = "1", **more: Any) -> Entry:
    """A variable with its attributes."""
    return dims, values, about(name, units, **more)


def scalar(value: Any, name: str, units: str = "1", **more: Any) -> Entry:
    """A variable without dimensions."""
    return entry((), value, name, units, **more)
