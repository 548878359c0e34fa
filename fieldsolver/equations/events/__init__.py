"""Events: what users declare, and what the time loop works with."""

from .declaration import DeclaredEvent, declare_events, field_of
from .event import DIRECTIONS, Event, EventFunction, event_names
from .user_functions import function_events

__all__ = [
    "DIRECTIONS",
    "DeclaredEvent",
    "Event",
    "EventFunction",
    "declare_events",
    "event_names",
    "field_of",
    "function_events",
]
