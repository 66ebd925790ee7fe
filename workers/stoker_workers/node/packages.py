"""What is installed, read from where it lies and from its metadata: nothing is imported."""

import logging
import sys
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec

from stoker.kinds.needs import module_of, package_word

_log = logging.getLogger(__name__)
# One of these has TensorFlow in it, whatever it is called.
_TENSORFLOW = ("tensorflow", "tensorflow-cpu")
# Optional packages that some jobs need, and their modules.
_OPTIONAL = {"ai-edge-quantizer": "ai_edge_quantizer", "optuna": "optuna"}


def installed(offers: Iterable[str]) -> tuple[str, ...]:
    """Those of a worker's offers whose package is installed; the others are said in the log.

    Several images may share one file of settings, and not all have every package that it names.
    """
    offers = tuple(offers)
    absent = {root for word in offers if (root := _root(word)) and root not in sys.modules and not find_spec(root)}
    if lost := [word for word in offers if _root(word) in absent]:
        _log.warning("not offered, for there is no %s here: %s", ", ".join(sorted(absent)), ", ".join(lost))
    return tuple(word for word in offers if word not in lost)


def optional() -> tuple[str, ...]:
    """The words for the optional packages that are installed."""
    return tuple(package_word(name) for name, module in _OPTIONAL.items() if find_spec(module))


def versions(offers: Iterable[str]) -> dict[str, str]:
    """Of TensorFlow, Keras and the distributions behind what a worker offers, by name; of what is installed as one."""
    found = {"tensorflow": _first(_TENSORFLOW), "keras": _first(("keras",))}
    roots = {root for root in map(_root, offers) if root}
    # It reads the files of every distribution.
    named = metadata.packages_distributions() if roots else {}
    for root in roots:
        found |= {name: _first((name,)) for name in named.get(root, ())}
    return {name: version for name, version in sorted(found.items()) if version}


def _root(word: str) -> str | None:
    """The package of the module behind a word; None for a label."""
    module = module_of(word)
    return module and module.partition(".")[0]


def _first(names: Iterable[str]) -> str | None:
    """The version of the first of these distributions that is installed."""
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
