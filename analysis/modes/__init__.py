"""Plane waves on a uniform state: the symbol of the linearised equation, and what its eigenvalues say."""
