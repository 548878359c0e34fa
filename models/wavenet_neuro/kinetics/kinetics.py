"""`Kinetics`: a reaction from the literature, alone, on a grid, or as the reaction of a token field."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.errors import OptionError, listing, nearest


@dataclass(frozen=True)
class Kinetics:
    """Species, what they do to each other, and numbers under which they are known.

    Attributes:
        name: the key in `KINETICS`.
        about: one line: what it shows.
        source: where the equation and the numbers come from.
        rates: right-hand side per species without diffusion, in the equation language.
        parameters: numbers in the rates.
        diffusion: diffusivity per species that diffuses, called ``D_<species>`` in the text.
        kernels: the kernels of nonlocal rates, each a function of the parameters.
        mixed: the rates of a well-mixed point, where `rates` are nonlocal; empty: the same.
        positive: species are concentrations, and rates make no sense below zero.
        shape: parameters that shape kernels, and are not in the text.
        smooth: rates have a derivative, so that a field of these kinetics can be trained.
    """

    name: str
    about: str
    source: str
    rates: Mapping[str, str]
    parameters: Mapping[str, float]
    diffusion: Mapping[str, float] = field(default_factory=dict)
    kernels: Mapping[str, Callable[[Mapping[str, float]], fs.Kernel]] = field(default_factory=dict)
    mixed: Mapping[str, str] = field(default_factory=dict)
    positive: bool = False
    shape: Mapping[str, float] = field(default_factory=dict)
    smooth: bool = True

    @property
    def species(self) -> tuple[str, ...]:
        """Names of the fields, in the order of the state."""
        return tuple(self.rates)

    def text(self, *, space: bool = True, forcing: Collection[str] = ()) -> str:
        """The declaration, one line per species.

        Args:
            space: with diffusion and kernels; without: a well-mixed point.
            forcing: species with a source ``I_<species>``.
        """
        lines = []
        for one, rate in (self.rates if space else {**self.rates, **self.mixed}).items():
            spread = f"D_{one}*laplacian({one}) + " if space and one in self.diffusion else ""
            source = f" + I_{one}" if one in forcing else ""
            lines.append(f"d{one}/dt = {spread}{rate}{source}")
        return "\n".join(lines)

    def equation(
        self,
        *,
        grid: fs.Grid | None = None,
        boundary: Any = None,
        components: int = 1,
        trainable: Collection[str] | bool = (),
        forcing: Collection[str] = (),
        mask: Tensor | None = None,
        scheme: Any = None,
        **changes: float,
    ) -> fs.FieldEquation:
        """The declared equation.

        Args:
            grid: where the species live; None: a well-mixed point, ordinary differential equations.
            boundary, mask, scheme: as `fieldsolver.FieldEquation` takes them.
            components: copies of every species side by side, each with trainable numbers of its own: the state is
                ``(*batch, S*components, *grid)``, species after species.
            trainable: names of parameters and diffusivities to be trained, or True for all; positive ones stay so.
            forcing: species that get a source ``I_<species>``, zero until it is fed.
            changes: other values of parameters, diffusivities and shapes of kernels.

        Raises:
            OptionError: a name that these kinetics do not have.
        """
        numbers = self.numbers(changes)
        text = self.text(space=grid is not None, forcing=forcing)
        words = set(re.findall(r"\w+", text))
        used = {name: value for name, value in numbers.items() if name in words}
        chosen = set(used) if trainable is True else set(trainable or ())
        self._refuse_unknown(chosen, used)
        parameters: dict[str, Any] = {
            name: _trained(value, components) if name in chosen else value for name, value in used.items()
        }
        for one in forcing:
            self._refuse_unknown({one}, self.species)
            zeros = torch.zeros(components) if grid is None else torch.zeros(components, *grid.shape)
            parameters[f"I_{one}"] = zeros if grid is None else fs.Spatial(zeros)
        return fs.FieldEquation(
            text,
            grid=grid,
            boundary=boundary,
            parameters=parameters,
            kernels={} if grid is None else {name: make(numbers) for name, make in self.kernels.items()},
            components=dict.fromkeys(self.species, components) if components > 1 else None,
            mask=mask,
            scheme=scheme,
        )

    def numbers(self, changes: Mapping[str, float] | None = None) -> dict[str, float]:
        """Every number by name: parameters, diffusivities ``D_<species>`` and shapes of kernels, with changes."""
        known = {**self.parameters, **{f"D_{one}": value for one, value in self.diffusion.items()}, **self.shape}
        self._refuse_unknown(set(changes or ()), known)
        return {**known, **(changes or {})}

    def _refuse_unknown(self, names: Collection[str], known: Collection[str]) -> None:
        for name in sorted(set(names) - set(known)):
            raise OptionError(f"{self.name} has no {name!r}; known: {listing(known)}{nearest(name, known)}")


def _trained(value: float, components: int) -> fs.Parameter:
    start = torch.full((components,), float(value)) if components > 1 else float(value)
    return fs.Parameter(start, positive=value > 0)
