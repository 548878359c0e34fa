"""Orders of convergence: candidate laws, their fit, the evidence, the verdict."""
