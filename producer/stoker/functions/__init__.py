"""Functions of the user's package as jobs: the decorator, and the check of their arguments."""

from .arguments import Arguments
from .job import JobFunction, job

__all__ = ["Arguments", "JobFunction", "job"]
