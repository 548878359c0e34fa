"""Light and dark pictures in colours that colour-blind readers can tell apart (Okabe, Ito 2008).

A picture is drawn inside `drawn_in(theme)`; drawing code asks `colour`, `ink` and `muted` instead of naming colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fieldsolver.errors import OptionError, listing, nearest

_LIGHT_CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31")
_DARK_CYCLE = ("#56B4E9", "#E69F00", "#2FC79F", "#E29CC4", "#F0E442", "#FF8A47", "#B9C3CC")
_GROUNDS = {  # page, ink, muted
    "light": ("#FFFFFF", "#1A1A1A", "#7F7F7F", _LIGHT_CYCLE),
    "dark": ("#14171A", "#E8E8E8", "#8C949B", _DARK_CYCLE),
}
THEMES: tuple[str, ...] = tuple(_GROUNDS)
DASHES: tuple[str, ...] = ("-", "--", "-.", ":")


@contextmanager
def drawn_in(theme: str) -> Iterator[None]:
    """Matplotlib's settings for a theme while a picture is drawn; they are put back afterwards.

    Raises:
        OptionError: there is no such theme.
    """
    if theme not in _GROUNDS:
        raise OptionError(f"theme is one of {listing(THEMES)}, got {theme!r}{nearest(str(theme), THEMES)}")
    import matplotlib

    with matplotlib.rc_context(_settings(theme)):
        yield


def colour(position: int) -> str:
    """The colour of the line at `position`, in the theme that is being drawn."""
    cycle = _cycle()
    return cycle[position % len(cycle)]


def line(position: int) -> dict[str, str]:
    """Colour and dash of the line at `position`; neither alone has to tell the lines apart."""
    return {"color": colour(position), "linestyle": DASHES[position % len(DASHES)]}


def ink() -> str:
    """The colour of text and axes."""
    import matplotlib

    return str(matplotlib.rcParams["text.color"])


def muted() -> str:
    """The colour of what stays in the background: reference lines, grids."""
    import matplotlib

    return str(matplotlib.rcParams["grid.color"])


def _cycle() -> tuple[str, ...]:
    import matplotlib

    colours = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    return tuple(colours) if tuple(colours) == _DARK_CYCLE else _LIGHT_CYCLE


def _settings(theme: str) -> dict[Any, Any]:
    from cycler import cycler

    page, pen, quiet, cycle = _GROUNDS[theme]
    return {
        "figure.facecolor": page,
        "savefig.facecolor": page,
        "axes.facecolor": page,
        "axes.edgecolor": pen,
        "axes.labelcolor": pen,
        "axes.titlecolor": pen,
        "text.color": pen,
        "xtick.color": pen,
        "ytick.color": pen,
        "grid.color": quiet,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=cycle),
        "font.size": 10.0,
    }
