"""Colours that colour-blind readers can tell apart (Okabe and Ito 2008), and the dashes that go with them."""

from __future__ import annotations

BLACK = "#000000"
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREY = "#7F7F7F"
CYCLE: tuple[str, ...] = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
DASHES: tuple[str, ...] = ("-", "--", "-.", ":")


def style(position: int) -> dict[str, str]:
    """Colour and dash of the line at `position`; neither alone has to tell the lines apart."""
    return {"color": CYCLE[position % len(CYCLE)], "linestyle": DASHES[position % len(DASHES)]}
