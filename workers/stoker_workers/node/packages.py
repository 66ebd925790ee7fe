"""Versions of installed packages, read from their metadata: nothing is imported."""

from collections.abc import Iterable
from importlib import metadata

from stoker.kinds.needs import module_of

# One of these has TensorFlow in it, whatever it is called.
_TENSORFLOW = ("tensorflow", "tensorflow-cpu")


def versions(offers: Iterable[str]) -> dict[str, str]:
    """Of TensorFlow, Keras and the distributions behind what a worker offers, by name; of what is installed as one."""
    installed = {"tensorflow": _first(_TENSORFLOW), "keras": _first(("keras",))}
    roots = {module.partition(".")[0] for module in map(module_of, offers) if module}
    # It reads the files of every distribution.
    named = metadata.packages_distributions() if roots else {}
    for root in roots:
        installed |= {name: _first((name,)) for name in named.get(root, ())}
    return {name: version for name, version in sorted(installed.items()) if version}


def _first(names: Iterable[str]) -> str | None:
    """The version of the first of these distributions that is installed."""
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
