"""The energy of a field whose reaction has a potential; along a solution it falls."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.equations.knowledge import linear_part
from fieldsolver.errors import OptionError

from .config import Config
from .declaration import declare
from .dynamics import FieldDynamics
from .places import Place
from .reactions import GradientReaction


class FieldEnergy:
    """``E(phi) = integral of -phi.(A phi)/2 + V(phi) - I.phi``, A the diffusion and decay as declared.

    A is symmetric, so the rate of the field is ``-dE/dphi`` and ``dE/dt = -integral of |dphi/dt|^2``.

    Args:
        dynamics: with ``reaction="gradient"`` and no transport.
        place: of the texts.
        inside: bool (B, *shape), the cells with tokens.

    Raises:
        OptionError: dynamics without a potential.
    """

    def __init__(self, dynamics: FieldDynamics, place: Place, inside: Tensor) -> None:
        config = dynamics.config
        reaction = dict(dynamics.equation.submodules.items()).get("react")
        if not isinstance(reaction, GradientReaction) or config.transport or config.causal:
            raise OptionError(
                "an energy falls where all terms are gradients: reaction='gradient', transport=False, causal=False"
            )
        self.reaction, self.inside = reaction, inside
        self._diffusion = _linear_terms(config, dynamics.equation, place, inside)

    def __call__(self, field: Tensor, forcing: Tensor | None = None) -> Tensor:
        """(B,) for a field (B, C, *shape) and a source of the same shape."""
        inside, dims = self.inside.unsqueeze(1), tuple(range(1, field.dim()))
        field = torch.where(inside, field, 0)
        potential = torch.where(self.inside, self.reaction.potential(field.movedim(1, -1)), 0).flatten(1).sum(1)
        energy = potential - 0.5 * (field * self._spread(field)).sum(dims)
        return energy if forcing is None else energy - (forcing * field).sum(dims)

    def curvature(self) -> float:
        """A bound of the Hessian: no step below ``2/curvature`` can raise the energy."""
        widest = 0.0 if self._diffusion is None else -linear_part(self._diffusion).bound.lowest
        return widest + float(self.reaction.curvature().detach())

    def _spread(self, field: Tensor) -> Tensor:
        return torch.zeros_like(field) if self._diffusion is None else self._diffusion(0.0, field)


def _linear_terms(config: Config, own: fs.FieldEquation, place: Place, inside: Tensor) -> fs.FieldEquation | None:
    """Diffusion and decay alone, with the numbers of the whole equation."""
    if config.diffusion not in ("channels", "none"):
        raise OptionError(f"the energy is written for diffusion='channels' or 'none', got {config.diffusion!r}")
    if config.diffusion == "none" and not config.decay:
        return None
    alone = replace(config, reaction="none", input="initial", stopping="steps", ponder=0.0)
    return declare(alone, place, mask=inside, like=own)
