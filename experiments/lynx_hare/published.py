"""The published Bayesian fit, for comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass

CASE_STUDY = "https://mc-stan.org/users/documentation/case-studies/lotka-volterra-predator-prey.html"
POSTERIORDB = "stan-dev/posteriordb, reference posterior hudson_lynx_hare-lotka_volterra"

CASE_STUDY_RATES = {"alpha": 0.55, "beta": 0.028, "gamma": 0.80, "delta": 0.024}
"""Posterior means as the case study's text gives them."""


@dataclass(frozen=True)
class Posterior:
    """A marginal posterior.

    Attributes:
        mean: posterior mean.
        square: posterior mean of the square.
    """

    mean: float
    square: float

    @property
    def sd(self) -> float:
        """Posterior standard deviation."""
        return math.sqrt(self.square - self.mean**2)


# The same model, priors and data as the case study, from 10,000 reference draws: files mean_value/ and
# mean_squared_value/hudson_lynx_hare-lotka_volterra.json.
REFERENCE = {
    "alpha": Posterior(0.546864499783931, 0.3030362900),
    "beta": Posterior(0.0277472877678081, 0.0007871719),
    "gamma": Posterior(0.800095360233122, 0.6481388153),
    "delta": Posterior(0.0240859152534545, 0.0005925775),
    "hare(t0)": Posterior(34.0352224770469, 1166.9038171313),
    "lynx(t0)": Posterior(5.93589713368062, 35.5163321009),
    "sigma(hare)": Posterior(0.24805686320252, 0.0634036795),
    "sigma(lynx)": Posterior(0.251016914583618, 0.0649094189),
}
