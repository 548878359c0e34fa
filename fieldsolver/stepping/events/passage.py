"""Passing through events: the resets, and how the time of the event depends on what came before.

An event happens at t* with g(t*, y(t*)) = 0. For a small change of anything that y depends on,

    dt* = -dg / (dg/dt),    dg/dt = dg/dt|_y + dg/dy . f   along the solution,

which is the derivative of t - g(t, y(t)) / (dg/dt) at the located point (W. Walter, Ordinary Differential Equations;
the implicit function theorem). The state at the event then changes by dy + f dt*, and the solution after it, seen at a
fixed time, by dR - f(after) dt*: together the saltation matrix (M. di Bernardo et al., Piecewise-smooth Dynamical
Systems, 2008, section 2.5).

A Newton step from the located point has the first derivatives of the time of the event; each further one, at the same
rate dg/dt, has those of one order more. Two are taken, and the state follows by a step of the midpoint rule, which is
of order two as well: first and second derivatives are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fieldsolver.equations.events import EventFunction
from fieldsolver.methods.protocol import per_sample

from .sampling import Batched, upload


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
        y: (m, *state), states after the resets. With a graph they are carried back along the flow to the located time
            as a constant, so that whoever goes on from there may treat that time as a number; states of samples that
            end belong to the differentiable time itself.
        terminal: (m,) booleans, samples that end here.
        firings: what happened, event by event.
    """

    t: Tensor
    y_before: Tensor
    y: Tensor
    terminal: np.ndarray
    firings: list[Firing]


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


def condition_rate(batched: Batched, event: EventFunction, places: np.ndarray, t: Tensor, y: Tensor) -> Tensor:
    """(K,) dg/dt along the solution, without graph: one evaluation of f and one reverse sweep through g."""
    with torch.enable_grad():
        at_t, at_y = t.detach().requires_grad_(True), y.detach().requires_grad_(True)
        g = batched.call(event.condition, places, at_t, at_y)
        if not g.requires_grad:
            return torch.zeros_like(t)
        by_t, by_y = torch.autograd.grad(g.sum(), (at_t, at_y), allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        flow = batched.call(batched.field.function, places, at_t, at_y)
        along = (by_y.conj() * flow).real if y.is_complex() else by_y * flow
        return by_t + along.reshape(t.shape[0], -1).sum(dim=1)


def pass_events(
    events: Sequence[EventFunction], batched: Batched, places: np.ndarray, t: Tensor, y: Tensor, fired: np.ndarray
) -> PassedEvents:
    """Take m samples through their events.

    Args:
        events: all events in declared order.
        batched: calls functions for the samples.
        places: (m,) the samples.
        t: (m,) float64, located times, numbers.
        y: (m, *state), states there, with their graph.
        fired: (m, E) booleans, which events happen; at least one each.
    """
    stopping = np.array([event.terminal for event in events])
    terminal = (fired & stopping).any(axis=1)
    t_event, before = _newton_steps(events, batched, places, t, y, fired) if torch.is_grad_enabled() else (t, y)
    after, firings = before, []
    for number, event in enumerate(events):
        own = np.flatnonzero(fired[:, number])
        if own.size:
            picked = upload(own, y)
            found = after.index_select(0, picked)
            left = found
            if event.reset is not None:
                left = batched.call(event.reset, places[own], t_event.index_select(0, picked), found)
                after = left if own.size == places.size else after.index_copy(0, picked, left)
            firings.append(Firing(number, own, t_event.index_select(0, picked), found, left))
    if t_event is not t and not terminal.all():
        back = torch.where(upload(terminal, t), 0.0, t - t_event)
        after = _follow(batched, places, torch.where(upload(terminal, t), t, t_event), after, back)
    return PassedEvents(t_event, before, after, terminal, firings)


def _newton_steps(
    events: Sequence[EventFunction], batched: Batched, places: np.ndarray, t: Tensor, y: Tensor, fired: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Differentiable times and states of the events, in value t and y; t and y themselves if no graph leads to them.

    Where several events coincide, the time is that of the first of them.
    """
    first, t_once, moving = fired.argmax(axis=1), t, []
    for number in np.unique(first):
        own = np.flatnonzero(first == number)
        picked = upload(own, y)
        at_t, at_y = t.index_select(0, picked), y.index_select(0, picked)
        g = batched.call(events[number].condition, places[own], at_t, at_y)
        if g.requires_grad:
            rate = condition_rate(batched, events[number], places[own], at_t, at_y)
            moving.append((number, own, picked, rate))
            t_once = t_once.index_copy(0, picked, differentiable_time(at_t, g, rate))
    if not moving:
        return t, y
    y_once = _follow(batched, places, t, y, t_once - t)
    t_twice = t_once
    for number, own, picked, rate in moving:
        at_t, at_y = t_once.index_select(0, picked), y_once.index_select(0, picked)
        g = batched.call(events[number].condition, places[own], at_t, at_y)
        t_twice = t_twice.index_copy(0, picked, differentiable_time(at_t, g, rate))
    with torch.no_grad():  # what the second step adds has no first derivatives: of the flow, the value is enough
        flow = batched.call(batched.field.function, places, t, y)
    return t_twice, y_once + per_sample(t_twice - t_once, y) * flow


def _follow(batched: Batched, places: np.ndarray, t: Tensor, y: Tensor, delay: Tensor) -> Tensor:
    """(m, *state) y carried along the flow from t (m,) for a delay (m,) that is zero but for its derivatives."""

    def flow(t: Tensor, y: Tensor) -> Tensor:
        return batched.call(batched.field.function, places, t, y)

    half = delay / 2
    return y + per_sample(delay, y) * flow(t + half, y + per_sample(half, y) * flow(t, y))
