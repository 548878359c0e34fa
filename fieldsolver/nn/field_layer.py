"""`FieldLayer`: a declared equation, run for a finite time, as an ordinary `nn.Module`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.errors import OptionError
from fieldsolver.gradients import GradientMode, get_gradient
from fieldsolver.solve import Solution, solve
from fieldsolver.solve.options import check_step, check_tolerances, choose_method
from fieldsolver.solve.stability_limit import CHECKS, check_fixed_step

from .weights import load_weights, save_weights


class FieldLayer(nn.Module):
    """Maps an initial state to the state after `duration`.

    Every sample of the batch is integrated by itself: neighbours change nothing. The gradient is that of the discrete
    solution.

    Args:
        equation: the dynamics; its parameters and modules are the layer's parameters.
        duration: how long to run, in the equation's time; 0 passes the input through (the zero-dynamics ablation).
        method: name of the scheme.
        dt: fixed step; None lets the method choose its steps.
        rtol: relative tolerance of adaptive steps.
        atol: absolute tolerance of adaptive steps.
        gradient: ``"checkpointed"`` (bounded memory) or ``"direct"`` (stores every step).
        max_steps: attempted steps per sample.
        check: what to do about an unstable fixed step, as in `solve`; judged with the parameters of this moment.

    Raises:
        OptionError, StabilityError: at construction, for options that cannot work.
    """

    def __init__(
        self,
        equation: FieldEquation,
        *,
        duration: float = 1.0,
        method: str = "auto",
        dt: float | None = None,
        rtol: float = 1e-4,
        atol: float = 1e-6,
        gradient: str | GradientMode = "checkpointed",
        max_steps: int = 10_000,
        check: str = "refuse",
    ) -> None:
        super().__init__()
        if not isinstance(equation, FieldEquation):
            raise OptionError(f"a FieldLayer needs a FieldEquation, got {type(equation).__name__}")
        if not isinstance(duration, (int, float)) or not (math.isfinite(duration) and duration >= 0):
            raise OptionError(f"duration is a time that is not negative, got {duration!r}")
        ending = [event.name for event in equation.events if event.event.terminal]
        if ending:
            raise OptionError(
                f"event {ending[0]!r} ends samples before the duration is over, and a FieldLayer returns the state "
                "there; declare the equation without it, or call fs.solve"
            )
        scheme, _ = choose_method(method, dt)
        check_step(dt)
        check_tolerances(rtol, atol)
        mode = get_gradient(gradient)
        mode.check(scheme, equation, float(duration))
        if check not in CHECKS:
            raise OptionError(f"check is one of {CHECKS}, got {check!r}")
        if max_steps < 1:
            raise OptionError(f"max_steps is at least 1, got {max_steps!r}")
        if dt is not None:
            check_fixed_step(equation, scheme, dt, check)
        self.equation = equation
        self.duration = float(duration)
        self.options: dict[str, Any] = {
            "method": scheme.name,
            "dt": dt,
            "rtol": rtol,
            "atol": atol,
            "gradient": mode,
            "max_steps": max_steps,
        }

    def forward(self, state: Tensor | Mapping[str, Any]) -> Tensor:
        """``(*batch, C, *grid)`` or a dict of fields -> ``(*batch, C, *grid)``."""
        if self.duration == 0:
            return self.equation.pack(state)
        # Stability was judged at construction; judging again at every call would cost more than a small layer.
        return self._solve(state, [self.duration]).y[0]

    def trajectory(self, state: Tensor | Mapping[str, Any], saves: int = 11) -> Solution:
        """The whole evolution at `saves` equidistant times, as a `Solution`."""
        if self.duration == 0 or saves < 2:
            raise OptionError("a trajectory needs a positive duration and at least 2 save points")
        return self._solve(state, torch.linspace(0.0, self.duration, saves, dtype=torch.float64))

    def _solve(self, state: Tensor | Mapping[str, Any], save_at: Any) -> Solution:
        options = dict(self.options)
        if not torch.is_grad_enabled():
            options["gradient"] = "none"
        return solve(
            self.equation,
            state,
            t_span=(0.0, self.duration),
            save_at=save_at,
            check="off",
            progress=False,
            **options,
        )

    def config(self) -> dict[str, Any]:
        """What a weights file must agree with."""
        return {"kind": "FieldLayer", **self.equation.fingerprint(), "duration": self.duration}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the weights as safetensors, with the equation's text in the header."""
        return save_weights(self, path, self.config())

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what `save` wrote; raises `FileFormatError` if it belongs to another equation, and changes nothing."""
        load_weights(self, path, self.config())

    def extra_repr(self) -> str:
        """How the equation, which is printed below as a submodule, is run."""
        steps = f"dt={self.options['dt']:g}" if self.options["dt"] is not None else f"rtol={self.options['rtol']:g}"
        return f"duration={self.duration:g}, method={self.options['method']!r}, {steps}"
