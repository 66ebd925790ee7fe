"""What this machine has: cores, memory, GPUs. What a process uses of it. Nothing here knows TensorFlow."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: its number, as `nvidia-smi` shows it.
        id: what CUDA_VISIBLE_DEVICES selects it by, whatever order CUDA would count in.
    """

    index: int
    id: str
    name: str
    memory_bytes: int


@dataclass(frozen=True)
class GpuLoad:
    """How busy a GPU is, whoever uses it; `utilisation` is the share of the last moment in which it computed."""

    memory_used_bytes: int
    utilisation: float


class Probe(Protocol):
    """Finds GPUs."""

    def gpus(self) -> list[Gpu]:
        """The GPUs that this process may use."""
        ...

    def load(self, gpu: Gpu) -> GpuLoad | None:
        """How busy one is now; None if it does not answer."""
        ...


class Nvml:
    """Asks NVIDIA's driver. Where there is none, or nvidia-ml-py is not installed, there is no GPU."""

    def gpus(self) -> list[Gpu]:
        """The GPUs of the machine, or those of them that CUDA_VISIBLE_DEVICES leaves."""
        try:
            import pynvml
        except ImportError:
            return []
        try:
            pynvml.nvmlInit()
            found = [_described(index) for index in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError:
            return []
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is None:
            return found
        wanted = [word.strip() for word in visible.split(",")]
        return [gpu for gpu in found if str(gpu.index) in wanted or gpu.id in wanted]

    def load(self, gpu: Gpu) -> GpuLoad | None:
        """How busy a GPU is now."""
        import pynvml

        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(gpu.index)
            return GpuLoad(_used_bytes(handle), pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
        except pynvml.NVMLError:
            return None


def _used_bytes(handle: Any) -> int:
    """Memory of a GPU that programs use."""
    import pynvml

    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2).used)
    except pynvml.NVMLError_FunctionNotFound:
        # A driver from before 2021 knows only the structure in which what the driver itself reserves counts as used.
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
    """Cores that this process may use, whole ones: of the machine, its affinity, and a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = (_CGROUPS / "cpu.max").read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    return allowed


def memory_bytes() -> int | None:
    """Memory of the machine, or of the container if that is less; None where nothing tells."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        # Where there is no limit, one says "max", the other a number larger than any memory.
        with suppress(OSError, ValueError):
            total = min(total, int((_CGROUPS / name).read_text()))
    return total


def private_bytes(pid: int) -> int | None:
    """Memory that ends with a process: its own pages, swapped ones too, not those that it shares. None if unknown."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    used = [line.split() for line in lines if line.startswith(("Private_", "Swap:"))]
    return sum(int(fields[1]) for fields in used) * 1024
