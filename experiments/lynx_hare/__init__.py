"""Lotka-Volterra fitted to the Hudson Bay Company's pelt counts."""

from .experiment import run

__all__ = ["run"]
