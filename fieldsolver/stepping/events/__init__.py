"""Events: crossings of conditions inside accepted steps, their exact times, and the passage through them."""

from fieldsolver.equations.events import EventFunction

from .detector import EventDetector, EventStops, Landing
from .log import EventLog, EventRecorder
from .passage import Firing, PassedEvents, differentiable_time, pass_events
from .repetition import repeat_events
from .replay_check import ReplayCheck
from .sampling import Batched, Stretch
from .watched import Watched

__all__ = [
    "Batched",
    "EventDetector",
    "EventFunction",
    "EventLog",
    "EventRecorder",
    "EventStops",
    "Firing",
    "Landing",
    "PassedEvents",
    "ReplayCheck",
    "Stretch",
    "Watched",
    "differentiable_time",
    "pass_events",
    "repeat_events",
]
