"""Declared equations as neural layers."""

from .contraction import contraction_rate
from .contractive import Contractive
from .export import export
from .field_layer import FieldLayer
from .initialisation import log_uniform, log_uniform_, time_constants
from .layer_report import LayerReport
from .onnx_file import export_onnx
from .param_groups import param_groups
from .precision import Autocast
from .quantisation import QuantisationReport, quantised
from .recurrent_field_layer import RecurrentFieldLayer, RecurrentState
from .steady_field_layer import SteadyFieldLayer
from .steady_report import SteadyReport

__all__ = [
    "Autocast",
    "Contractive",
    "FieldLayer",
    "LayerReport",
    "QuantisationReport",
    "RecurrentFieldLayer",
    "RecurrentState",
    "SteadyFieldLayer",
    "SteadyReport",
    "contraction_rate",
    "export",
    "export_onnx",
    "log_uniform",
    "log_uniform_",
    "param_groups",
    "quantised",
    "time_constants",
]
