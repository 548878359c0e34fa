"""The Adams-Bashforth method of order 3: one evaluation of f per step, from the last 3 derivatives."""

from __future__ import annotations

from .adams_bashforth import AdamsBashforth

AB3 = AdamsBashforth(3)
