"""`UnfitError`: a check that was asked for rightly, and cannot be made with this layer or example."""

from __future__ import annotations

from fieldsolver.errors import OptionError


class UnfitError(OptionError):
    """The layer or the example does not fit a check; in the table of `check_layer` it is a row."""
