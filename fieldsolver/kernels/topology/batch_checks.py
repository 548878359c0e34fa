"""Batches of points as tensors: checked, and scaled so that no product of lengths leaves the range of the dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from fieldsolver.errors import CurveError

DTYPES = (torch.float32, torch.float64)
LARGEST_EXPONENT = {torch.float32: 100, torch.float64: 1000}

WITHOUT_FLOAT64 = ("mps",)
"""Devices that have no float64: there float32 stays what it is."""


def check_points(points: Tensor, name: str) -> None:
    """Raise `CurveError` unless these are real points ``(*batch, N, 3)``, N at least 2."""
    if not isinstance(points, Tensor) or points.dtype not in DTYPES or points.layout is not torch.strided:
        raise CurveError(
            f"{name} must be a dense floating-point tensor (*batch, N, 3) of float32 or float64, got {_kind(points)}"
        )
    if points.dim() < 2 or points.shape[-1] != 3 or points.shape[-2] < 2:
        raise CurveError(f"{name} has shape {tuple(points.shape)}, expected (*batch, N, 3) with N at least 2")


def check_pair(a: Tensor, b: Tensor) -> None:
    """Raise `CurveError` unless a and b are points of the same batch, dtype and device."""
    check_points(a, "a")
    check_points(b, "b")
    if a.shape[:-2] != b.shape[:-2] or a.dtype != b.dtype or a.device != b.device:
        raise CurveError(
            f"a and b need one batch shape, dtype and device; got {tuple(a.shape)} {a.dtype} on {a.device} and "
            f"{tuple(b.shape)} {b.dtype} on {b.device}"
        )


def wide(points: Tensor) -> Tensor:
    """The same points in float64: products of differences lose in float32 what curves that nearly touch hang on."""
    return points if points.device.type in WITHOUT_FLOAT64 else points.double()


def scaled(*curves: Tensor) -> tuple[Tensor, ...]:
    """The curves of each sample times a power of two that brings the largest coordinate close to 1."""
    scale = scale_of(*curves)[..., None, None]
    return tuple(scale * curve for curve in curves)


def scale_of(*curves: Tensor) -> Tensor:
    """That power of two, ``(*batch,)``."""
    with torch.no_grad():
        largest = torch.stack([curve.abs().amax((-2, -1)) for curve in curves]).amax(0)
        most = LARGEST_EXPONENT[curves[0].dtype]
        exponent = torch.frexp(largest.nan_to_num(1.0, 1.0)).exponent.clamp(-most, most)
        return torch.ldexp(torch.ones_like(largest), -exponent)


def _kind(value: object) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"a {str(value.layout).removeprefix('torch.')} tensor of {value.dtype}"
