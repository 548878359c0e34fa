"""How the integration of one sample ended."""

from __future__ import annotations

import enum


class Status(enum.IntEnum):
    """Outcome of one sample; `sentence` says what it means and what to do about it."""

    RUNNING = 0
    SUCCESS = 1
    MAX_STEPS = 2
    DT_UNDERFLOW = 3
    NON_FINITE = 4
    EVENT = 5
    ZENO = 6
    INTERRUPTED = 7
    STEADY = 8
    NOT_STEADY = 9

    @property
    def success(self) -> bool:
        """Whether the sample ended where it was meant to."""
        return self in (Status.SUCCESS, Status.EVENT, Status.STEADY)

    @property
    def sentence(self) -> str:
        """The outcome, with the remedy."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.RUNNING: "The sample is still being integrated.",
    Status.SUCCESS: "The sample reached the end of the time span.",
    Status.MAX_STEPS: (
        "The sample used up its steps before the end of the time span; raise max_steps, or loosen rtol and atol; "
        "where steps are tiny the problem is stiff, and the methods here are explicit."
    ),
    Status.DT_UNDERFLOW: (
        "The step size fell to the smallest possible one and the error is still too large: the solution blows up, "
        "jumps, or is too stiff for explicit steps; look at it just before t_end, or loosen the tolerances."
    ),
    Status.NON_FINITE: (
        "The state or its derivative became NaN or infinite; check the equation at t_end, take smaller steps, or start "
        "from a finite state."
    ),
    Status.EVENT: "The sample ended at a terminal event; t_end says when, the event log which.",
    Status.ZENO: (
        "Events follow each other faster than steps can resolve (a bouncing ball coming to rest), or one fired "
        "max_events times; make the event terminal, let its reset end in a state at rest, or raise max_events."
    ),
    Status.INTERRUPTED: (
        "The sample was still running when the solve was stopped from outside; its states up to there are kept."
    ),
    Status.STEADY: "The sample came to rest; at t_end its scaled residual is at most 1.",
    Status.NOT_STEADY: (
        "The sample was not at rest when its time was over; raise max_time, or loosen the tolerances of SteadyState, "
        "which round-off may keep out of reach; a solution that oscillates has no steady state."
    ),
}
