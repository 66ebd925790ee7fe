"""Making forms: in a process of its own where a converter may crash, and with the layer named where one fails."""

from collections.abc import Mapping

from stoker.errors import InvalidJob

from .apart import ConversionFailed, Crashed, apart
from .culprit import converts, culprit
from .forms import Given, Made
from .table import FORMS

# What is tried where a form cannot be made, so that its refusal names what can.
_ROADS: Mapping[str, tuple[str, ...]] = {
    "int8": ("dynamic", "float16"),
    "int4": ("dynamic", "float16"),
    "dynamic": ("float16",),
}
_KERAS = "to='distil' makes a smaller Keras model of it, which needs no converter"


def make(form: str, given: Given) -> Made:
    """Make a form of a version.

    Forms that are made apart come before all else that computes in this process.

    Raises:
        InvalidJob: it cannot be made of this model; says of which layer, and what works instead.
        Stopped: a stop was asked for.
    """
    entry = FORMS[form]
    if not entry.convert:
        return entry.make(given)
    try:
        return apart(lambda run: entry.make(given.under(run)), given.run)
    except (Crashed, ConversionFailed) as error:
        raise InvalidJob(_refusal(form, given, error)) from error


def _refusal(form: str, given: Given, error: Crashed | ConversionFailed) -> str:
    """Why a form cannot be made, the layer, and what works: in one sentence."""
    convert = FORMS[form].convert
    assert convert is not None
    layer = culprit(given, convert)
    roads = [(road, known) for road in _ROADS.get(form, ()) if (known := FORMS[road].convert)]
    works = next((road for road, known in roads if converts(given, known)), None)
    did = f"its converter {error}" if isinstance(error, Crashed) else f"its converter refuses it: {error}"
    at = f" at layer {layer}" if layer else ""
    instead = f"to={works!r} works for it" if works else _KERAS
    return f"{given.version.ref} cannot be made {form}{at}: {did}; {instead}"
