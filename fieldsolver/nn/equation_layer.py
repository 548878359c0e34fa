"""`EquationLayer`: what all layers of a declared equation have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fieldsolver.equations import FieldEquation
from fieldsolver.equations.bound import bound
from fieldsolver.errors import OptionError
from fieldsolver.stepping.march import cannot_be_read

from .initial import initial_state
from .inputs import Inputs
from .meaning import meaning
from .param_groups import param_groups
from .precision import refuse_mixed
from .readout import Readout, Selection
from .run_options import RunOptions
from .samples import Samples, gather
from .stability_watch import StabilityWatch
from .weights import load_weights, save_weights

State = Tensor | Mapping[str, Any]
Fed = Tensor | Mapping[str, Tensor]


class EquationLayer(nn.Module, ABC):
    """An equation, what is fed to it, where it starts, and what is read out.

    Args:
        equation: the dynamics; its parameters and modules are the layer's parameters.
        inputs: names of the parameters of the equation that are fed at every call.
        initial: fields, a number for all of them, or None where every call brings its state.
        learn_initial: make the initial state a parameter.
        readout: the fields or components that are returned; None: all of them.
    """

    options: RunOptions
    check: str

    def __init__(
        self, equation: FieldEquation, *, inputs: str | Sequence[str], initial: Mapping[str, Any] | float | None,
        learn_initial: bool, readout: Selection,
    ) -> None:  # fmt: skip
        super().__init__()
        if not isinstance(equation, FieldEquation):
            raise OptionError(f"a {type(self).__name__} needs a FieldEquation, got {type(equation).__name__}")
        self.equation = equation
        self.inputs = Inputs(equation, inputs)
        self.readout = Readout(equation, readout)
        self.watch = StabilityWatch(equation, self.inputs.names)
        self.register_load_state_dict_post_hook(_look_again)
        if initial is not None and not self.inputs.names:
            raise OptionError("initial= is where a layer with inputs= starts; without inputs the call brings the state")
        start = initial_state(equation, initial, learned=learn_initial)
        if isinstance(start, nn.Parameter):
            self.initial = start
        else:
            self.register_buffer("initial", start)

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What a weights file must agree with, as plain data."""

    def _samples(self, x: Any, state: State | None) -> Samples:
        """The samples of a call ``layer(x, state)``: without inputs, `x` is the state."""
        if not self.inputs.names:
            if state is not None:
                raise OptionError(
                    "this layer has no inputs=, so it takes the state alone, layer(state); name the parameters to feed"
                )
            return gather(self.equation, self.inputs, self._packed(x), {})
        values = self.inputs.read(x)
        return gather(self.equation, self.inputs, self._start(values, state), values)

    def _start(self, values: Mapping[str, Tensor], state: State | None) -> Tensor:
        """The state given, or the initial one; plain numbers in the precision of the inputs."""
        start: Tensor | None = self.initial
        if isinstance(state, Mapping) and all(isinstance(value, (int, float)) for value in state.values()):
            start = initial_state(self.equation, state, learned=False)
        elif state is not None:
            return self._packed(state)
        if start is None:
            raise OptionError(
                "nothing says where to start: pass the state, layer(x, state), or make the layer with initial="
            )
        widest = reduce(torch.promote_types, (value.dtype for value in values.values()))
        real = widest.to_real()
        device = next(iter(values.values())).device
        return start.to(device, real.to_complex() if self.equation.is_complex else real)

    def _packed(self, state: State) -> Tensor:
        """``(*batch, C, *grid)``; numbers that are not finite fail sample by sample, in the solve."""
        return self.equation.pack(state, finite=False)

    def _judge(self, samples: Samples) -> None:
        """What can be said of the numbers before a run; nothing where nobody may look at them."""
        if cannot_be_read(samples.y) or not samples.y.shape[0]:
            return
        refuse_mixed(self._driven(samples.values), samples.y)
        self.watch.look(self.equation, samples.values, self.options, self.check, training=self.training)

    def _unsolved(self, y: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """`y` as the result of a run that had nothing to do: connected to all that a run has, with gradients of zero.

        A batch without samples, or a duration of zero, then trains like any other.
        """
        if not torch.is_grad_enabled():
            return y
        for tensor in (*self.parameters(), *values.values()):
            if tensor.requires_grad:
                nothing = tensor.reshape(-1)[:0].sum()
                y = y + (nothing.real if nothing.is_complex() and not y.is_complex() else nothing).to(y.dtype)
        return y

    def _driven(self, values: Mapping[str, Tensor]) -> FieldEquation:
        """The equation with these inputs."""
        return bound(self.equation, values) if values else self.equation

    def pure(self) -> tuple[Callable[..., Any], dict[str, Tensor]]:
        """The layer as a pure function, and what to call it with: for `torch.func`, ensembles and other optimisers.

        Returns:
            ``function(parameters, *arguments)``, which is ``layer(*arguments)`` with these parameters, and the
            parameters and buffers by name.
        """
        numbers = {**dict(self.named_parameters()), **dict(self.named_buffers())}

        def function(parameters: Mapping[str, Tensor], *arguments: Any, **options: Any) -> Any:
            return torch.func.functional_call(self, dict(parameters), arguments, options)

        return function, numbers

    def param_groups(self, lr: float, weight_decay: float = 0.0, *, rate_lr: float = 0.1) -> list[dict[str, Any]]:
        """Every parameter once, in groups for an optimiser; see `fieldsolver.nn.param_groups`."""
        return param_groups(self, lr, weight_decay, rate_lr=rate_lr)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the weights as safetensors, with the equation's text and the layer's configuration in the header."""
        return save_weights(self, path, self.config())

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what `save` wrote; raises `FileFormatError` if it belongs to another layer, and changes nothing."""
        load_weights(self, path, self.config())

    def _shared_config(self) -> dict[str, Any]:
        """Without what is not used: files written before an option existed then still fit."""
        more = {"inputs": list(self.inputs.names), "readout": self.readout.config()}
        used = {key: value for key, value in more.items() if value}
        return {"kind": type(self).__name__, **self.equation.fingerprint(), **used, **meaning(self)}

    def _shown(self) -> str:
        """Inputs and read-out, for `extra_repr`; the equation is printed below, as a submodule."""
        fed = f", inputs=({', '.join(self.inputs.names)})" if self.inputs.names else ""
        return fed + ("" if self.readout.selection is None else f", readout=({self.readout})")


def _look_again(layer: EquationLayer, _: Any) -> None:
    """After a state dict was loaded, into the layer or a model that contains it."""
    layer.watch.expect()
