"""The parts of `cross_check`: other engines, the problem they share, the sensitivity of it."""
