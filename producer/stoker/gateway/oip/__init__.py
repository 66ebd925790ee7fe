"""The Open Inference Protocol (v2) over HTTP, as KServe and Triton have it, with the binary data extension."""

from .app import Beside, OpenInference

__all__ = ["Beside", "OpenInference"]
