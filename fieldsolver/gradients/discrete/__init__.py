"""Gradients of the computed numbers: rows of steps, made again and differentiated from the last to the first."""
