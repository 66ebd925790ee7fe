"""Makes sure that TensorFlow has the device that its worker is for: it would silently compute on the CPU instead."""

import tensorflow as tf

from stoker.errors import Unavailable
from stoker.topology import WorkDevice


def require(device: WorkDevice) -> None:
    """Look for the device, which sets it up: so never in a process that forks others.

    Raises:
        Unavailable: TensorFlow does not see it.
    """
    if device != "cpu" and not tf.config.list_physical_devices(device.upper()):
        raise Unavailable(
            f"TensorFlow {tf.__version__} sees no {device.upper()}: install stoker[gpu], not stoker[worker], "
            "and look whether driver and CUDA_VISIBLE_DEVICES are right"
        )
