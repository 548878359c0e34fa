"""Wilson-Cowan: excitatory and inhibitory populations. Inhibition enters both with a minus sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

import fieldsolver as fs

from .kinetics import Kinetics


def _gaussian(width: str) -> Callable[[Mapping[str, float]], fs.Kernel]:
    """Connections that fall off with the distance; their integral is 1."""

    def make(numbers: Mapping[str, float]) -> fs.Kernel:
        sigma = numbers[width]

        def shape(*displacement: Tensor) -> Tensor:
            return torch.exp(-sum((d**2 for d in displacement), displacement[0] * 0) / (2 * sigma**2))

        return fs.Kernel(shape, edge="zero", normalise="sum")

    return make


def _rates(E: str, I: str) -> dict[str, str]:  # the inhibitory population is I in every paper
    return {
        "E": f"(-E + (1 - r*E)*(sigmoid(a_E*(w_EE*{E} - w_EI*{I} + P - theta_E)) - sigmoid(-a_E*theta_E)))/tau_E",
        "I": f"(-I + (1 - r*I)*(sigmoid(a_I*(w_IE*{E} - w_II*{I} + Q - theta_I)) - sigmoid(-a_I*theta_I)))/tau_I",
    }


WILSON_COWAN = Kinetics(
    name="wilson_cowan",
    about="populations that excite and inhibit each other: a limit cycle at P = 1.25, rest at P = 0; r = 0 leaves out "
    "the refractory factor",
    source="H. R. Wilson and J. D. Cowan, Biophys. J. 12 (1972) 1, figure 11; in space: Kybernetik 13 (1973) 55",
    rates=_rates("convolve(g_E, E)", "convolve(g_I, I)"),
    mixed=_rates("E", "I"),
    parameters={
        "w_EE": 16.0, "w_EI": 12.0, "w_IE": 15.0, "w_II": 3.0, "a_E": 1.3, "theta_E": 4.0, "a_I": 2.0, "theta_I": 3.7,
        "P": 1.25, "Q": 0.0, "tau_E": 1.0, "tau_I": 1.0, "r": 1.0,
    },
    kernels={"g_E": _gaussian("sigma_E"), "g_I": _gaussian("sigma_I")},
    shape={"sigma_E": 1.0, "sigma_I": 2.0},
)  # fmt: skip
