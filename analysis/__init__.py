"""Studies of declared equations: each returns an `AnalysisResult` with a verdict and an error bar."""

from .bifurcation import bifurcation
from .certificates import certificates
from .continuation import continuation
from .convergence import convergence
from .cross_check import cross_check
from .diffusion_ratio import diffusion_ratio
from .discretisation_uncertainty import discretisation_uncertainty
from .dispersion import dispersion
from .energy import energy
from .energy_probe import EnergyProbe
from .gradient_convergence import gradient_convergence
from .grid_convergence import grid_convergence
from .grid_convergence_index import grid_convergence_index
from .invariants import invariants
from .lyapunov import lyapunov
from .orders.fit_order import OrderFit, fit_order
from .space_time_convergence import space_time_convergence
from .spectral_convergence import spectral_convergence
from .spreading_speed import spreading_speed
from .stability import stability
from .stochastic_convergence import stochastic_convergence
from .structure_defect import structure_defect
from .time_convergence import time_convergence
from .tolerance_convergence import tolerance_convergence
from .trained_report import trained_report
from .work_precision import work_precision

__all__ = [
    "EnergyProbe",
    "OrderFit",
    "bifurcation",
    "certificates",
    "continuation",
    "convergence",
    "cross_check",
    "diffusion_ratio",
    "discretisation_uncertainty",
    "dispersion",
    "energy",
    "fit_order",
    "gradient_convergence",
    "grid_convergence",
    "grid_convergence_index",
    "invariants",
    "lyapunov",
    "space_time_convergence",
    "spectral_convergence",
    "spreading_speed",
    "stability",
    "stochastic_convergence",
    "structure_defect",
    "time_convergence",
    "tolerance_convergence",
    "trained_report",
    "work_precision",
]
