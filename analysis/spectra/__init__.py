"""Spectra of operators that are known by their products with vectors."""
