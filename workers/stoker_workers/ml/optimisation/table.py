"""The forms by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from . import distillation, dynamic, float16, int4, int8, pruning, sparsity
from .forms import Make
from .network import Convert


@dataclass(frozen=True)
class Entry:
    """A form.

    Attributes:
        convert: converts a network, in the forms that do; they are made in processes of their own, for converters may
            crash, and leak. None for forms that train: those are made in the attempt's own.
    """

    make: Make
    convert: Convert | None = None


FORMS: Mapping[str, Entry] = MappingProxyType(
    {
        "float16": Entry(float16.make, float16.convert),
        "dynamic": Entry(dynamic.make, dynamic.convert),
        "int8": Entry(int8.make, int8.convert),
        "int4": Entry(int4.make, int4.convert),
        "prune": Entry(pruning.make),
        "sparse": Entry(sparsity.make),
        "distil": Entry(distillation.make),
    }
)
