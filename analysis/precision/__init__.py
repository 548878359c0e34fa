"""Work-precision diagrams: timed runs, their Pareto front, and which method is cheapest for which error."""
