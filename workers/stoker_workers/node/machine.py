"""This machine's cores, memory and GPUs, and a process' memory. Nothing here imports TensorFlow."""

import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_log = logging.getLogger(__name__)
_CGROUPS = Path("/sys/fs/cgroup")
# Of a process with TensorFlow, the kernel takes 20 ms to look at every page, in which it can get no others.
_COUNT_S = 5.0


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: its number, as `nvidia-smi` shows it.
        id: its UUID, for CUDA_VISIBLE_DEVICES: CUDA may number GPUs in another order.
    """

    index: int
    id: str
    name: str
    memory_bytes: int


@dataclass(frozen=True)
class GpuLoad:
    """A GPU's load by all programs; `utilisation` is the share of the last moment in which it computed, 0 to 1."""

    memory_used_bytes: int
    utilisation: float


class Probe(Protocol):
    """Finds GPUs."""

    def gpus(self) -> list[Gpu]:
        """The GPUs that this process may use."""
        ...

    def load(self, gpu: Gpu) -> GpuLoad | None:
        """The GPU's load now; None if the driver does not answer."""
        ...


class Nvml:
    """Finds GPUs by NVIDIA's driver; none if the driver or nvidia-ml-py is not installed, or, with a warning, fails."""

    def gpus(self) -> list[Gpu]:
        """The GPUs of the machine that CUDA_VISIBLE_DEVICES allows."""
        try:
            import pynvml
        except ImportError:
            return []
        try:
            pynvml.nvmlInit()
            gpus = [_described(index) for index in range(pynvml.nvmlDeviceGetCount())]
        except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
            return []
        except pynvml.NVMLError as error:
            _log.warning("no GPU is used, for NVIDIA's driver does not tell what there is: %s", error)
            return []
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is None:
            return gpus
        wanted = [word.strip() for word in visible.split(",")]
        return [gpu for gpu in gpus if str(gpu.index) in wanted or gpu.id in wanted]

    def load(self, gpu: Gpu) -> GpuLoad | None:
        """The GPU's load now; None if the driver does not answer."""
        import pynvml

        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(gpu.index)
            return GpuLoad(_used_bytes(handle), pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
        except pynvml.NVMLError:
            return None


def _used_bytes(handle: Any) -> int:
    """The memory of a GPU that programs use."""
    import pynvml

    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2).used)
    except pynvml.NVMLError_FunctionNotFound:
        # A driver from before 2021 has only the first version, which counts the driver's own memory as used.
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)


def _described(index: int) -> Gpu:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Gpu(
        index,
        pynvml.nvmlDeviceGetUUID(handle),
        pynvml.nvmlDeviceGetName(handle),
        int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )


def cores() -> int:
    """How many whole cores this process may use: limited by its affinity and a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = (_CGROUPS / "cpu.max").read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    return allowed


def memory_bytes() -> int | None:
    """Memory of the machine, or of the container if that is less; None if unknown."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        # Without a limit, the first file holds "max", the second a number larger than any memory.
        with suppress(OSError, ValueError):
            total = min(total, int((_CGROUPS / name).read_text()))
    return total


def private_bytes(pid: int) -> int | None:
    """A process' private memory, swapped pages included, shared ones not. None if unknown."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return _unshared_bytes(pid)
    used = [line.split() for line in lines if line.startswith(("Private_", "Swap:"))]
    return sum(int(fields[1]) for fields in used) * 1024


def _unshared_bytes(pid: int) -> int | None:
    """The same where the kernel sums nothing up: without what was swapped out, and with what it shares by forks."""
    try:
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    except (OSError, ValueError):
        return None
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """What a process has in memory or swapped out, shared or not: never less than what is private, and quickly read."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("VmRSS:", "VmSwap:"))) * 1024


def highest_bytes(pid: int) -> int:
    """The most that a process has had in memory at once, shared or not; 0 if unknown."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


class MemoryWatch:
    """Processes' private memory, as often as is asked: counted each time only where it may be too much."""

    def __init__(self) -> None:
        self._count_at = 0.0

    def counted(self, pids: Sequence[int], most: int | None) -> list[int] | None:
        """The private bytes of each; None while they cannot be more than `most` together, but for every 5 seconds.

        Args:
            most: None for no limit.
        """
        now = time.monotonic()
        if now < self._count_at and (most is None or sum(map(resident_bytes, pids)) <= most):
            return None
        self._count_at = now + _COUNT_S
        return [private_bytes(pid) or 0 for pid in pids]
