"""`Event`, what a user writes down; `EventFunction`, what the time loop works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fieldsolver.errors import OptionError, nearest

from ..graph import Node

DIRECTIONS = {"up": 1, "down": -1, "both": 0}
"""The sign of g after the crossing; 0 where either will do."""
UserFunction = Callable[[Tensor, Tensor], Tensor]
PureFunction = Callable[[Sequence[Tensor], Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Event:
    """Something that happens where a condition g(t, y) crosses zero.

    A crossing leads from one side of zero to the other as the integration proceeds; a touch is none. An event starts
    armed where g is not zero. Where g is zero, at the initial time or after the event's own reset (a ball that leaves
    the ground), it is armed by leaving zero, to the side to which it leaves, and so does not fire there; coming back to
    zero from that side is a crossing of its own. "Zero" is meant to the accuracy of the location, 1e-12 of a step. A
    reset that carries g over zero is no crossing. Where g is NaN it has no side, and keeps the last one it had.

    Of several events in one step the earliest comes first; after a reset the rest of the step is computed anew. Events
    at the same time all fire, in the order in which they were declared, and every reset sees the state that the one
    before it left.

    Args:
        condition: text such as ``"v - 1"``, over fields, parameters and t, with one real value per sample (on a grid
            ``mean(...)`` or ``integral(...)``); or a function ``g(t, y)``: for a batch, t is (B,) and g returns (B,);
            for one system they are scalars.
        direction: ``"up"``, ``"down"`` or ``"both"``.
        reset: the state right after the event: a dict from fields (velocities are called ``"du/dt"``) to expressions,
            which all see the state before, ``{"v": "0", "w": "w + b"}``; or a function ``(t, y) -> y_new``, in which t
            has the shape that right-hand sides get.
        terminal: the sample ends at the event (after the reset, if there is one).
        name: for the log; None takes the text of the condition, or the name of the function.
        max_events: a sample in which an event with a reset fires more often than this ends with ``Status.ZENO``.

    Raises:
        OptionError: an argument that cannot be; one sentence says what to type.
    """

    condition: str | Node | UserFunction
    direction: str = "both"
    reset: Mapping[str, Any] | UserFunction | None = None
    terminal: bool = False
    name: str | None = None
    max_events: int = 10_000

    def __post_init__(self) -> None:
        if not isinstance(self.condition, str | Node) and not callable(self.condition):
            got = type(self.condition).__name__
            raise OptionError(f"the condition of an event is text such as 'v - 1' or a function g(t, y), got {got}")
        if self.direction not in DIRECTIONS:
            hint = nearest(str(self.direction), DIRECTIONS)
            raise OptionError(f"direction is 'up', 'down' or 'both', got {self.direction!r}{hint}")
        if self.reset is not None and not isinstance(self.reset, Mapping) and not callable(self.reset):
            got = type(self.reset).__name__
            raise OptionError(f"reset is a dict such as {{'v': '0'}} or a function (t, y) -> y_new, got {got}")
        if isinstance(self.reset, Mapping) and not self.reset:
            raise OptionError("reset is empty; name the fields that change, as in {'v': '0'}, or leave it out")
        if not isinstance(self.terminal, bool):
            raise OptionError(f"terminal is True or False, got {self.terminal!r}")
        if self.name is not None and (not isinstance(self.name, str) or not self.name.strip()):
            raise OptionError(f"the name of an event is text such as 'spike', got {self.name!r}")
        if isinstance(self.max_events, bool) or not isinstance(self.max_events, int) or self.max_events < 1:
            raise OptionError(f"max_events is a positive integer, got {self.max_events!r}")

    @property
    def is_declared(self) -> bool:
        """Whether nothing in it is a function, so that all of it can be read."""
        return isinstance(self.condition, str | Node) and (self.reset is None or isinstance(self.reset, Mapping))


@dataclass(frozen=True, eq=False)
class EventFunction:
    """An event as tensors see it.

    Attributes:
        name: for the log.
        condition: g(parameters, t (P,) float64, y (P, *state)) -> (P,) real.
        direction: the sign of g after the crossing, 0 for both.
        terminal: whether the sample ends there.
        reset: (parameters, t (P,), y (P, *state)) -> (P, *state), or None.
        max_events: firings per sample.
        selectable: whether the functions can be called with some of the samples; if not, always with the whole batch.
    """

    name: str
    condition: PureFunction
    direction: int = 0
    terminal: bool = False
    reset: PureFunction | None = None
    max_events: int = 10_000
    selectable: bool = True

    @property
    def stops(self) -> bool:
        """Whether the step ends where it fires."""
        return self.terminal or self.reset is not None


def event_names(events: Sequence[Any]) -> list[str]:
    """The names of events, given or made up from their conditions.

    Raises:
        OptionError: something is no event, or two have the same name.
    """
    if isinstance(events, Event) or not isinstance(events, Sequence):
        raise OptionError(f"events is a list such as [fs.Event('v - 1', direction='up')], got {type(events).__name__}")
    for event in events:
        if not isinstance(event, Event):
            raise OptionError(f"events holds {type(event).__name__}, expected fs.Event; write fs.Event(condition, ...)")
    names = [event.name or _own_name(event, place) for place, event in enumerate(events)]
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise OptionError(f"two events are called {twice[0]!r}; give each a name= of its own")
    return names


def _own_name(event: Event, place: int) -> str:
    if isinstance(event.condition, str | Node):
        return " ".join(str(event.condition).split())
    name = getattr(event.condition, "__name__", "<lambda>")
    return f"event {place}" if name == "<lambda>" else name
