"""Equilibria along a parameter: test functions, bordered Newton iterations, normal forms, continuation."""
