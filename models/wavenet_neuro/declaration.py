"""The field equation that a configuration declares, on the place of a text."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

import fieldsolver as fs

from .config import Config
from .kinetics import KINETICS
from .padding import CLOSED, INSIDE, TILTS
from .places import Place
from .reactions import REACTIONS, TextMean, hears
from .spread import CrossDiffusion, LearnedSpread

FORCING = "I"
"""The name of the text as a source."""


def text_of(config: Config, *, padded: bool = False) -> str:
    """The equation, in the equation language.

    Args:
        config: the terms.
        padded: with the terms of cells without tokens, see `padding`.
    """
    axes = 1 if config.geometry == "line" else 2
    curved, inside = (f"(laplacian(phi) + {CLOSED}*phi)", f"{INSIDE}*") if padded else ("laplacian(phi)", "")
    slopes = [f"d_d{axis}(phi)" for axis in "xy"[:axes]]
    if padded:
        slopes = [f"({slope} + {tilt}*phi)" for slope, tilt in zip(slopes, TILTS, strict=False)]
    terms = {"channels": [f"D*{curved}"], "matrix": [f"spread({curved})"], "none": []}.get(
        config.diffusion, [f"spread(phi, {INSIDE})"]
    )
    if config.transport:
        terms += [f"- {speed}*{slope}" for speed, slope in zip("ab", slopes, strict=False)]
    if config.decay:
        terms.append("- k*phi")
    if config.reaction != "none":
        terms.append("react(" + ", ".join(["phi", *_heard(config, slopes)]) + ")")
    if config.input != "initial" and not hears(config.reaction, "source"):
        terms.append(FORCING)
    rate = " + ".join(terms).replace("+ -", "-") if terms else "0*phi"
    if not padded:
        return f"dphi/dt = {rate}"
    held = f" - (1 - {INSIDE})*phi" if config.stopping == "steady" else ""  # a root has to be isolated there too
    return f"dphi/dt = {inside}({rate}){held}"


def _heard(config: Config, slopes: list[str]) -> list[str]:
    """What the reaction hears besides the field."""
    if config.reaction not in REACTIONS:
        return []
    known = {"slopes": slopes if config.slopes else [], "mean": [f"share(phi, {INSIDE})"], "source": [FORCING]}
    return [argument for name in REACTIONS[config.reaction].hears for argument in known[name]]


def uses_mask(config: Config) -> bool:
    """Whether cells without tokens are the mask of the equation: kinetics come with terms of their own."""
    return config.reaction in KINETICS


def modules_of(config: Config) -> dict[str, nn.Module]:
    """The parts of the equation with weights, drawn from torch's generator."""
    axes, hidden = (1 if config.geometry == "line" else 2), max(1, round(config.expansion * config.channels))
    modules: dict[str, nn.Module] = {}
    if config.diffusion == "matrix":
        modules["spread"] = CrossDiffusion(config.channels, config.diffusivity)
    if config.diffusion == "learned":
        periodic = config.boundary == "periodic"
        spread = LearnedSpread(config.channels, axes, config.shifts, config.diffusivity, periodic=periodic)
        modules["spread"] = fs.Nonlocal(spread)
    if hears(config.reaction, "mean"):
        modules["share"] = fs.Nonlocal(TextMean())
    if config.reaction in REACTIONS:
        modules["react"] = REACTIONS[config.reaction].make(config, hidden, axes)
    return modules


def declare(
    config: Config,
    place: Place,
    *,
    padded: bool = False,
    mask: Tensor | None = None,
    like: fs.FieldEquation | None = None,
) -> fs.FieldEquation:
    """The equation on a place.

    Args:
        config: the terms.
        place: grid and cells.
        padded: some cells hold no token; `fed` names what has to be told of them.
        mask: bool (B, *shape), cells with tokens, where `uses_mask`.
        like: the equation whose trained numbers and modules this one shares; None: new ones are drawn.
    """
    if config.causal:
        space: dict[str, Any] = {"grid": fs.Graph.causal(place.shape[0], config.window)}
    else:
        space = {"grid": place.grid, "boundary": _boundary(config, masked=mask is not None), "mask": mask}
    if config.reaction in KINETICS:
        equation = _kinetics(config, space)
    else:
        text = text_of(config, padded=padded and not config.causal)
        modules = modules_of(config) if like is None else {name: like.submodules[name] for name in _called(config)}
        equation = fs.FieldEquation(
            text, components={"phi": config.channels}, parameters=_parameters(config, place, text), modules=modules,
            **space,
        )  # fmt: skip
    if like is not None:
        equation.raw = like.raw  # the very same numbers, trained once
    return equation


def fed(config: Config, *, padded: bool = False) -> tuple[str, ...]:
    """Names of the parameters that carry the text; with `padded`, and of those that tell where it is."""
    if config.input == "initial":
        sources: tuple[str, ...] = ()
    elif config.reaction in KINETICS:
        sources = tuple(f"{FORCING}_{one}" for one in KINETICS[config.reaction].species)
    else:
        sources = (FORCING,)
    if config.causal or uses_mask(config):
        return sources
    return sources + _in(text_of(config, padded=padded), (INSIDE, CLOSED, *TILTS))


def _in(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    words = set(re.findall(r"\w+", text))
    return tuple(name for name in names if name in words)


def _called(config: Config) -> tuple[str, ...]:
    return _in(text_of(config), ("spread", "share", "react"))


def _parameters(config: Config, place: Place, text: str) -> dict[str, Any]:
    channels = config.channels
    parameters: dict[str, Any] = {}
    if config.diffusion == "channels":
        parameters["D"] = fs.Parameter(torch.full((channels,), float(config.diffusivity)), positive=True)
    for name in ("a", "b")[: len(place.shape)] if config.transport else ():
        parameters[name] = fs.Parameter(config.speed * torch.linspace(-1, 1, channels))
    if config.decay:
        parameters["k"] = fs.Parameter(torch.full((channels,), float(config.decay)), positive=True)
    if config.input != "initial":
        parameters[FORCING] = fs.Spatial(torch.zeros(channels, *place.shape))
    for name in _in(text, (INSIDE, CLOSED, *TILTS)):
        parameters[name] = fs.Spatial((torch.ones if name == INSIDE else torch.zeros)(1, *place.shape))
    return parameters


def _boundary(config: Config, *, masked: bool) -> Any:
    if config.boundary != "periodic":
        return fs.Neumann(0) if config.boundary == "neumann" else fs.Dirichlet(0)
    around = dict.fromkeys(("x",) if config.geometry == "line" else ("x", "y"), fs.Periodic())
    return {**around, "mask": fs.Neumann(0)} if masked else around


def _kinetics(config: Config, space: dict[str, Any]) -> fs.FieldEquation:
    """Kinetics with a set of numbers per copy; the fastest species starts with the diffusivity asked for."""
    kinetics = KINETICS[config.reaction]
    fastest = max(kinetics.diffusion.values(), default=1.0)
    scaled: dict[str, Any] = {
        f"D_{one}": value * config.diffusivity / fastest for one, value in kinetics.diffusion.items()
    }
    return kinetics.equation(
        components=config.channels // len(kinetics.species), trainable=True,
        forcing=kinetics.species if config.input != "initial" else (), **space, **scaled,
    )  # fmt: skip
