"""An explicit Runge-Kutta method on small real states of the host, without gradients: the same step with less overhead.

It differs from `ExplicitRungeKutta.step` by rounding only: torch fuses products and sums, this does not.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from .explicit_runge_kutta import ExplicitRungeKutta
from .host_stages import Row, open_stages
from .protocol import Function, Memory, Method, Step
from .transformed import in_transform, is_functorch_wrapped_tensor, numbers_of

HOST_ENTRIES = 1 << 12
"""Entries of one state up to which this pays. The size of the batch plays no part: a sample's numbers must not depend
on how many others there are."""


class HostRungeKutta(ExplicitRungeKutta):
    """See `ExplicitRungeKutta`; f gets and returns tensors as there.

    Args:
        method: whose step this is.
    """

    def __init__(self, method: ExplicitRungeKutta) -> None:
        super().__init__(method.tableau)
        self._nodes = np.array([float(value) for value in self.tableau.c])
        self._stage_rows = [Row(terms) for terms in self._a]
        self._end = Row(self._b)
        self._error = None if self._b_error is None else Row(self._b_error)
        self._coarse = None if self._b_coarse_error is None else Row(self._b_coarse_error)

    def step(
        self, f: Function, t: Tensor, dt: Tensor, y: Tensor, memory: Memory = (), *, estimate: bool = True
    ) -> Step:
        """One step of every sample; y (B, *state) is a plain real tensor on the host.

        NumPy's warnings are off in here: an overflow shows in the error estimate, and the step is rejected.
        """
        with np.errstate(all="ignore"):
            start, sizes = as_array(y), as_array(dt)
            stages = open_stages(start, sizes, self.stages)
            times = stages.times(as_array(t), self._nodes)
            rate = memory[0] if memory else f(t, y)
            k, y_new = [rate], y
            stages.add(as_array(rate))
            for i in range(1, self.stages):
                y_new = torch.from_numpy(stages.state(self._stage_rows[i]))
                rate = f(torch.from_numpy(times[i]), y_new)
                k.append(rate)
                stages.add(as_array(rate))
            if not self.fsal:
                y_new = torch.from_numpy(stages.state(self._end))
            error = coarse = None
            if estimate and self._error is not None:
                error = torch.from_numpy(stages.increment(self._error))
            if estimate and self._coarse is not None:
                coarse = torch.from_numpy(stages.increment(self._coarse))
        return Step(t, dt, y, y_new, error, k, (rate,) if self.fsal else (), coarse)


def on_host(method: Method, y: Tensor, k1: Tensor) -> Method:
    """The host's form of a method where it has one and y (B, *state) and k1 = f(t, y) suit it, else the method itself.

    It is for solves whose graph nobody wants.
    """
    if type(method) is not ExplicitRungeKutta or not (_suits(y) and _suits(k1)):
        return method
    return _host_form(method)


def as_array(x: Tensor) -> np.ndarray:
    """The numbers of a tensor on the host; a graph is left behind.

    Raises:
        OptionError: they are those of many tensors at once, under torch.func.vmap.
    """
    if x.requires_grad:
        x = x.detach()
    try:
        return x.numpy()
    except RuntimeError:  # a negated view, for one, or a tensor inside a transform of torch.func
        return numbers_of(x) if in_transform() else x.numpy(force=True)


@cache
def _host_form(method: ExplicitRungeKutta) -> HostRungeKutta:
    return HostRungeKutta(method)


def _suits(x: Tensor) -> bool:
    """Plain numbers: nothing traced, fake, on another device, or carrying a tangent."""
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and x.is_contiguous()
        and 0 < x.numel() <= HOST_ENTRIES * x.shape[0]
        and not torch.compiler.is_compiling()
        and not is_functorch_wrapped_tensor(x)
        and forward_ad.unpack_dual(x).tangent is None
    )
