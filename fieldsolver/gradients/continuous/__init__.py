"""Gradients of the differential equation: its adjoint equation, integrated backward."""
