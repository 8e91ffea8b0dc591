"""HTTP policy above the transports."""

from .client import Http
from .reach import Reach

__all__ = ["Http", "Reach"]
