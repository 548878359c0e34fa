"""`System`: an equation written as a class, whose method is traced into the same graph as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from fieldsolver.errors import EquationError, listing, nearest
from fieldsolver.space.convolution import Kernel

from .declaration import Given, make_scope
from .domains import GridDeclaration
from .events import Event
from .field_equation import FieldEquation
from .graph import Node
from .parameters import Parameter, PerSample, Spatial
from .signals import Signal
from .symbols import Symbols


@dataclass(frozen=True)
class Field:
    """Declares a field of a `System`.

    Args:
        components: number of components.
        is_complex: whether it is complex.
        order: order in time, 1 or 2; `rates` gives the highest derivative.
    """

    components: int = 1
    is_complex: bool = False
    order: int = 1


class System:
    """An equation as a class: fields, parameters, modules and kernels are attributes, `rates` is the mathematics.

    ::

        class GrayScott(fs.System):
            u, v = fs.Field(), fs.Field()
            Du, Dv, k = 2e-5, 1e-5, 0.06
            F = fs.Parameter(0.04, positive=True)

            def rates(self, s):
                uptake = self.u*self.v**2
                return {
                    "u": self.Du*s.laplacian(self.u) - uptake + self.F*(1 - self.u),
                    "v": self.Dv*s.laplacian(self.v) + uptake - (self.F + self.k)*self.v,
                }

        equation = GrayScott.equation(grid=grid, boundary=fs.Periodic())
    """

    def rates(self, s: Symbols) -> Mapping[str, Node]:
        """The time derivative of every field, of its order; `self` carries symbols, `s` the words of the language."""
        raise EquationError(f"{type(self).__name__} defines no rates(self, s)")

    @classmethod
    def equation(
        cls, *, grid: GridDeclaration = None, boundary: Any = None, space_order: int | None = None, scheme: Any = None,
        calculus: str | None = None, mask: Tensor | None = None, metric: Any = None,
        events: Sequence[Event] = (), **overrides: Any,
    ) -> FieldEquation:  # fmt: skip
        """Trace `rates` once and return the equation.

        Args:
            grid, boundary, space_order, scheme, calculus, mask, metric, events: as for `FieldEquation`.
            **overrides: other values for parameters, modules or kernels of the class.
        """
        declared = _declared(cls, overrides)
        fields = {name: value for name, value in declared.items() if isinstance(value, Field)}
        if not fields:
            raise EquationError(f"{cls.__name__} has no fields; write for example u = fs.Field()")
        options: dict[str, Any] = {
            "grid": grid,
            "boundary": boundary,
            "parameters": {n: v for n, v in declared.items() if not isinstance(v, (Field, nn.Module, Kernel))},
            "modules": {n: v for n, v in declared.items() if isinstance(v, nn.Module)},
            "kernels": {n: v for n, v in declared.items() if isinstance(v, Kernel)},
            "components": {n: f.components for n, f in fields.items()},
            "complex_fields": tuple(n for n, f in fields.items() if f.is_complex),
            "space_order": space_order,
            "scheme": scheme,
            "calculus": calculus,
            "mask": mask,
            "metric": metric,
            "events": events,
        }
        orders = {name: field.order for name, field in fields.items()}
        scope, _, _ = make_scope(list(fields), orders, Given(**options).for_fields(list(fields)))
        words = Symbols(grid, metric=metric)
        names = {**scope.symbols, **scope.modules, **{name: name for name in scope.kernels}}
        rates = cls.rates(SimpleNamespace(**names), words)  # type: ignore[arg-type]  # symbols in place of an instance
        if not isinstance(rates, Mapping) or set(rates) != set(fields):
            got = listing(rates) if isinstance(rates, Mapping) else type(rates).__name__
            raise EquationError(f"rates of {cls.__name__} must give {listing(fields)}, got {got}")
        keys = {name: scope.velocities.get(name, scope.symbols[name]) for name in fields}
        return FieldEquation({keys[name]: rates[name] for name in fields}, **options)


def _declared(cls: type, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What the class and its bases declare, in order, with the caller's values on top."""
    kinds = (Field, Parameter, Spatial, PerSample, Signal, Kernel, nn.Module, Tensor, int, float, complex, str)
    declared: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        declared |= {
            name: value for name, value in vars(base).items() if isinstance(value, kinds) and not name.startswith("_")
        }
    for name in overrides:
        if name not in declared or isinstance(declared[name], Field):
            raise EquationError(f"{cls.__name__} has no parameter {name!r}{nearest(name, declared)}")
    return declared | dict(overrides)
