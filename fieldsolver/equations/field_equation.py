"""`FieldEquation`: a declared system of evolution equations, as a torch module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fieldsolver.space.boundary import Declaration
from fieldsolver.space.convolution import Kernel
from fieldsolver.space.masked_cells import MaskedCells, tensors_of
from fieldsolver.space.schemes import SchemeDeclaration

from . import build
from .answers import Answers
from .declaration import DeclaredSystem, Given, declare_graphs, declare_more_events, declare_text
from .domains import GridDeclaration
from .events import Event, EventFunction
from .events.lowering import lower_events
from .graph import Node, Noise
from .lowering import MASK, Layout, Lowering, Tape, held_sides
from .lowering.arrays import stop
from .lowering.pointwise import dtype_like
from .parameters import shaped
from .state import StateSpace, field_name

if TYPE_CHECKING:
    from fieldsolver.space.metric import Metric, MetricFields


if TYPE_CHECKING:
    from fieldsolver.space.grid import Grid


_METRIC = "metric of space."  # no module can be called so
RightHandSide = Callable[[Sequence[Tensor], Tensor, Tensor], Tensor]


class FieldEquation(Answers, nn.Module):
    """A system of evolution equations, declared once.

    ``str(equation)`` is text that parses back to the same equation.

    Args:
        text: one equation per line or separated by ``;``: ``"du/dt = D*laplacian(u) - u"``; or a dict of graphs made
            with `Symbols`, ``{u: D*s.laplacian(u) - u}``.
        grid: the grid, a `Graph`, or None for ordinary differential equations; or a grid per field, over the same
            domain and nested by integer ratios, ``{"u": coarse, "v": fine}``: then ``restrict(v)`` and ``prolong(u)``
            lead between them.
        boundary: a condition, or a dict per field and side; required with a grid, none with a graph.
        parameters: numbers, tensors (one entry per component, or a matrix for ``K @ phi``), expressions as text,
            `Parameter`, `Spatial`, `PerSample` or `Signal`.
        modules: ``nn.Module`` objects called in the text, pointwise with components last, or `Nonlocal`.
        kernels: convolution kernels, ``{"w": fs.Kernel(function, edge="zero")}``.
        components: number of components of fields that have more than one.
        complex_fields: names of the fields that are complex.
        space_order: order of the finite differences, 2 (default), 4, 6 or 8; short for
            ``scheme=fs.FiniteDifference(order=...)``.
        scheme: how derivatives are taken, ``fs.FiniteDifference(...)`` or ``fs.Spectral(...)``, for all axes or in a
            dict per axis.
        calculus: ``"ito"`` or ``"stratonovich"``, required with noise.
        mask: bool ``(*grid)``, or ``(B, *grid)`` for one domain per sample: the cells inside the domain. States are
            zero outside and stay so. The condition at its border is the key ``"mask"`` of `boundary`,
            ``fs.Neumann(0)`` or ``fs.Dirichlet(value)``.
        metric: a Riemannian metric on the coordinates of the grid: `Metric`, or what one is made of (a tensor, a
            function of the coordinates, a module such as `LearnedMetric`). ``laplacian``, ``diffusion`` and
            ``gradient_squared`` are then those of the metric, integrals and means are over its volume, and a slope in
            ``Neumann`` is per unit of the coordinate. It is evaluated once per right-hand side.
        events: what happens where a condition crosses zero, `Event`.

    Attributes:
        fields: names of the states in order; a field of second order in time has its velocity ``"du/dt"`` behind it.
        statements: the right-hand sides as written, per field.
        right_sides: the expression graph of the rate of every state, noise excluded.
        noises: coefficients of every noise, per state.
        orders: order in time per field.
        events: the declared events, with their graphs.
        grid, layout: the grid (the dict of grids if they differ), and everything the lowering needs.

    Raises:
        EquationError, BoundaryError, ParameterError, GridError: with one sentence that says what to type instead.
    """

    def __init__(
        self,
        text: str | Mapping[Any, Node],
        *,
        grid: GridDeclaration = None,
        boundary: Declaration = None,
        parameters: Mapping[str, Any] | None = None,
        modules: Mapping[str, nn.Module] | None = None,
        kernels: Mapping[str, Kernel] | None = None,
        components: Mapping[str, int] | None = None,
        complex_fields: Sequence[str] = (),
        space_order: int | None = None,
        scheme: SchemeDeclaration = None,
        calculus: str | None = None,
        mask: Tensor | None = None,
        metric: Metric | Tensor | Callable[..., Any] | None = None,
        events: Sequence[Event] = (),
    ) -> None:
        super().__init__()
        given = Given(
            grid=grid,
            boundary=boundary,
            parameters=parameters or {},
            modules=modules or {},
            kernels=kernels or {},
            components=components or {},
            complex_fields=tuple(complex_fields),
            space_order=space_order,
            scheme=scheme,
            calculus=calculus,
            mask=mask,
            metric=metric,
            events=events,
        )
        if isinstance(text, str):
            self._adopt(*declare_text(text, given))
        else:
            self._adopt(*declare_graphs(text, given))

    def _adopt(self, system: DeclaredSystem, given: Given) -> None:
        """Take over a checked system; every front end ends here."""
        self.given = given
        self.grid = given.grid
        self.calculus = given.calculus
        self.layout = system.layout
        self.statements = system.statements
        self.orders = system.orders
        self.right_sides = system.right_sides
        self.noises = system.noises
        self.events = system.events
        self.declared = system.parameters
        self.definitions = system.definitions
        self.fields: tuple[str, ...] = tuple(system.right_sides)
        complex_states = (name for name in self.fields if field_name(name) in given.complex_fields)
        self.complex_fields = tuple(complex_states)
        self.space = _state_space(system.layout, self.complex_fields)
        self.submodules = nn.ModuleDict(dict(given.modules))
        self.metric = system.layout.metric
        self._store_parameters()
        self._store_mask()
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
        for name, times in self.layout.signals.items():
            self.register_buffer(f"times_{name}", times)
        for name, kernel in self.layout.kernels.items():
            if isinstance(kernel.values, nn.Module):
                with torch.no_grad():
                    kernel.samples(self.layout.kernel_grid(name))  # checked once, not at every evaluation
                self.submodules[name] = kernel.values
            else:
                self.register_buffer(f"kernel_{name}", kernel.samples(self.layout.kernel_grid(name)))

    def _store_mask(self) -> None:
        if self.layout.mask is not None:
            flags, anchor = tensors_of(self.layout.mask)
            self.register_buffer("mask_flags", flags)
            self.register_buffer("mask_anchor", anchor)

    def parameter_values(self) -> dict[str, Tensor]:
        """The current value of every declared parameter, as meant (positive, inside bounds), by name."""
        values = {}
        for name, item in self.declared.items():
            if item.transform is not None:
                values[name] = item.transform.forward(self.raw[name])
            else:
                values[name] = self.get_buffer(f"constant_{name}")
        return values

    def kernel_values(self) -> dict[str, Tensor]:
        """Samples of every declared kernel, by name; those of a learned kernel carry its graph."""
        return {
            name: kernel.samples(self.layout.kernel_grid(name), check=False)
            if isinstance(kernel.values, nn.Module)
            else self.get_buffer(f"kernel_{name}")
            for name, kernel in self.layout.kernels.items()
        }

    def mask_values(self) -> dict[str, Tensor]:
        """The tensors of the mask as inputs of a tape, by name; empty without one."""
        if self.layout.mask is None:
            return {}
        return dict(zip(MASK, map(self.get_buffer, ("mask_flags", "mask_anchor")), strict=True))

    def _cells(self, values: Mapping[str, Tensor], y: Tensor) -> MaskedCells | None:
        own = {name: values.get(name, tensor).to(y.device) for name, tensor in self.mask_values().items()}
        return MaskedCells(*own.values(), dimension=self.dimension) if own else None

    # -- shape of the state ---------------------------------------------------------------------------------------

    @property
    def components(self) -> int:
        """Total number of components, ``C``."""
        return self.space.components

    @property
    def dimension(self) -> int:
        """Number of grid axes of the state, 0 without a grid and where fields have grids of their own."""
        return self.space.dimension

    def grid_of(self, state: str) -> Grid | None:
        """The grid of one state."""
        return self.layout.of(state).grid

    def fields_by_grid(self) -> dict[Grid, list[str]]:
        """Every grid with the fields that lie on it; empty without a grid."""
        found: dict[Grid, list[str]] = {}
        for name in self.statements:
            grid = self.grid_of(name)
            if grid is not None:
                found.setdefault(grid, []).append(name)
        return found

    def axes_of(self, state: str) -> tuple[str, ...]:
        """Names of the axes of one state's arrays: ``("x", "y")``, or ``("x_u", "y_u")`` where it has its own grid."""
        if self.layout.graph is not None:
            return ("vertex",)
        axes = self.given.axes
        return tuple(f"{axis}_{field_name(state)}" for axis in axes) if self.layout.domains else axes

    @property
    def state_shape(self) -> tuple[int, ...]:
        """``(C, *grid)``; ``(N,)`` where fields have grids of their own, which lie one after the other, flattened."""
        return self.space.shape

    @property
    def is_complex(self) -> bool:
        """Whether the state is complex."""
        return bool(self.complex_fields)

    def pack(self, state: Mapping[str, Any] | Tensor, *, finite: bool = True) -> Tensor:
        """One tensor ``(*batch, C, *grid)`` out of a dict of fields.

        A field with one component has shape ``(*batch, *grid)``, one with more ``(*batch, c, *grid)``; numbers are
        spread over the grid. A tensor is checked and returned. What lies outside a mask becomes zero unseen.

        Args:
            state: fields by name, or one tensor.
            finite: refuse NaN and infinity.

        Raises:
            StateError: a field is missing or unknown, a shape does not fit, or a value is not finite.
        """
        inside = None if self.layout.mask is None else self.layout.mask.inside
        return self.space.pack(state, inside, finite=finite)

    def unpack(self, y: Tensor) -> dict[str, Tensor]:
        """The fields of a state ``(*lead, C, *grid)``, each ``(*lead, *grid)`` or ``(*lead, c, *grid)``."""
        return self.space.unpack(y)

    # -- the right-hand side --------------------------------------------------------------------------------------

    def forward(self, t: Tensor | float, y: Tensor) -> Tensor:
        """``dy/dt`` at time `t` (a scalar or one per sample) for states `y` of shape ``(*batch, C, *grid)``.

        Raises:
            StateError: `y` is not of that shape, or its dtype is not float or complex.
        """
        self.space.check(y)
        function, parameters = self.pure()
        return function(parameters, torch.as_tensor(t, dtype=torch.float64, device=y.device), y)

    def pure(self) -> tuple[RightHandSide, tuple[Tensor, ...]]:
        """A pure function ``f(parameters, t, y)`` and the tensors to call it with.

        Nothing is captured: the values of the declared parameters and kernels and the weights of the modules are all
        in `parameters`.
        """
        values = {**self.parameter_values(), **self.kernel_values(), **self.mask_values()}
        return self._pure_state(self._tape, held=True), (*values.values(), *self._weights().values())

    def pure_values(self, tape: Tape) -> Callable[[Sequence[Tensor], Tensor, Tensor], list[Any]]:
        """A tape lowered from expressions of this equation as a pure function of the parameters of `pure`, t and y."""
        names, weights = self._names(), self._weights()
        own = tuple(weights.values())

        def function(parameters: Sequence[Tensor], t: Tensor, y: Tensor) -> list[Any]:
            current = dict(zip(names, parameters, strict=False))
            given = parameters[len(names) :]
            same = all(a is b for a, b in zip(given, own, strict=True))
            substitutes = None if same else dict(zip(weights, given, strict=True))
            return self._run(tape, current, substitutes, t, y)

        return function

    def pure_state(self, rows: Mapping[str, Node]) -> RightHandSide:
        """One expression per state as a pure function of the parameters of `pure`, t and y, of the shape of y."""
        return self._pure_state(self._compiled(rows), held=False)

    def _pure_state(self, tape: Tape, *, held: bool) -> RightHandSide:
        names, run = self._names(), self.pure_values(tape)

        def function(parameters: Sequence[Tensor], t: Tensor, y: Tensor) -> Tensor:
            parts = self._assemble(run(parameters, t, y), y, mask=held)
            return self._inside(parts, dict(zip(names, parameters, strict=False)))

        return function

    def _names(self) -> list[str]:
        """The first parameters of `pure`; those behind them are weights."""
        return [*self.declared, *self.layout.kernels, *self.mask_values()]

    def _weights(self) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = dict(self.submodules.named_parameters())
        if self.metric is not None:
            weights |= {_METRIC + name: value for name, value in self.metric.named_parameters()}
        return weights

    def event_functions(self, more: Sequence[Event] = ()) -> list[EventFunction]:
        """The events, and `more` of them, as pure functions of the parameters of `pure`, t (P,) and y (P, C, *grid).

        Raises:
            OptionError, EquationError: one of `more` cannot be; one sentence says what to type instead.
        """
        return lower_events(self, (*self.events, *declare_more_events(more, self)) if more else self.events)

    def noise_amplitudes(self, t: Tensor | float, y: Tensor) -> dict[Noise, Tensor]:
        """The factor of every noise in the rate of the state, ``(*batch, C, *grid)`` each."""
        t = torch.as_tensor(t, dtype=torch.float64, device=y.device)
        sources = dict.fromkeys(noise for row in self.noises.values() for noise in row)
        amplitudes = {}
        for source in sources:
            rows = [self.noises.get(name, {}).get(source, build.number(0)) for name in self.fields]
            tape = self._compiled(dict(zip(self.fields, rows, strict=True)))
            amplitudes[source] = self._inside(self._assemble(self.run_tape(tape, t, y), y))
        return amplitudes

    @property
    def holds_nodes(self) -> bool:
        """Whether some unknowns lie on Dirichlet walls and are held at the wall's value."""
        return any(self._held.values())

    def project(self, t: Tensor, y: Tensor) -> Tensor:
        """`y` with the unknowns that lie on Dirichlet walls set to the value of the wall at `t`; else `y` itself.

        Cells outside a mask are set to zero.
        """
        y = self._inside(y)
        if not self.holds_nodes:
            return y
        return self._assemble(self.run_tape(self._projection, t, y), y, mask=False)

    def run_tape(self, tape: Tape, t: Tensor, y: Tensor) -> list[Any]:
        """Execute a tape lowered from expressions of this equation, at the current parameter values."""
        return self._run(tape, {**self.parameter_values(), **self.kernel_values()}, None, t, y)

    def rates(self, tape: Tape, values: Mapping[str, Tensor], t: Tensor, y: Tensor) -> Tensor:
        """Rates ``(*batch, C, *grid)`` by a tape of one expression per state, at other values of the parameters."""
        return self._inside(self._assemble(self._run(tape, values, None, t, y), y), values)

    def _run(
        self,
        tape: Tape,
        values: Mapping[str, Tensor],
        weights: Mapping[str, Tensor] | None,
        t: Tensor,
        y: Tensor,
    ) -> list[Any]:
        inputs: list[Any] = self.space.columns(y)
        inputs.extend(self._as_input(name, values[name], y) for name in self.layout.parameters)
        inputs.extend(self.get_buffer(f"times_{name}").double() for name in self.layout.signals)
        inputs.extend(values[name] for name in self.layout.kernels)
        inputs.extend(self._callable(name, weights) for name in self.layout.modules)
        if self.metric is not None:
            inputs.append(self._metric_fields(self.metric, weights, y.device))
        inputs.append(t.reshape(*t.shape, *((1,) * (1 + self.layout.dimension))) if t.dim() else t)
        inputs.append(y)
        inputs.extend(values.get(name, tensor).to(y.device) for name, tensor in self.mask_values().items())
        # Rates are as precise as the state, in the same way forward and backward; abstract tensors have no precision.
        if not y.is_meta and torch.is_autocast_enabled(y.device.type):
            with torch.autocast(y.device.type, enabled=False):
                return tape.run(inputs)
        return tape.run(inputs)

    def _inside(self, rates: Tensor, values: Mapping[str, Tensor] | None = None) -> Tensor:
        """`rates` with zeros outside the mask."""
        cells = self._cells(values or {}, rates)
        return rates if cells is None else cells.project(rates)

    def _assemble(self, rates: Sequence[Any], y: Tensor, *, mask: bool = True) -> Tensor:
        parts = [self._as_rate(name, rate, y, mask=mask) for name, rate in zip(self.fields, rates, strict=True)]
        return self.space.join(parts)

    def _as_input(self, name: str, value: Tensor, y: Tensor) -> Tensor:
        value = shaped(self.declared[name], value, self.layout.dimension)
        if self.declared[name].place == "signal" or (value.dim() == 0 and not value.is_complex()):
            # Scalars stay float64: a 0-dim tensor does not promote, and keeps all its digits. Signals meet time first.
            return value.to(y.device)
        return value.to(device=y.device, dtype=dtype_like(y, is_complex=value.is_complex()))

    def _callable(self, name: str, weights: Mapping[str, Tensor] | None) -> Callable[..., Tensor]:
        module = self.submodules[name]
        if weights is None:
            return module
        prefix = name + "."
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        return lambda *arguments: torch.func.functional_call(module, own, arguments)

    def _metric_fields(self, metric: Metric, weights: Mapping[str, Tensor] | None, at: torch.device) -> MetricFields:
        if weights is None:
            return metric.fields().to(at)
        own = {key.removeprefix(_METRIC): value for key, value in weights.items() if key.startswith(_METRIC)}
        return torch.func.functional_call(metric, own, ()).to(at)

    def _as_rate(self, name: str, rate: Any, y: Tensor, *, mask: bool) -> Tensor:
        target = self.space.part(y, name)
        rate = rate.to(y) if isinstance(rate, Tensor) else torch.full((), rate, dtype=y.dtype, device=y.device)
        rate = rate if rate.shape == target.shape else rate.expand(target.shape)
        for axis, end in self._held[name] if mask else ():
            rate = stop(rate, dim=axis - self.layout.dimension, end=end)
        return rate

    def _lower(self) -> tuple[Tape, Tape]:
        return self._compiled(self.right_sides), self._compiled({name: self.state_symbol(name) for name in self.fields})

    def _compiled(self, rows: Mapping[str, Node]) -> Tape:
        """The program that computes one expression per state, on its grid."""
        lowering = Lowering(self.layout)
        return lowering.finish([lowering.of(name).compile(node) for name, node in rows.items()])

    def state_symbol(self, name: str) -> Node:
        """The graph node of a state, by its name (``"u"`` or ``"du/dt"``)."""
        size, is_complex = self.layout.fields[name][1], name in self.complex_fields
        if name not in self.statements:
            return build.velocity(field_name(name), size, is_complex=is_complex)
        return build.field(name, size, is_complex=is_complex)

    # Tapes hold functions, which cannot be pickled; the graph can, and says the same.
    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_tape", "_projection")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._tape, self._projection = self._lower()


def _state_space(layout: Layout, complex_fields: tuple[str, ...]) -> StateSpace:
    if not layout.domains:
        return StateSpace(layout.fields, layout.shape, complex_fields)
    shapes = {name: layout.of(name).required_grid().shape for name in layout.fields}
    return StateSpace(layout.fields, (), complex_fields, shapes)
