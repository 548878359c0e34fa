"""Lyapunov exponents: an orbit with its tangents, their growth, intervals, and the checks."""
