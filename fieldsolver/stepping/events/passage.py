"""Passing through events: the resets, and how the time of the event depends on what came before.

An event happens at t* with g(t*, y(t*)) = 0, where y is the dense output of the step. For a small change of anything
that y depends on,

    dt* = -dg / (dg/dt),    dg/dt = dg/dt|_y + dg/dy . dy/dt   along the dense output,

which is the derivative of t - g(t, y(t)) / (dg/dt) at the located point (W. Walter, Ordinary Differential Equations;
the implicit function theorem). The state at the event is y(t*), and the next step starts at t* and ends where it did,
so all derivatives are those of the numbers that were computed. As the steps become small they turn into those of the
exact flow, the saltation matrix (M. di Bernardo et al., Piecewise-smooth Dynamical Systems, 2008, section 2.5).

A Newton step from the located point has the first derivatives of the time of the event; each further one, at the same
rate dg/dt, has those of one order more. Two are taken: first and second derivatives are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations.events import EventFunction
from fieldsolver.methods.transformed import in_transform, is_plain

from .sampling import StepSampler, upload


@dataclass(frozen=True)
class Firing:
    """One event of some samples, in the order in which the resets were applied.

    Attributes:
        event: its number.
        places: (K,) of the m samples.
        t: (K,) float64, differentiable.
        y_before: (K, *state), state that it found.
        y_after: (K, *state), state that it left.
    """

    event: int
    places: np.ndarray
    t: Tensor
    y_before: Tensor
    y_after: Tensor


@dataclass(frozen=True)
class PassedEvents:
    """m samples right after their events.

    Attributes:
        t: (m,) float64, the times of the events; differentiable.
        y_before: (m, *state), states at the events.
        y: (m, *state), states after the resets, at those times.
        terminal: (m,) booleans, samples that end here.
        firings: what happened, event by event.
        offset: (m,) float64, zero, with the derivatives of t; None if it has none.
    """

    t: Tensor
    y_before: Tensor
    y: Tensor
    terminal: np.ndarray
    firings: list[Firing]
    offset: Tensor | None = None


def differentiable_time(t: Tensor, g: Tensor, rate: Tensor) -> Tensor:
    """t* = t - g(t, y(t)) / (dg/dt): the number t, with the derivative of the time at which g is zero.

    The located value stays as it is: the remaining g, within round-off of zero, is no correction worth having, and
    with or without a graph the steps are the same.

    Args:
        t: (K,) float64, located times.
        g: (K,) conditions there, with their graph.
        rate: (K,) dg/dt along the solution; zero at a grazing contact, where the time has no derivative.
    """
    return t - (g - g.detach()).to(t) / rate.detach().to(t)


def condition_rate(
    sampler: StepSampler, event: EventFunction, places: np.ndarray, theta: np.ndarray, t: Tensor
) -> Tensor:
    """(K,) dg/dt along the dense output, without graph: one reverse sweep through g and the interpolant."""

    def condition(delay: Tensor) -> Tensor:
        y = sampler.states_later(places, theta, delay)
        return sampler.batched.call(event.condition, places, t.detach() + delay, y)

    with torch.enable_grad():
        g, pull_back = torch.func.vjp(condition, torch.zeros_like(t))[:2]
        rate: Tensor = pull_back(torch.ones_like(g))[0]
    return rate.detach()


def pass_events(
    events: Sequence[EventFunction], sampler: StepSampler, places: np.ndarray, theta: np.ndarray, t: np.ndarray,
    fired: np.ndarray,
) -> PassedEvents:  # fmt: skip
    """Take m samples through their events.

    Args:
        events: all events in declared order.
        sampler: knows the interior of the steps.
        places: (m,) the samples.
        theta: (m,) where in their steps the events are.
        t: (m,) when.
        fired: (m, E) booleans, which events happen; at least one each.
    """
    batched = sampler.batched
    stopping = np.array([event.terminal for event in events])
    terminal = (fired & stopping).any(axis=1)
    before = sampler.states(places, theta)
    located = t_event = upload(t, before)
    tracked = torch.is_grad_enabled() or in_transform()
    offset = _newton_steps(events, sampler, places, theta, located, fired) if tracked else None
    if offset is not None:
        t_event, before = located + offset, sampler.states_later(places, theta, offset)
    after, firings = before, []
    for number, event in enumerate(events):
        own = np.flatnonzero(fired[:, number])
        if own.size:
            picked = upload(own, before)
            found = after.index_select(0, picked)
            left = found
            if event.reset is not None:
                left = batched.call(event.reset, places[own], t_event.index_select(0, picked), found)
                after = left if own.size == places.size else after.index_copy(0, picked, left)
            firings.append(Firing(number, own, t_event.index_select(0, picked), found, left))
    return PassedEvents(t_event, before, after, terminal, firings, offset)


def _newton_steps(
    events: Sequence[EventFunction], sampler: StepSampler, places: np.ndarray, theta: np.ndarray, t: Tensor,
    fired: np.ndarray,
) -> Tensor | None:  # fmt: skip
    """(m,) zeros with the derivatives of the times of the events; None if no graph leads to them.

    Where several events coincide, the time is that of the first of them.
    """
    first, offset = fired.argmax(axis=1), None
    for number in np.unique(first):
        own, event = np.flatnonzero(first == number), events[number]
        picked = upload(own, t)
        located, delay, rate = t.index_select(0, picked), t.new_zeros(own.size), None
        for _ in range(2):
            y = sampler.states_later(places[own], theta[own], delay)
            g = sampler.batched.call(event.condition, places[own], located + delay, y)
            if is_plain(g):
                break
            if rate is None:
                rate = condition_rate(sampler, event, places[own], theta[own], located)
            delay = differentiable_time(delay, g, rate)
        if rate is not None:
            offset = (torch.zeros_like(t) if offset is None else offset).index_copy(0, picked, delay)
    return offset
