"""The largest stable steps of time integrators: modes of a right-hand side, limits, costs, numerical dispersion."""
