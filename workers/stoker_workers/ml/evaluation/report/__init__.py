"""The report of an evaluation: one JSON document, and the same as one HTML page."""

from .document import Report
from .page import render

__all__ = ["Report", "render"]
