"""`FieldEquation`: a declared system of evolution equations, as a torch module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldsolver.errors import StateError, listing, nearest
from fieldsolver.space.boundary import Declaration
from fieldsolver.space.grid import Grid

from .declaration import declare_system
from .graph import Node
from .parameters import shaped
from .tape import Tape
from .torch_lowering import Lowering, dtype_like, held_sides

RightHandSide = Callable[[Sequence[Tensor], Tensor, Tensor], Tensor]


class FieldEquation(nn.Module):
    """A system of evolution equations, declared once.

    ``str(equation)`` is text that parses back to the same equation.

    Args:
        text: one equation per line or separated by ``;``: ``"du/dt = D*laplacian(u) - u"``.
        grid: the grid, or None for ordinary differential equations.
        boundary: a condition, or a dict per field and side; required with a grid.
        parameters: numbers, tensors (one entry per component), `Parameter`, `Spatial` or `PerSample`.
        modules: ``nn.Module`` objects called in the text, pointwise, with components last.
        components: number of components of fields that have more than one.
        complex_fields: names of the fields that are complex.
        space_order: order of the finite differences, 2 or 4.

    Attributes:
        fields: names of the fields, in the order of the state.
        right_sides: the expression graph of every ``d(field)/dt``.
        grid, layout: the grid, and everything the lowering needs.

    Raises:
        EquationError, BoundaryError, ParameterError, GridError: with one sentence that says what to type instead.
    """

    def __init__(
        self,
        text: str,
        *,
        grid: Grid | None = None,
        boundary: Declaration = None,
        parameters: Mapping[str, Any] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
        components: Mapping[str, int] | None = None,
        complex_fields: Sequence[str] = (),
        space_order: int = 2,
    ) -> None:
        super().__init__()
        system = declare_system(
            text,
            grid=grid,
            boundary=boundary,
            parameters=parameters or {},
            modules=modules or {},
            components=components or {},
            complex_fields=complex_fields,
            space_order=space_order,
        )
        self.grid = grid
        self.layout = system.layout
        self.fields: tuple[str, ...] = tuple(system.right_sides)
        self.complex_fields = tuple(complex_fields)
        self.right_sides: Mapping[str, Node] = system.right_sides
        self.declared = system.parameters
        self.submodules = nn.ModuleDict(modules or {})
        self._store_parameters()
        self._held = {name: held_sides(self.layout, name) for name in self.fields}
        self._tape, self._projection = self._lower()

    # -- parameters -----------------------------------------------------------------------------------------------

    def _store_parameters(self) -> None:
        self.raw = nn.ParameterDict()
        for name, item in self.declared.items():
            if item.transform is not None:
                self.raw[name] = nn.Parameter(item.transform.inverse(item.value))
            else:
                self.register_buffer(f"constant_{name}", item.value)

    def parameter_values(self) -> dict[str, Tensor]:
        """The current value of every declared parameter, as meant (positive, inside bounds), by name."""
        values = {}
        for name, item in self.declared.items():
            if item.transform is not None:
                values[name] = item.transform.forward(self.raw[name])
            else:
                values[name] = self.get_buffer(f"constant_{name}")
        return values

    # -- shape of the state ---------------------------------------------------------------------------------------

    @property
    def components(self) -> int:
        """Total number of components, ``C``."""
        return sum(size for _, size in self.layout.fields.values())

    @property
    def dimension(self) -> int:
        """Number of grid axes, 0 without a grid."""
        return self.layout.dimension

    @property
    def state_shape(self) -> tuple[int, ...]:
        """``(C, *grid)``."""
        return (self.components, *(self.grid.shape if self.grid else ()))

    @property
    def is_complex(self) -> bool:
        """Whether the state is complex."""
        return bool(self.complex_fields)

    def pack(self, state: Mapping[str, Any] | Tensor) -> Tensor:
        """One tensor ``(*batch, C, *grid)`` out of a dict of fields.

        A field with one component has shape ``(*batch, *grid)``, one with more ``(*batch, c, *grid)``; numbers are
        spread over the grid. A tensor is checked and returned.

        Raises:
            StateError: a field is missing or unknown, a shape does not fit, or a value is not finite.
        """
        packed = state if isinstance(state, Tensor) else self._pack_fields(state)
        trailing = tuple(packed.shape[packed.dim() - len(self.state_shape) :])
        if packed.dim() < len(self.state_shape) or trailing != self.state_shape:
            raise StateError(
                f"the state has shape {tuple(packed.shape)}, "
                f"expected (*batch, {', '.join(map(str, self.state_shape))}): "
                f"{self.components} component(s) for {listing(self.fields)}"
            )
        return self._checked(packed)

    def _pack_fields(self, state: Mapping[str, Any]) -> Tensor:
        if not isinstance(state, Mapping):
            raise StateError(f"the state must be a dict of fields or one tensor, got {type(state).__name__}")
        for name in state:
            if name not in self.fields:
                raise StateError(
                    f"the state has no field {name!r}; fields: {listing(self.fields)}{nearest(name, self.fields)}"
                )
        missing = [name for name in self.fields if name not in state]
        if missing:
            raise StateError(f"the state lacks the field {missing[0]!r}; give all of {listing(self.fields)}")
        tensors = {name: self._field_tensor(name, state[name]) for name in self.fields}
        try:
            batch = torch.broadcast_shapes(*[t.shape[: t.dim() - 1 - self.dimension] for t in tensors.values()])
        except RuntimeError:
            shapes = {name: tuple(t.shape[: t.dim() - 1 - self.dimension]) for name, t in tensors.items()}
            raise StateError(f"the fields have different batch shapes: {shapes}") from None
        # Numbers follow the precision of the arrays beside them.
        arrays = [tensors[name] for name in self.fields if isinstance(state[name], (Tensor, np.ndarray))]
        dtype = _common_dtype(arrays) or torch.get_default_dtype()
        if any(t.is_complex() for t in tensors.values()):
            dtype = torch.promote_types(dtype, torch.complex32)
        return torch.cat(
            [t.to(dtype).expand(*batch, *t.shape[t.dim() - 1 - self.dimension :]) for t in tensors.values()],
            dim=-1 - self.dimension,
        )

    def _field_tensor(self, name: str, value: Any) -> Tensor:
        size = self.layout.fields[name][1]
        grid = self.grid.shape if self.grid else ()
        # Python numbers keep all their digits until the precision of the state is known.
        try:
            tensor = _as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            raise StateError(f"field {name!r} must be a tensor, an array or a number, got {value!r}") from None
        if not (tensor.is_floating_point() or tensor.is_complex()):
            tensor = tensor.to(torch.get_default_dtype())
        own = (size, *grid) if size > 1 else grid
        if tensor.dim() == 0 and own:
            tensor = tensor.expand(own)
        if tuple(tensor.shape[tensor.dim() - len(own) :]) != own or tensor.dim() < len(own):
            raise StateError(
                f"field {name!r} has shape {tuple(tensor.shape)}, expected (*batch, {', '.join(map(str, own))})"
            )
        return tensor if size > 1 else tensor.unsqueeze(-1 - self.dimension)

    def _checked(self, packed: Tensor) -> Tensor:
        if not (packed.is_floating_point() or packed.is_complex()) or packed.dtype in (torch.float16, torch.bfloat16):
            raise StateError(f"the state has dtype {packed.dtype}; use float32, float64, complex64 or complex128")
        if self.is_complex and not packed.is_complex():
            packed = packed.to(torch.complex64 if packed.dtype == torch.float32 else torch.complex128)
        if packed.is_complex() and not self.is_complex:
            raise StateError(
                f"the state is complex but no field is; declare complex_fields={self.fields!r} or pass a real state"
            )
        if packed.is_complex():
            fields = self.unpack(packed)
            real = [name for name in self.fields if name not in self.complex_fields]
            wrong = [name for name in real if fields[name].imag.any()]
            if wrong:
                raise StateError(
                    f"field {wrong[0]!r} is real but its initial state is not; declare it in complex_fields="
                )
        finite = torch.isfinite(packed)
        if not finite.all():
            fields = self.unpack(finite)
            bad = next(name for name in self.fields if not fields[name].all())
            raise StateError(f"the initial state of {bad!r} contains NaN or infinity")
        return packed

    def unpack(self, y: Tensor) -> dict[str, Tensor]:
        """The fields of a state ``(*lead, C, *grid)``, each ``(*lead, *grid)`` or ``(*lead, c, *grid)``."""
        axis = y.dim() - 1 - self.dimension
        fields = {}
        for name, (start, size) in self.layout.fields.items():
            part = y.narrow(axis, start, size)
            fields[name] = part.squeeze(axis) if size == 1 else part
        return fields

    # -- the right-hand side --------------------------------------------------------------------------------------

    def forward(self, t: Tensor | float, y: Tensor) -> Tensor:
        """``dy/dt`` at time `t` (a scalar or one per sample) for states `y` of shape ``(*batch, C, *grid)``."""
        function, parameters = self.pure()
        return function(parameters, torch.as_tensor(t, dtype=torch.float64, device=y.device), y)

    def pure(self) -> tuple[RightHandSide, tuple[Tensor, ...]]:
        """A pure function ``f(parameters, t, y)`` and the tensors to call it with.

        Nothing is captured: the values of the declared parameters and the weights of the modules are in `parameters`.
        """
        values = self.parameter_values()
        names = list(values)
        weights = dict(self.submodules.named_parameters())
        own = tuple(weights.values())

        def function(parameters: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
            current = dict(zip(names, parameters, strict=False))
            given = parameters[len(names) :]
            same = all(a is b for a, b in zip(given, own, strict=True))
            substitutes = None if same else dict(zip(weights, given, strict=True))
            return self._assemble(self._run(self._tape, current, substitutes, t, y), y)

        return function, (*values.values(), *own)

    @property
    def holds_nodes(self) -> bool:
        """Whether some unknowns lie on Dirichlet walls and are held at the wall's value."""
        return any(self._held.values())

    def project(self, t: Tensor, y: Tensor) -> Tensor:
        """`y` with the unknowns that lie on Dirichlet walls set to the value of the wall at `t`; else `y` itself."""
        if not self.holds_nodes:
            return y
        return self._assemble(self.run_tape(self._projection, t, y), y, mask=False)

    def run_tape(self, tape: Tape, t: Tensor, y: Tensor) -> list[Any]:
        """Execute a tape lowered from expressions of this equation, at the current parameter values."""
        return self._run(tape, self.parameter_values(), None, t, y)

    def _run(
        self,
        tape: Tape,
        values: Mapping[str, Tensor],
        weights: Mapping[str, Tensor] | None,
        t: Tensor,
        y: Tensor,
    ) -> list[Any]:
        axis = -1 - self.dimension
        inputs: list[Any] = [y.narrow(axis, start, size) for start, size in self.layout.fields.values()]
        if y.is_complex():  # real fields beside complex ones ride in the same tensor
            inputs = [z if name in self.complex_fields else z.real for name, z in zip(self.fields, inputs, strict=True)]
        for name in self.layout.parameters:
            inputs.append(self._as_input(name, values[name], y))
        inputs.extend(self._callable(name, weights) for name in self.layout.modules)
        inputs.append(t.reshape(*t.shape, *((1,) * (1 + self.dimension))) if t.dim() else t)
        inputs.append(y)
        return tape.run(inputs)

    def _assemble(self, rates: Sequence[Any], y: Tensor, *, mask: bool = True) -> Tensor:
        parts = [self._as_rate(name, rate, y, mask=mask) for name, rate in zip(self.fields, rates, strict=True)]
        return torch.cat(parts, dim=-1 - self.dimension) if len(parts) > 1 else parts[0]

    def _as_input(self, name: str, value: Tensor, y: Tensor) -> Tensor:
        value = shaped(self.declared[name], value, self.dimension)
        if value.dim() == 0 and not value.is_complex():
            return value.to(y.device)  # stays float64: a 0-dim tensor does not promote, and keeps all its digits
        return value.to(device=y.device, dtype=dtype_like(y, is_complex=value.is_complex()))

    def _callable(self, name: str, weights: Mapping[str, Tensor] | None) -> Callable[..., Tensor]:
        module = self.submodules[name]
        if weights is None:
            return module
        prefix = name + "."
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        return lambda *arguments: torch.func.functional_call(module, own, arguments)

    def _as_rate(self, name: str, rate: Any, y: Tensor, *, mask: bool) -> Tensor:
        start, size = self.layout.fields[name]
        target = y.narrow(-1 - self.dimension, start, size)
        rate = rate.to(y) if isinstance(rate, Tensor) else torch.full((), rate, dtype=y.dtype, device=y.device)
        rate = rate if rate.shape == target.shape else rate.expand(target.shape)
        for axis, end in self._held[name] if mask else ():
            rate = _zero_end(rate, axis - self.dimension, end)
        return rate

    def _lower(self) -> tuple[Tape, Tape]:
        lowering = Lowering(self.layout)
        tape = lowering.finish([lowering.compile(node) for node in self.right_sides.values()])
        from . import build

        lowering = Lowering(self.layout)
        symbols = [
            build.field(name, size, is_complex=name in self.complex_fields)
            for name, (_, size) in self.layout.fields.items()
        ]
        return tape, lowering.finish([lowering.compile(symbol) for symbol in symbols])

    # Tapes hold functions, which cannot be pickled; the graph can, and says the same.
    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_tape", "_projection")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._tape, self._projection = self._lower()

    # -- text -----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return "\n".join(f"d{name}/dt = {node}" for name, node in self.right_sides.items())

    def __repr__(self) -> str:
        lines = [str(self), *(f"  {name} = {shown}" for name, shown in self.describe_parameters().items())]
        if self.grid is not None:
            lines.append(f"  on {self.grid}")
        return "\n".join(lines)

    def describe_parameters(self) -> dict[str, str]:
        """Every declared parameter's value as short text."""
        return {
            name: (f"{value.item():.6g}" if value.dim() == 0 else f"tensor{tuple(value.shape)}")
            + (" (trainable)" if self.declared[name].trainable else "")
            for name, value in self.parameter_values().items()
        }


def _as_tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (np.ndarray, list, tuple)):
        # torch refuses negative strides, and would round the numbers of a list.
        value = np.ascontiguousarray(value)
    return torch.as_tensor(value, dtype=_number_dtype(value))


def _number_dtype(value: Any) -> torch.dtype | None:
    if isinstance(value, complex):
        return torch.complex128
    return torch.float64 if isinstance(value, (int, float)) else None


def _common_dtype(tensors: Sequence[Tensor]) -> torch.dtype | None:
    """The dtype that holds them all; integers count as the default float. None for an empty list."""
    dtypes = [t.dtype if t.is_floating_point() or t.is_complex() else torch.get_default_dtype() for t in tensors]
    return reduce(torch.promote_types, dtypes) if dtypes else None


def _zero_end(rate: Tensor, dim: int, end: int) -> Tensor:
    inside = rate.narrow(dim, 1 if end == 0 else 0, rate.shape[dim] - 1)
    edge = torch.zeros_like(rate.narrow(dim, 0, 1))
    return torch.cat([edge, inside] if end == 0 else [inside, edge], dim=dim)
