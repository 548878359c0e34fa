"""Gradients of steady states: linear systems with the Jacobian, matrix-free."""
