"""The version, in a leaf module: the build and the provenance of results read it without importing torch."""

__version__ = "0.1.0"
