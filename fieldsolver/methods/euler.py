"""Forward Euler: y_new = y + h f(t, y). Order 1; it has no error estimate."""

from __future__ import annotations

from .explicit_runge_kutta import ExplicitRungeKutta
from .tableau import ButcherTableau

EULER = ExplicitRungeKutta(
    ButcherTableau(
        name="euler",
        order=1,
        source="Euler, Institutionum calculi integralis I (1768), section 650",
        c=(0,),
        a=((),),
        b=(1,),
        interpolant=((1,),),
        interpolant_order=1,
    )
)
