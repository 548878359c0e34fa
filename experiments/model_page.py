"""What `fieldsolver list models --model NAME` prints: the model's presets and options."""

from __future__ import annotations

import dataclasses
import textwrap

from .option_text import as_scalar
from .training.text_run import SETTLED, find_net

WIDTH = 120


def model_page(name: str) -> str:
    """Presets and options of a model, as a page of `WIDTH` columns; raises `OptionError` for an unknown name."""
    net = find_net(name)
    package = net.load()
    lines = [f"{name}: {net.description}", "", "presets:"]
    for preset, one in package.PRESETS.items():
        lines += textwrap.wrap(f"  {preset:<26} {one.about}", WIDTH, subsequent_indent=" " * 29)
    lines += ["", "options, and what they are without a preset:"]
    for one in dataclasses.fields(package.Config):
        if one.name not in SETTLED:
            lines.append(f"  --{one.name.replace('_', '-'):<24} {as_scalar(one.default)}")
    about = (package.Config.__doc__ or "").partition("Attributes:")[2].partition("Raises:")[0]
    return "\n".join([*lines, "", "their meanings:", textwrap.dedent(about).strip("\n").rstrip()])
