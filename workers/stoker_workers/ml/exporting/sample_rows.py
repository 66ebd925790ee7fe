"""The rows that an export and its version both compute."""

from stoker.errors import InvalidJob, Unavailable
from stoker.kinds import Export
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode
from stoker.models.tensors import Array

from ..data import Source
from ..data.source import rows_of
from ..opening import open_data
from ..optimisation.calibration import learned_rows
from ..prediction.runtime import sample
from ..run import Run


def sample_rows(spec: Export, version: ModelVersion, run: Run) -> tuple[list[Array], str]:
    """Rows as the version takes them, an array for each input in order; and which they are, in words.

    A version that takes a number of rows at a time gets so many.

    Raises:
        InvalidJob: the data have no rows, or are not such as the version takes.
    """
    inputs = Inputs(version.signature, version.ref)
    count = version.signature.batch or spec.rows
    if spec.data is not None:
        return _first(open_data(spec.data, "test", run, version.signature), version, count), f"of {spec.data}"
    if any(each.dtype == "string" for each in version.signature.inputs):
        # Texts that are made up would all be unknown ones.
        try:
            source, words = learned_rows(version, run, "data")
            return _first(source, version, count), f"of {words}"
        except (InvalidJob, Unavailable) as error:
            run.say(f"its texts are empty in the rows to compare: {error.message}", level="warning")
    return sample(inputs, count), "made up from the ranges of its inputs"


def _first(source: Source, version: ModelVersion, count: int) -> list[Array]:
    inputs = Inputs(version.signature, version.ref)
    columns = next(iter(source.batches(count)), None)
    found = rows_of(columns) if columns else 0
    if not columns or not found:
        raise InvalidJob(f"data has no rows to compare {version.ref} on; name some that have")
    rows = inputs.conform(inputs.ordered(encode(version.signature.inputs, columns, range(found))))
    if (batch := version.signature.batch) and len(rows[0]) < batch:
        raise InvalidJob(f"data has {len(rows[0])} rows, and {version.ref} takes {batch} at a time; give as many")
    return rows
