"""Reference architectures, one folder each, built from declared equations and `fieldsolver.nn`."""
