"""The Adams-Bashforth method of order 4: one evaluation of f per step, from the last 4 derivatives."""

from __future__ import annotations

from .adams_bashforth import AdamsBashforth

AB4 = AdamsBashforth(4)
