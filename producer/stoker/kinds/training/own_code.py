"""What a training runs of its author's own code."""

from typing import TYPE_CHECKING

from ..needs import module_word
from ..repeatable import why_it_differs
from .given_network import KerasConfig
from .outputs import class_modules, is_own

if TYPE_CHECKING:
    from ..train import Train


def needs_of_own(spec: "Train") -> tuple[str, ...]:
    """The modules of the author's own classes in its network, and of those that are its losses and metrics."""
    return tuple(map(module_word, sorted({*class_modules(_measures(spec)), *network_modules(spec)})))


def differs(spec: "Train") -> str:
    """See `Kind.differs`."""
    own = (*filter(is_own, _measures(spec)), *network_modules(spec))
    return why_it_differs(draws=spec.seed is None, alias=spec.alias, own=own)


def network_modules(spec: "Train") -> tuple[str, ...]:
    """The modules of the author's classes in its network."""
    network = spec.architecture
    return network.all_modules if isinstance(network, KerasConfig) else ()


def _measures(spec: "Train") -> list[str]:
    named = [spec.loss, *(spec.metrics or ())]
    for output in spec.outputs.values():
        named += [output.loss, *(output.metrics or ())]
    return [name for name in named if name is not None]
