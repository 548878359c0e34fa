"""The field of a text: the declared equation on its tokens, run for a time or until it rests."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import fieldsolver as fs
from fieldsolver.errors import OptionError

from .config import Config
from .declaration import FORCING, declare, fed, uses_mask
from .kinetics import KINETICS
from .padding import padding_inputs
from .places import Place, place, sizes
from .stability import steps_within
from .variants.evolved import Evolved

NOMINAL = {"line": 16, "raster": 4, "hilbert": 4}
"""Size of the place on which the equation is declared once; those of the texts share its numbers."""

PLACES = 64
"""So many places are kept."""

ROUGH = 1e-3
"""From this tolerance of rest on ``gradient="auto"`` solves the linear systems of the gradient to a tenth of it."""

Layer = fs.nn.FieldLayer | fs.nn.SteadyFieldLayer

Problem = tuple[Layer, Place, dict[str, Tensor], Tensor]
"""The layer on a place, the place, what is fed, and the state at the start."""


class FieldDynamics(nn.Module):
    """Token vectors (B, N, C) to the field (B, N, C) they become.

    Real tokens stand first in every row. The equation is declared once on every place that texts need (about 2 ms), all
    with the same trained numbers; how far each text goes is fed, see `padding`.

    Attributes:
        layer: the declared equation on a small place; it owns the parameters and watches the stability of the step.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self._layers: dict[tuple[tuple[int, ...], bool], Layer] = {}
        equation = declare(config, place(config, NOMINAL[config.geometry]))
        self.steps = None
        if config.stopping == "steps" and config.duration:
            self.steps = config.steps or steps_within(equation, config.method, config.duration)
        self.layer = self._layer_of(equation, padded=False)
        self.evaluations = self._fixed_cost()

    @property
    def equation(self) -> fs.FieldEquation:
        """The declared equation, on a small place."""
        return self.layer.equation

    def forward(self, features: Tensor, mask: Tensor) -> Evolved:
        """Evolve token vectors, zero on padding; mask (B, N)."""
        self._watch(features)
        lengths = mask.sum(1).clamp(min=1)
        size = sizes(self.config, lengths, mask.shape[1])
        distinct = size.unique().tolist()
        if len(distinct) <= 1:
            return self._evolve(features, mask, lengths, distinct[0] if distinct else max(mask.shape[1], 3))
        rows = [torch.nonzero(size == one).flatten() for one in distinct]
        parts = [
            self._evolve(features[row], mask[row], lengths[row], one) for row, one in zip(rows, distinct, strict=True)
        ]
        back = torch.argsort(torch.cat(rows))
        shares = [len(row) / len(features) for row in rows]
        return Evolved(
            torch.cat([part.features for part in parts])[back],
            torch.stack([part.penalty * share for part, share in zip(parts, shares, strict=True)]).sum(),
            torch.cat([part.evaluations for part in parts])[back],
        )

    def problem(self, features: Tensor, lengths: Tensor, size: int) -> Problem:
        """The layer on a place of this size, the place, what is fed, and the state at the start.

        Args:
            features: token vectors (B, N, C).
            lengths: (B,), tokens of each text, at least 1.
            size: of the place of these texts.
        """
        where = place(self.config, size)
        count = min(features.shape[1], len(where.cells))
        there = torch.arange(count, device=features.device) < lengths.unsqueeze(1)
        inside = where.spread(there.unsqueeze(-1))
        source = where.spread(features[:, :count])
        start = self._at_start(torch.zeros_like(source) if self.config.input == "forcing" else source)
        return self._layer_on(where, inside[:, 0]), where, self._inputs(source, inside), start

    def _layer_on(self, where: Place, inside: Tensor) -> Layer:
        """The layer on a place, made once; a mask of the equation belongs to one batch."""
        if uses_mask(self.config):
            return self._layer_of(declare(self.config, where, mask=inside, like=self.equation), padded=True)
        key = (where.shape, self._ponders)
        if key not in self._layers:
            if len(self._layers) >= PLACES:
                self._layers.clear()
            equation = declare(self.config, where, padded=True, like=self.equation)
            self._layers[key] = self._layer_of(equation, padded=True)
        return self._layers[key]

    def _evolve(self, features: Tensor, mask: Tensor, lengths: Tensor, size: int) -> Evolved:
        layer, where, inputs, start = self.problem(features, lengths, size)
        arguments = (inputs, start) if inputs else (start,)
        nothing = features.new_zeros(())
        if self.config.stopping == "steps":
            field, penalty = layer(*arguments), nothing
            evaluations = features.new_full((len(features),), float(self.evaluations))
        else:
            solution = _solved(layer, *arguments)
            field, evaluations = solution.y[-1], solution.stats.nfev.to(features)
            penalty = nothing if solution.ponder is None else self.config.ponder * solution.ponder.mean()
        count = min(features.shape[1], len(where.cells))
        tokens = where.collect(field, count)
        if count < features.shape[1]:
            tokens = nn.functional.pad(tokens, (0, 0, 0, features.shape[1] - count))
        if self.config.causal:  # what comes behind a text hears it, and is not heard
            tokens = tokens * mask.unsqueeze(-1).to(tokens)
        return Evolved(tokens, penalty.to(features), evaluations)

    def _layer_of(self, equation: fs.FieldEquation, *, padded: bool) -> Layer:
        """The small one is checked, those of the texts are not: they have the same coefficients."""
        config = self.config
        check = "off" if padded or config.transport else "refuse"
        options: dict[str, Any] = {"inputs": fed(config, padded=padded), "method": config.method, "check": check}
        gradient = self._gradient()
        if config.stopping == "steps":
            dt = config.duration / self.steps if self.steps else None
            return fs.nn.FieldLayer(equation, duration=config.duration, dt=dt, gradient=gradient, **options)
        options |= {"rtol": config.tolerance, "atol": config.tolerance}
        if config.stopping == "time":
            return fs.nn.FieldLayer(equation, duration=config.duration, gradient=gradient, **options)
        until = fs.SteadyState(
            atol=config.tolerance, rtol=config.tolerance, max_time=config.duration,
            ponder=self._ponders,
        )  # fmt: skip
        dt = config.step or None
        return fs.nn.SteadyFieldLayer(equation, until=until, dt=dt, gradient=gradient, **options)

    def _gradient(self) -> str | fs.gradients.GradientMode:
        """The mode that was asked for, or the usual one."""
        config = self.config
        usual = {"steps": "direct", "time": "checkpointed", "steady": "implicit"}[config.stopping]
        mode = usual if config.gradient == "auto" else config.gradient
        if mode == "checkpointed":
            return fs.gradients.Checkpointed(states=config.states)
        if config.gradient == "auto" and mode == "implicit" and config.tolerance >= ROUGH:
            return fs.gradients.Implicit(rtol=min(0.1 * config.tolerance, 0.1))  # the state is known no better
        return mode

    @property
    def _ponders(self) -> bool:
        """Whether the way to rest has to be measured: only a training step asks for it."""
        return bool(self.config.ponder) and self.training and torch.is_grad_enabled()

    def _inputs(self, source: Tensor, inside: Tensor) -> dict[str, Tensor]:
        """What is fed, by name: the text, cut into species where there are several, and where it is."""
        carriers = [name for name in fed(self.config) if name.startswith(FORCING)]
        more = tuple(name for name in fed(self.config, padded=True) if name not in carriers)
        pieces = source.chunk(len(carriers), dim=1) if carriers else ()
        where = padding_inputs(
            inside, more, periodic=self.config.boundary == "periodic", absorbing=self.config.boundary == "dirichlet"
        )
        return dict(zip(carriers, pieces, strict=True)) | {name: value.to(source) for name, value in where.items()}

    def _at_start(self, source: Tensor) -> Tensor:
        """Concentrations cannot be negative, and some rates divide by them."""
        known = KINETICS.get(self.config.reaction)
        return softplus(source) if known is not None and known.positive else source

    def _watch(self, features: Tensor) -> None:
        """Warn where training has moved the limit of stability below the step.

        Transport and diffusion between walls have no common modes, so nothing is known then; in a few steps what grows
        does not get far.
        """
        known = self.steps and not self.config.transport
        if known and not torch.compiler.is_compiling() and len(features):
            self.layer.watch.look(self.equation, {}, self.layer.options, "warn", training=self.training)

    def _fixed_cost(self) -> int:
        """Evaluations of a run with fixed steps, as the solver counts them."""
        if not self.steps:
            return 0
        with torch.no_grad():
            inputs = {name: torch.zeros(1, *self.layer.inputs.shapes[name]) for name in fed(self.config)}
            start = torch.ones(1, *self.equation.state_shape)  # some kinetics divide by the state
            arguments = (inputs, start) if inputs else (start,)
            return int(_solved(self.layer, *arguments).stats.nfev.max())

    def __getstate__(self) -> dict[str, Any]:
        """Copies and files declare their places anew."""
        return {**self.__dict__, "_layers": {}}


def _solved(layer: Layer, x: Any, state: Tensor | None = None) -> fs.Solution:
    """Start and end, with statistics."""
    if isinstance(layer, fs.nn.SteadyFieldLayer):
        return layer.solution(x, state)
    if layer.duration == 0:
        raise OptionError("without time nothing is solved; give a positive duration")
    return layer.trajectory(x, 2, state=state)
