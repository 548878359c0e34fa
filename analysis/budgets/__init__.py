"""Energies of states, their budget by terms, their drift."""
