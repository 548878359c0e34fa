"""The torch loop: steps, errors and outcomes per sample; save points, dense output and replay."""

from .compiled_method import CompiledMethod
from .control import Attempt, Observer, StepControl
from .dense import DenseOutput
from .ends import Ends
from .integration import integrate
from .status import Status
from .steady import SteadyState
from .step_log import StepLog
from .trajectory import BackwardStatistics, Statistics, Trajectory
from .vector_field import VectorField, check_vector_field

__all__ = [
    "Attempt",
    "BackwardStatistics",
    "CompiledMethod",
    "DenseOutput",
    "Ends",
    "Observer",
    "Statistics",
    "Status",
    "SteadyState",
    "StepControl",
    "StepLog",
    "Trajectory",
    "VectorField",
    "check_vector_field",
    "integrate",
]
