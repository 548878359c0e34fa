r"""The negative log posterior of a fit, with exact gradients and a Hessian from their central differences.

.. math::  -\log p = \sum_f \sum_i \Big[\frac{r_{fi}^2}{2 s_f^2} + \log s_f + \tfrac12\log 2\pi\Big] - \log p(\theta),
           \qquad s_f^2 = \sigma_f^2 + \varepsilon_f^2

with residuals r of the values or of their logarithms (then plus the sum of the logarithms). epsilon is the tolerance of
the solve: the data cannot tell a smaller noise from the solver's own error, and without it data free of noise would
drive sigma to zero and the density to infinity.

All unknowns (B, P) are evaluated side by side. The perturbed solves of a Hessian repeat the accepted steps of the
unperturbed one, so that the gradients differ by the unknowns and not by the step control.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.stepping import StepLog

from .data import Observations
from .model import Model, repeat_steps
from .priors import HALF_LOG_2PI, Prior

DIFFERENCE = 1e-4  # error of central differences 1e-8 relative; that of rounding about as much


@dataclass(frozen=True)
class Expansion:
    """Quadratic expansions at S points.

    Attributes:
        value: (S,), infinite where the solve failed.
        gradient: (S, P).
        hessian: (S, P, P), symmetric.
    """

    value: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


class Objective:
    """Negative log posterior as a function of the vector of unknowns.

    Args:
        model: makes predictions.
        observations: what was seen; its values may carry a replicate axis, ``(T, D, *own)``, see `replicates`.
        noise: ``"lognormal"`` or ``"normal"``.
        sigma: given noise scales of the fields whose scale is not unknown.
        priors: per label.
        replicates: whether the values have that axis; then `which` (B,) names the replicate of each row.
    """

    def __init__(
        self, model: Model, observations: Observations, noise: str, sigma: Mapping[str, float],
        priors: Mapping[str, Prior], *, replicates: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.unknowns, self.observations = model, model.unknowns, observations
        self.noise, self.sigma, self.priors = noise, sigma, priors
        self.evaluations = 0
        device = model.device
        given = {n: (v if replicates else v.unsqueeze(1)).to(device) for n, v in observations.values.items()}
        self.seen = {name: ~values.isnan() for name, values in given.items()}
        self.data = {name: values.nan_to_num(nan=1.0) for name, values in given.items()}
        self.floor = {name: self._tolerance(values) for name, values in observations.values.items()}

    def _tolerance(self, values: Tensor) -> float:
        rtol, atol = self.model.options["rtol"], self.model.options["atol"]
        return rtol if self.noise == "lognormal" else atol + rtol * float(values.nan_to_num().abs().max())

    # -- values ---------------------------------------------------------------------------------------------------

    def values(self, x: Tensor, which: Tensor | None = None) -> Tensor:
        """(B, P) -> (B,), without gradient; infinite where the solve fails."""
        return torch.cat([self._search(x[rows], _part(which, rows))[0] for rows in self._groups(x.shape[0])])

    def residual_scales(self, x: Tensor) -> Tensor:
        """Root mean square residual per observed field, (B, F); infinite where the solve fails."""
        parts = []
        with torch.no_grad():
            for rows in self._groups(x.shape[0]):
                run = self.model.predict(x[rows], self.observations.t)
                square = torch.stack([self._squares(run.fields, name, None) for name in self.data], dim=1)
                count = torch.stack([self._count(name, None).expand(square.shape[0]) for name in self.data], dim=1)
                usable = run.reached & self._possible(run.fields, None) & torch.isfinite(square).all(1)
                parts.append(torch.where(usable.unsqueeze(1), (square / count).sqrt(), math.inf).cpu())
        return torch.cat(parts)

    # -- derivatives ----------------------------------------------------------------------------------------------

    def gradient(self, x: Tensor, which: Tensor | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Values (B,) and exact gradients (B, P) of the discrete solution; zero where the value is infinite."""
        values, gradients = [], []
        for rows in self._groups(x.shape[0]):
            value, log = self._search(x[rows], _part(which, rows), stable=True)
            values.append(value)
            gradients.append(self._gradients(x[rows], _part(which, rows), log, torch.isfinite(value)))
        return torch.cat(values).numpy(), torch.cat(gradients).numpy()

    def expand(self, x: np.ndarray, which: Tensor | None = None) -> Expansion:
        """Value, gradient and Hessian at S points (S, P)."""
        points = torch.from_numpy(x)
        parts = [self._expand(points[rows], _part(which, rows)) for rows in self._groups(points.shape[0])]
        value, gradient, hessian = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
        return Expansion(value, gradient, hessian)

    def _expand(self, x: Tensor, which: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        count, size = x.shape
        value, log = self._search(x, which, stable=True)
        base = torch.arange(count).repeat_interleave(2 * size + 1)
        shifts = DIFFERENCE * torch.cat([torch.zeros(1, size), torch.eye(size), -torch.eye(size)]).double()
        points = x[base] + shifts.repeat(count, 1)
        chosen = None if which is None else which[base]
        gradients = self._gradients(points, chosen, log, torch.isfinite(value)[base], base)
        gradients = gradients.reshape(count, 2 * size + 1, size)
        hessian = (gradients[:, 1 : size + 1] - gradients[:, size + 1 :]) / (2 * DIFFERENCE)
        return value, gradients[:, 0], 0.5 * (hessian + hessian.transpose(1, 2))

    def _search(self, x: Tensor, which: Tensor | None, *, stable: bool = False) -> tuple[Tensor, StepLog]:
        """Values (B,), and the steps that the controller chose."""
        with torch.no_grad():
            run = self.model.predict(x, self.observations.t, stable=stable)
            value = self._negative_log_posterior(x.to(self.model.device), run.fields, which)
        self.evaluations += x.shape[0]
        usable = run.reached & torch.isfinite(value)
        return torch.where(usable, value, math.inf).cpu(), run.steps

    def _gradients(
        self, x: Tensor, which: Tensor | None, log: StepLog, usable: Tensor, base: Tensor | None = None
    ) -> Tensor:
        """Gradients (B, P); row i repeats the steps of sample ``base[i]`` of the log."""
        base = torch.arange(x.shape[0]) if base is None else base
        result = torch.zeros(x.shape, dtype=torch.float64)
        for rows in usable.nonzero().flatten().split(self.model.rows_at_once):
            point = x[rows].to(self.model.device).requires_grad_()
            run = self.model.predict(point, self.observations.t, graph=True, replay=repeat_steps(log, base[rows]))
            value = self._negative_log_posterior(point, run.fields, _part(which, rows))
            self.evaluations += len(rows)
            (gradient,) = torch.autograd.grad(value.sum(), point)
            result[rows] = gradient.cpu()
        return result

    def _groups(self, count: int) -> list[slice]:
        step = self.model.rows_at_once
        return [slice(first, first + step) for first in range(0, count, step)]

    # -- the density ----------------------------------------------------------------------------------------------

    def _negative_log_posterior(self, x: Tensor, fields: Mapping[str, Tensor], which: Tensor | None) -> Tensor:
        values = self.unknowns.values(x)
        total = self.negative_log_likelihood(values, fields, which)
        for label, value in values.items():
            if label in self.priors:
                total = total - self.priors[label].log_density(value).reshape(x.shape[0], -1).sum(1)
        return total

    def negative_log_likelihood(
        self, values: Mapping[str, Tensor], fields: Mapping[str, Tensor], which: Tensor | None = None
    ) -> Tensor:
        """(B,), of meant `values` and predicted `fields`; infinite where a lognormal field is not positive."""
        rows = next(iter(fields.values())).shape[1]
        total = torch.zeros(rows, dtype=torch.float64, device=self.model.device)
        for name in self.data:
            sigma = values.get(f"sigma({name})", torch.as_tensor(self.sigma.get(name, math.nan)))
            variance = sigma**2 + self.floor[name] ** 2
            count = self._count(name, which)
            total = total + 0.5 * self._squares(fields, name, which) / variance
            total = total + count * (0.5 * variance.log() + HALF_LOG_2PI)
            if self.noise == "lognormal":
                total = total + self._sum(torch.where(self._seen(name, which), self._data(name, which).log(), 0.0))
        return torch.where(self._possible(fields, which), total, math.inf)

    def _squares(self, fields: Mapping[str, Tensor], name: str, which: Tensor | None) -> Tensor:
        seen, data, predicted = self._seen(name, which), self._data(name, which), fields[name]
        if self.noise == "lognormal":
            # Where the logarithm does not exist the sample counts as failed; a one keeps its gradient finite.
            residual = data.log() - torch.where(predicted > 0, predicted, 1.0).log()
        else:
            residual = data - predicted
        return self._sum(torch.where(seen, residual, 0.0) ** 2)

    def _possible(self, fields: Mapping[str, Tensor], which: Tensor | None) -> Tensor:
        if self.noise == "normal":
            rows = next(iter(fields.values())).shape[1]
            return torch.ones(rows, dtype=torch.bool, device=self.model.device)
        good = [(fields[name] > 0) | ~self._seen(name, which) for name in self.data]
        return torch.stack([ok.transpose(0, 1).flatten(1).all(1) for ok in good]).all(0)

    def _count(self, name: str, which: Tensor | None) -> Tensor:
        return self._sum(self._seen(name, which).double())

    def _seen(self, name: str, which: Tensor | None) -> Tensor:
        return self.seen[name] if which is None else self.seen[name][:, which]

    def _data(self, name: str, which: Tensor | None) -> Tensor:
        return self.data[name] if which is None else self.data[name][:, which]

    @staticmethod
    def _sum(terms: Tensor) -> Tensor:
        """(T, B, *own) -> (B,)."""
        return terms.transpose(0, 1).flatten(1).sum(1)


def _part(which: Tensor | None, rows: slice | Tensor) -> Tensor | None:
    return None if which is None else which[rows]
