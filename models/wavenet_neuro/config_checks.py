"""What a `Config` may be; each refusal is one sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fieldsolver.errors import OptionError, listing, nearest

from .kinetics import KINETICS

if TYPE_CHECKING:
    from .config import Config

REACTIONS = ("mlp", "bounded", "gradient", "contractive", "none")
CHOICES: dict[str, tuple[str, ...]] = {
    "positions": ("none", "sinusoidal", "learned"),
    "geometry": ("line", "hilbert", "raster"),
    "boundary": ("neumann", "periodic", "dirichlet"),
    "diffusion": ("channels", "matrix", "learned", "none"),
    "reaction": (*REACTIONS, *KINETICS),
    "input": ("initial", "forcing", "both"),
    "stopping": ("steps", "time", "steady"),
    "readout": ("mean", "max", "mean_max", "attention", "last", "tokens"),
}
COUNTS = ("vocabulary", "classes", "embedding", "channels", "max_length", "shifts", "window")
POSITIVE = ("expansion", "limit", "tolerance", "gain", "scale")
NOT_NEGATIVE = ("diffusivity", "decay", "duration", "ponder", "speed", "hidden", "bigrams")


def check(config: Config) -> None:
    """Raises `OptionError` for the first thing that cannot be."""
    _choices(config)
    _numbers(config)
    _together(config)
    if config.causal:
        _causal(config)


def _choices(config: Config) -> None:
    choices = CHOICES if config.variant == "field" else {**CHOICES, "variant": _variants()}
    for name, known in choices.items():
        value = getattr(config, name)
        if value not in known:
            raise OptionError(f"{name} is one of {listing(known)}; got {value!r}{nearest(str(value), known)}")


def _variants() -> tuple[str, ...]:
    from .variants import VARIANTS  # only then: they are models of their own

    return ("field", *VARIANTS)


def _numbers(config: Config) -> None:
    for name in COUNTS:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(f"{name} is a whole number, at least 1; got {value!r}")
    for names, least, said in ((POSITIVE, math.ulp(0.0), "positive"), (NOT_NEGATIVE, 0.0, "not negative")):
        for name in names:
            value = getattr(config, name)
            if not (math.isfinite(value) and value >= least):
                raise OptionError(f"{name} is {said}, got {value!r}")
    for name in ("dropout", "word_dropout", "head_dropout"):
        if not 0 <= getattr(config, name) < 1:
            raise OptionError(f"{name} is a share, at least 0 and below 1; got {getattr(config, name)!r}")
    if config.steps is not None and (not isinstance(config.steps, int) or config.steps < 1):
        raise OptionError(f"steps is a whole number, at least 1, or None for as many as needed; got {config.steps!r}")


def _together(config: Config) -> None:
    if not config.projection and config.embedding != config.channels:
        raise OptionError(
            f"without projection the token vectors are the field: embedding={config.embedding} and "
            f"channels={config.channels} must be equal"
        )
    if config.stopping == "steady" and config.input == "initial":
        raise OptionError(
            "a steady state forgets where it began, and the text with it; feed it with input='forcing' or 'both'"
        )
    if config.ponder and config.stopping != "steady":
        raise OptionError("ponder weighs the way to rest, which only stopping='steady' goes; set ponder=0")
    if config.duration == 0 and (config.input == "forcing" or config.stopping != "steps"):
        raise OptionError("without time nothing is fed: duration=0 goes with input='initial' and stopping='steps'")
    if config.diffusion != "none" and config.diffusivity == 0:
        raise OptionError("diffusion needs a positive diffusivity; write diffusion='none' for a field without")
    if config.reaction == "bounded" and not config.decay:
        raise OptionError("a bounded reaction keeps the field bounded against a decay; give decay=1.0 or so")
    if config.diffusion == "learned" and config.boundary == "dirichlet":
        raise OptionError("learned diffusion has closed ends or none: boundary='neumann' or 'periodic'")
    if config.slopes and config.reaction != "mlp":
        raise OptionError(f"slopes are arguments of reaction='mlp', got reaction={config.reaction!r}")
    if config.reaction in KINETICS:
        _kinetics(config)


def _kinetics(config: Config) -> None:
    """Kinetics come with their diffusion, and share the channels out to their species."""
    species = len(KINETICS[config.reaction].species)
    if config.channels % species:
        raise OptionError(
            f"{config.reaction} has {species} species, among which {config.channels} channels cannot be shared out"
        )
    if config.reaction == "amari":
        raise OptionError("a step function has no derivative to train with; take reaction='amari_smooth'")
    if config.diffusion != "channels" or config.transport or config.decay:
        raise OptionError(f"{config.reaction} brings its own terms: diffusion='channels', transport=False, decay=0")


def _causal(config: Config) -> None:
    if config.stopping != "steps":
        raise OptionError(
            f"causal=True needs stopping='steps': the error norm of stopping={config.stopping!r} reads all positions, "
            "the future too"
        )
    if config.geometry != "line" or config.boundary != "neumann":
        raise OptionError("causal=True needs geometry='line' and boundary='neumann': the past lies on one side")
    if config.diffusion == "learned" or config.transport or config.slopes:
        raise OptionError(
            "learned diffusion, transport and slopes look both ways; causal=True goes with diffusion='channels', "
            "'matrix' or 'none'"
        )
    if config.reaction in KINETICS:
        raise OptionError(f"kinetics spread both ways; causal=True needs reaction= one of {listing(REACTIONS)}")
    if config.variant != "field":
        raise OptionError(f"variant={config.variant!r} has no causal form; write variant='field'")
