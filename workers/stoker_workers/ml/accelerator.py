"""Checks that a job runs on its device: TensorFlow would silently use the CPU instead."""

import ctypes
from collections.abc import Iterable

import tensorflow as tf

from stoker.errors import Unavailable
from stoker.fleet.topology import WorkDevice

_DRIVER = "libcuda.so.1"
# TensorFlow 2.21 loads these to find GPUs; it sees none if a single one is missing.
_LIBRARIES = (
    "libcudart.so.12",
    "libcublas.so.12",
    "libcublasLt.so.12",
    "libcudnn.so.9",
    "libcufft.so.11",
    "libcusolver.so.11",
    "libcusparse.so.12",
)


def require(device: WorkDevice) -> None:
    """Look for the device. That initialises it, so never do it in a process that forks.

    Raises:
        Unavailable: TensorFlow does not see it.
    """
    if device != "cpu" and not tf.config.list_physical_devices(device.upper()):
        why = _why_no_gpu() if device == "gpu" else "no TPU is attached, or its runtime (libtpu) is not installed"
        raise Unavailable(f"TensorFlow {tf.__version__} sees no {device.upper()}: {why}")


def check_placement(device: WorkDevice, used: Iterable[str]) -> None:
    """Check that a job's tensors are on its device.

    Args:
        used: TensorFlow's names of their devices, such as "/job:localhost/replica:0/task:0/device:GPU:0".

    Raises:
        Unavailable: one of them is another kind of device.
    """
    for name in used:
        kind = tf.DeviceSpec.from_string(name).device_type
        if kind != device.upper():
            raise Unavailable(f"this worker computes on the {device.upper()}, but TensorFlow placed weights on {name}")


def _why_no_gpu() -> str:
    if not tf.test.is_built_with_cuda():
        return "it is built for CPUs alone; in a new environment, install stoker[gpu] and not stoker[worker]"
    if not _loads(_DRIVER):
        return f"{_DRIVER} of NVIDIA's driver cannot be loaded; install the driver, or give the container the GPU"
    if missing := [name for name in _LIBRARIES if not _loads(name)]:
        return (
            f"{', '.join(missing)} cannot be loaded; install stoker[gpu], which brings them, and start the worker "
            "with `stoker worker`, which puts them where they are looked for"
        )
    return "its driver and libraries are there; compare `nvidia-smi` with CUDA_VISIBLE_DEVICES"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
