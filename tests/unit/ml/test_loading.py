"""What it means that a model cannot be loaded: its own fault, or its machine's."""

import errno
import os
import tempfile

import pytest
import tensorflow as tf

from stoker.errors import InvalidJob, Unavailable
from stoker.outages import Dependency, DependencyUnavailable
from stoker_workers.ml.prediction.loading import NoMemory, loading


def os_error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (os_error(errno.ENOSPC, f"{tempfile.gettempdir()}/weights.h5"), DependencyUnavailable),
        (os_error(errno.EMFILE), Unavailable),
        (os_error(errno.EIO, "/elsewhere"), Unavailable),
        (tf.errors.ResourceExhaustedError(None, None, "/tmp/x; Too many open files"), Unavailable),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating a tensor"), NoMemory),
        (MemoryError(), NoMemory),
        # HDF5's word for a damaged file.
        (OSError("Unable to open file (file signature not found)"), InvalidJob),
        (ZeroDivisionError(), InvalidJob),
    ],
    ids=repr,
)
def test_what_its_machine_lacks_is_no_fault_of_a_model(error: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as told, loading("m@1"):
        raise error
    assert type(told.value) is expected
    if isinstance(told.value, DependencyUnavailable):
        assert told.value.outage.of == Dependency.DISK
    else:
        assert str(told.value).startswith("m@1 cannot be loaded")
