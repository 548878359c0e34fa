"""`WaveNetNeuro`: a text as a field that reacts, spreads and settles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import fieldsolver as fs
from fieldsolver.errors import OptionError
from fieldsolver.models.parts import Answer, TextModel, checked_tokens

from .config import Config
from .declaration import FORCING
from .dynamics import FieldDynamics, Problem
from .embedding import TokenVectors
from .energy import FieldEnergy
from .over_time import over_time
from .overflow import evolve_watched
from .places import sizes
from .readings import readings
from .readout import Readout


class WaveNetNeuro(TextModel):
    """Token vectors become the start or the source of a declared field equation; its end is pooled and classified.

    Args:
        config: every switch.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.vectors = TokenVectors(config)
        self.dynamics = _dynamics(config)
        self.readout = Readout(config)

    def answer(self, ids: Tensor, mask: Tensor) -> Answer:
        """See `TextModel.answer`; with ``readout="tokens"`` logits are (B, N, K)."""
        ids, together = _together(ids, mask)
        vectors = self.vectors(ids, together)
        evolved = evolve_watched(self.dynamics, vectors, together, self.config.overflow)
        logits = self.readout(evolved.features, vectors, together)
        if logits.dim() == 3:
            logits = _apart(logits, mask)
        return Answer(logits, evolved.penalty, evolved.evaluations)

    def trajectory(self, ids: Tensor, mask: Tensor | None = None, *, saves: int = 21) -> fs.Solution:
        """The field of texts of one place over time: ``.y`` is (T, B, C, *shape).

        With ``stopping="steady"`` it runs for the whole `duration`, so that one sees it come to rest.

        Raises:
            OptionError: texts of different places, or a variant that is no declared field.
        """
        return over_time(self._problem(ids, mask), self.config.duration, saves)

    def energies(self, ids: Tensor, mask: Tensor | None = None, *, saves: int = 21) -> tuple[Tensor, Tensor]:
        """Times (T,) and the energy (T, B) of texts of one place along their trajectory; see `FieldEnergy`.

        Raises:
            OptionError: as `trajectory`, and for a reaction without a potential.
        """
        _, where, inputs, _ = self._problem(ids, mask)
        solution = self.trajectory(ids, mask, saves=saves)
        source = inputs.get(FORCING)
        inside = where.spread(self._ordered(ids, mask)[1].unsqueeze(-1))[:, 0]
        energy = FieldEnergy(self._field(), where, inside)
        return solution.t, torch.stack([energy(state, source) for state in solution.y])

    def readings(self, ids: Tensor, mask: Tensor) -> dict[str, float]:
        """See `readings.readings`."""
        return readings(self, *self._ordered(ids, mask))

    def prepared(self, ids: Tensor, mask: Tensor | None = None) -> tuple[FieldDynamics, Tensor, Tensor]:
        """The field, token vectors (B, N, C) and their mask (B, N), real tokens first: what a run begins with.

        Raises:
            OptionError: a variant that is no declared field.
        """
        ids, mask = self._ordered(ids, mask)
        return self._field(), self.vectors(ids, mask), mask

    def _field(self) -> FieldDynamics:
        if not isinstance(self.dynamics, FieldDynamics):
            raise OptionError(f"variant={self.config.variant!r} has no trajectory of one declared equation")
        return self.dynamics

    def _ordered(self, ids: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        return _together(*checked_tokens(ids, mask, self.config.vocabulary))

    def _problem(self, ids: Tensor, mask: Tensor | None) -> Problem:
        field, vectors, mask = self.prepared(ids, mask)
        lengths = mask.sum(1).clamp(min=1)
        size = sizes(self.config, lengths, mask.shape[1]).unique().tolist()
        if len(size) != 1:
            raise OptionError(f"these texts lie on places of {len(size)} sizes; ask for one text at a time")
        return field.problem(vectors, lengths, size[0])


def build(config: Config) -> WaveNetNeuro:
    """A model with fresh weights, drawn from torch's generator."""
    return WaveNetNeuro(config)


def _dynamics(config: Config) -> nn.Module:
    if config.variant == "field":
        return FieldDynamics(config)
    from .variants import make_dynamics  # only then: they are models of their own

    return make_dynamics(
        config.variant, config.channels, duration=config.duration, steps=config.steps or 4, boundary=config.boundary
    )


def _together(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Ids and mask with the real tokens of every row first, in their order."""
    order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)
    return ids.gather(1, order), mask.gather(1, order)


def _apart(values: Tensor, mask: Tensor) -> Tensor:
    """Values (B, N, K) of tokens in their order back to the places of the mask; zero elsewhere."""
    rank = (mask.cumsum(1) - 1).clamp(min=0)
    there = values.gather(1, rank.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
    return torch.where(mask.unsqueeze(-1), there, 0)
