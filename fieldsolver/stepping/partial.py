"""What was computed before an exception ended a run: it travels with the exception, whose type stays what it was."""

from __future__ import annotations

from typing import Any

NAME = "partial_trajectory"


def keep_partial(error: BaseException, trajectory: Any) -> None:
    """Attach the trajectory up to the exception; one that takes no attributes loses it."""
    if hasattr(error, "__dict__"):
        setattr(error, NAME, trajectory)


def take_partial(error: BaseException) -> Any | None:
    """The attached trajectory, detached; None without one."""
    return getattr(error, "__dict__", {}).pop(NAME, None)
