"""The linear theory of time integrators, those of the solver and those of the literature."""
