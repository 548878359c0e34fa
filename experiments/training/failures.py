"""How a training run can fail."""

from __future__ import annotations

from fieldsolver.errors import FieldSolverError


class TrainingFailed(FieldSolverError, RuntimeError):
    """The loss or its gradient became NaN or infinite, or a field cannot be followed; the checkpoint is of before."""


class NotSaved(FieldSolverError, OSError):
    """A checkpoint could not be written; the one before is as it was."""
