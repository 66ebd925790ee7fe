"""Running out of memory: which errors mean it, and how much was wanted."""

import errno
import os
import re
from math import prod

import numpy as np
import tensorflow as tf

from stoker.outages import one_line

# As TensorFlow says it, of any device.
_TENSOR = re.compile(r"allocating tensor with shape\[([\d,]*)\] and type (\w+)")
_TYPES = {"float": "float32", "double": "float64", "half": "float16"}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory: of the machine, or of its GPU."""
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return os.strerror(errno.EMFILE) not in str(error)  # TensorFlow says so of files, too
    return isinstance(error, MemoryError)


def wanted(error: BaseException) -> str:
    """How much was asked for at once, in words."""
    if found := _TENSOR.search(str(error)):
        sizes, name = found.groups()
        shape = tuple(int(size) for size in sizes.split(",") if size)
        dtype = np.dtype(tf.as_dtype(_TYPES.get(name, name)).as_numpy_dtype)
    elif isinstance(error, MemoryError) and hasattr(error, "shape") and hasattr(error, "dtype"):  # NumPy's
        shape, dtype = error.shape, error.dtype
    else:
        return f"more than there is ({one_line(error)})"
    return f"{prod(shape) * dtype.itemsize:,} bytes at once, for {dtype} of shape {list(shape)}"
