"""How many evaluations a text takes to come to rest, predicted from how fast its field contracts there."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import fieldsolver as fs
from fieldsolver.equations.bound import bound
from fieldsolver.errors import OptionError
from fieldsolver.stepping.steady import scaled_residual

from .dynamics import FieldDynamics, Problem
from .over_time import problems

FURTHER = 10
"""Steps beyond rest over which the contraction is measured."""


class Rest(NamedTuple):
    """Of each text.

    Attributes:
        contraction: by which one step multiplies the rate of the field at rest, (B,); NaN of texts that are at rest
            when they start, of which nothing can be predicted.
        predicted, counted: evaluations until rest, (B,); an infinite prediction where the contraction is none.
    """

    contraction: Tensor
    predicted: Tensor
    counted: Tensor


def rest_of(dynamics: FieldDynamics, vectors: Tensor, mask: Tensor) -> Rest:
    """What is predicted for token vectors (B, N, C) on mask (B, N), and what the solver counts.

    Near rest every step multiplies the rate by q, which is measured over the steps after the last one. If it did so
    from the first one on, the scaled residual r would fall from its value at the start, r_0, below 1 in
    ``log(r_0)/log(1/q)`` steps.

    Raises:
        OptionError: dynamics that do not run to rest in fixed steps.
    """
    config = dynamics.config
    if config.stopping != "steady" or not config.step:
        raise OptionError("steps to rest are predicted of fixed ones: stopping='steady' and step=0.25 or so")
    found = vectors.new_zeros(3, len(vectors))
    with torch.no_grad():
        for rows, problem in problems(dynamics, vectors, mask):
            found[:, rows] = torch.stack(_rest(problem)).to(found)
    return Rest(*found)


def _rest(problem: Problem) -> Rest:
    layer, _, inputs, start = problem
    if not isinstance(layer, fs.nn.SteadyFieldLayer):
        raise OptionError(f"a {type(layer).__name__} does not run to rest")
    equation = bound(layer.equation, inputs)
    run = layer.solution(inputs, start)
    steps, counted = run.stats.accepted.double().cpu().clamp(min=1), run.stats.nfev.double().cpu()
    more = fs.solve(
        equation, run.y[-1], t_span=(0.0, FURTHER * layer.options["dt"]), dt=layer.options["dt"], check="off",
        method=layer.options["method"], gradient="none", progress=False,
    )  # fmt: skip
    rtol, atol = layer.until.tolerances(start)

    def residual(y: Tensor, scale: Tensor = run.y[-1]) -> Tensor:
        return scaled_residual(equation(0.0, y), scale, rtol, atol).double().cpu()  # where the statistics are

    first, last, beyond = residual(start), residual(run.y[-1]), residual(more.y[-1])
    contraction = torch.where(last > 0, beyond / last, 0.0) ** (1 / FURTHER)  # what does not move at all is at its end
    until_rest = torch.log(first) / -torch.log(contraction)
    predicted = torch.where(contraction < 1, until_rest.ceil().clamp(min=1), torch.inf) * counted / steps
    moves = residual(start, start) > 1
    return Rest(contraction.where(moves, torch.nan), predicted.where(moves, torch.nan), counted)
