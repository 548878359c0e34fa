"""Handwritten digits, classified by a declared reaction-diffusion field."""

from .experiment import run

__all__ = ["run"]
