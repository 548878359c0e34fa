"""What a `Config` may be; each refusal is one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldsolver.errors import OptionError, listing
from fieldsolver.methods import adaptive_methods
from fieldsolver.models.parts import (
    POOLS,
    check_choice,
    check_not_negative,
    check_positive,
    check_share,
    check_whole,
)

from .kinetics import KINETICS
from .reactions import REACTIONS, hears
from .variants import VARIANTS
from .variants.field_options import refuse_field_options

if TYPE_CHECKING:
    from .config import Config

CHOICES: dict[str, tuple[str, ...]] = {
    "positions": ("none", "sinusoidal", "learned"),
    "geometry": ("line", "hilbert", "raster"),
    "boundary": ("neumann", "periodic", "dirichlet"),
    "diffusion": ("channels", "matrix", "learned", "none"),
    "reaction": (*REACTIONS, "none", *KINETICS),
    "input": ("initial", "forcing", "both"),
    "stopping": ("steps", "time", "steady"),
    "readout": (*POOLS, "attention", "last", "tokens"),
    "variant": ("field", *VARIANTS),
}
COUNTS = ("vocabulary", "classes", "embedding", "channels", "max_length", "shifts", "window")
POSITIVE = ("expansion", "limit", "margin", "strength", "tolerance", "gain", "scale")
NOT_NEGATIVE = ("diffusivity", "decay", "duration", "ponder", "speed", "step", "hidden", "bigrams", "overflow")


def check(config: Config) -> None:
    """Raises `OptionError` for the first thing that cannot be."""
    _choices(config)
    _numbers(config)
    refuse_field_options(config)
    if config.causal:
        _causal(config)
    _together(config)
    _stopping(config)
    if config.reaction in KINETICS:
        _kinetics(config)


def _choices(config: Config) -> None:
    for name, known in CHOICES.items():
        check_choice(name, getattr(config, name), known)


def _numbers(config: Config) -> None:
    for name in COUNTS:
        check_whole(name, getattr(config, name), 1)
    for name in POSITIVE:
        check_positive(name, getattr(config, name))
    for name in NOT_NEGATIVE:
        check_not_negative(name, getattr(config, name))
    for name in ("dropout", "word_dropout", "head_dropout"):
        check_share(name, getattr(config, name))
    if config.states is not None and (not isinstance(config.states, int) or config.states < 1):
        raise OptionError(f"states is a whole number, at least 1, or None for the solver's own; got {config.states!r}")
    if config.steps is not None and (not isinstance(config.steps, int) or config.steps < 1):
        raise OptionError(f"steps is a whole number, at least 1, or None for as many as needed; got {config.steps!r}")


def _together(config: Config) -> None:
    if not config.projection and config.embedding != config.channels:
        raise OptionError(
            f"without projection the token vectors are the field: embedding={config.embedding} and "
            f"channels={config.channels} must be equal"
        )
    if config.diffusion != "none" and config.diffusivity == 0:
        raise OptionError("diffusion needs a positive diffusivity; write diffusion='none' for a field without")
    if config.reaction == "bounded" and not config.decay:
        raise OptionError("a bounded reaction keeps the field bounded against a decay; give decay=1.0 or so")
    if config.diffusion == "learned" and config.boundary == "dirichlet":
        raise OptionError("learned diffusion has closed ends or none: boundary='neumann' or 'periodic'")
    if config.slopes and config.reaction != "mlp":
        raise OptionError(f"slopes are arguments of reaction='mlp', got reaction={config.reaction!r}")
    if hears(config.reaction, "source") and config.input == "initial":
        raise OptionError(f"reaction={config.reaction!r} hears the text as a source; write input='forcing' or 'both'")


def _stopping(config: Config) -> None:
    if config.stopping == "steady" and config.input == "initial":
        raise OptionError(
            "a steady state forgets where it began, and the text with it; feed it with input='forcing' or 'both'"
        )
    if config.ponder and config.stopping != "steady":
        raise OptionError("ponder weighs the way to rest, which only stopping='steady' goes; set ponder=0")
    if config.duration == 0 and (config.input == "forcing" or config.stopping != "steps"):
        raise OptionError("without time nothing is fed: duration=0 goes with input='initial' and stopping='steps'")
    if config.step and config.stopping != "steady":
        raise OptionError("step is the length of fixed steps with stopping='steady'; elsewhere give steps and duration")
    adaptive = config.stopping == "time" or (config.stopping == "steady" and not config.step)
    if config.variant == "field" and adaptive and config.method not in adaptive_methods():
        fixed = ", or fixed steps by step=0.25 or so" if config.stopping == "steady" else ""
        raise OptionError(
            f"stopping={config.stopping!r} chooses its steps by an error estimate, which method={config.method!r} has "
            f"not; take method='bosh3' or another adaptive one{fixed}"
        )


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
    if config.variant != "field":
        if not VARIANTS[config.variant].causal:
            causal = listing([name for name, one in VARIANTS.items() if one.causal])
            raise OptionError(f"variant={config.variant!r} reads the future; of the variants {causal} do not")
        return
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
    if config.reaction in KINETICS or hears(config.reaction, "mean"):
        local = listing([*(name for name in REACTIONS if not hears(name, "mean")), "none"])
        raise OptionError(f"reaction={config.reaction!r} hears both sides; causal=True needs one of {local}")
