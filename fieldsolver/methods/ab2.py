"""The Adams-Bashforth method of order 2: one evaluation of f per step, from the last 2 derivatives."""

from __future__ import annotations

from .adams_bashforth import AdamsBashforth

AB2 = AdamsBashforth(2)
