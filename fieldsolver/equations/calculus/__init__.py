"""Symbolic calculus on the graph: expansion of operators, derivatives, values on points."""
