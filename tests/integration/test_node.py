"""The agent of a node: which workers it starts, and how it looks after them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stoker_workers.node.agent import NoDevice, device_workers
from stoker_workers.node.machine import Gpu, GpuLoad

from .. import preloaded
from ..conftest import PATIENCE_S, Eventually

# A worker that tells what it was started with, and then waits; every SIGTERM is told, the third ends it.
WORKER = """
import json, os, pathlib, signal, sys
folder = pathlib.Path(os.environ["TOLD"])
told = {"arguments": sys.argv[1:], "visible": os.environ.get("CUDA_VISIBLE_DEVICES"), "pid": os.getpid(),
        "growth": os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH"), "terms": 0}
def tell():
    path = folder / f"{os.getpid()}.json"
    path.with_suffix(".part").write_text(json.dumps(told))
    path.with_suffix(".part").replace(path)
def term(*_):
    told["terms"] += 1
    tell()
    if told["terms"] == 2:
        sys.exit(0)
signal.signal(signal.SIGTERM, term)
tell()
while True:
    signal.pause()
"""
AGENT = """
import sys
from stoker_workers.node.agent import DeviceWorker, run
workers = [DeviceWorker(device, {"CUDA_VISIBLE_DEVICES": device}) for device in sys.argv[1].split(",")]
sys.exit(run(workers, command=[sys.executable, "-c", sys.argv[2]]))
"""
# As much of NVIDIA's library as is asked for here.
NVML = """
#include <string.h>
int nvmlInitWithFlags(unsigned f) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = (void *)(long)(i + 1); return 0; }
int nvmlDeviceGetUUID(void *h, char *s, unsigned n) { strcpy(s, h == (void *)1L ? "GPU-aaaa" : "GPU-bbbb"); return 0; }
int nvmlDeviceGetName(void *h, char *s, unsigned n) { strcpy(s, "Pretended 9000"); return 0; }
int nvmlDeviceGetMemoryInfo(void *h, unsigned long long *m) { m[0] = 8ULL << 30; m[1] = 5ULL << 30; m[2] = 3ULL << 30;
  return 0; }
#ifndef OLD
int nvmlDeviceGetMemoryInfo_v2(void *h, unsigned long long *m) {
  m[1] = 8ULL << 30; m[2] = 1ULL << 30; m[3] = 5ULL << 30; m[4] = 2ULL << 30; return 0; }
#endif
int nvmlDeviceGetUtilizationRates(void *h, unsigned *u) { u[0] = 40; u[1] = 10; return 0; }
"""


class Machine:
    """A machine with these GPUs, which do nothing."""

    def __init__(self, *gpus: Gpu) -> None:
        self._gpus = list(gpus)

    def gpus(self) -> list[Gpu]:
        return self._gpus

    def load(self, _gpu: Gpu) -> GpuLoad | None:
        return GpuLoad(0, 0.0)


TWO_GPUS = Machine(Gpu(0, "GPU-aaaa", "small", 8 * 1024**3), Gpu(1, "GPU-bbbb", "large", 80 * 1024**3))
NO_GPU = Machine()


def library(folder: Path, name: str, source: str, *options: str) -> Path:
    """A shared library made of C; gives its folder."""
    if not (compiler := shutil.which("cc")):
        pytest.skip("there is no C compiler here")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.c").write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-w", *options, "-o", folder / name, folder / "source.c"], check=True)
    return folder


@pytest.fixture(scope="session")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which NVIDIA's library tells of two GPUs."""
    folder = library(tmp_path_factory.mktemp("nvml"), "libnvidia-ml.so.1", NVML)
    return os.environ | {"LD_LIBRARY_PATH": str(folder)}


def gpus_seen(environment: dict[str, str]) -> str:
    """What is found of GPUs, and how busy they are, in an environment."""
    look = "from stoker_workers.node.machine import Nvml; n = Nvml(); print([(g, n.load(g)) for g in n.gpus()])"
    command = [sys.executable, "-c", look]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


Told = Callable[[], list[dict[str, object]]]


@contextmanager
def agent(folder: Path, devices: str) -> Iterator[tuple[subprocess.Popen[str], Told]]:
    """An agent with a worker for each device; gives it and what the workers told, by device."""
    environment = os.environ | {"TOLD": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", AGENT, devices, WORKER], env=environment, stderr=subprocess.PIPE, text=True
    )

    def told() -> list[dict[str, object]]:
        found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        return sorted(found, key=lambda worker: (str(worker["visible"]), worker["pid"]))

    try:
        yield process, told
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("auto", [("cpu", "-1"), ("gpu:0", "GPU-aaaa"), ("gpu:1", "GPU-bbbb")]),
        ("gpu", [("gpu:0", "GPU-aaaa"), ("gpu:1", "GPU-bbbb")]),
        ("gpu:1", [("gpu:1", "GPU-bbbb")]),
        ("cpu", [("cpu", "-1")]),
    ],
)
def test_each_device_has_a_worker_that_sees_no_other(device: str, expected: list[tuple[str, str]]) -> None:
    found = device_workers(device, TWO_GPUS)
    assert [(post.device, post.environment["CUDA_VISIBLE_DEVICES"]) for post in found] == expected


def test_without_a_gpu_auto_is_the_cpu_and_asking_for_one_is_refused() -> None:
    assert [worker.device for worker in device_workers("auto", NO_GPU)] == ["cpu"]
    with pytest.raises(NoDevice, match=r"there is no gpu for this process; found: none"):
        device_workers("gpu", NO_GPU)
    with pytest.raises(NoDevice, match=r"there is no gpu:2 for this process; found: gpu:0, gpu:1"):
        device_workers("gpu:2", TWO_GPUS)


def test_the_gpus_are_those_that_nvidias_library_tells_of(nvml: dict[str, str]) -> None:
    first = (Gpu(0, "GPU-aaaa", "Pretended 9000", 8 * 1024**3), GpuLoad(2 * 1024**3, 0.4))
    second = (Gpu(1, "GPU-bbbb", "Pretended 9000", 8 * 1024**3), GpuLoad(2 * 1024**3, 0.4))
    assert gpus_seen(nvml) == str([first, second])
    assert gpus_seen(nvml | {"CUDA_VISIBLE_DEVICES": "1"}) == str([second])
    assert gpus_seen(nvml | {"CUDA_VISIBLE_DEVICES": "GPU-aaaa"}) == str([first])
    assert gpus_seen(nvml | {"CUDA_VISIBLE_DEVICES": ""}) == "[]"


def test_an_old_driver_counts_as_used_what_it_reserves(tmp_path: Path) -> None:
    old = os.environ | {"LD_LIBRARY_PATH": str(library(tmp_path, "libnvidia-ml.so.1", NVML, "-DOLD"))}
    assert str(GpuLoad(3 * 1024**3, 0.4)) in gpus_seen(old)


def test_a_gpus_worker_loads_the_cuda_libraries_that_pip_has_installed(tmp_path: Path) -> None:
    folder = tmp_path / "site" / "nvidia" / "cusolver" / "lib"
    installed = library(folder, "libcusolver.so.11", "int solve() { return 0; }")
    own = str(tmp_path / "own")
    look = (
        "import json\nfrom stoker_workers.node.machine import Gpu\n"
        "from stoker_workers.node.agent import device_workers\n"
        "class One:\n    def gpus(self): return [Gpu(0, 'GPU-aaaa', 'small', 1)]\n"
        "print(json.dumps([dict(worker.environment) for worker in device_workers('auto', One())]))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "LD_LIBRARY_PATH": own}
    told = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True)
    cpu, gpu = json.loads(told.stdout)
    assert gpu["LD_LIBRARY_PATH"].split(os.pathsep)[:2] == [own, str(installed)]
    assert "LD_LIBRARY_PATH" not in cpu
    load = [sys.executable, "-c", "import ctypes; ctypes.CDLL('libcusolver.so.11')"]
    assert subprocess.run(load, env=os.environ | gpu).returncode == 0


def test_a_node_with_two_gpus_starts_a_pinned_worker_for_each(nvml: dict[str, str], tmp_path: Path) -> None:
    run = (
        "from stoker_workers.node.agent import *\n"
        "run(device_workers('auto', Nvml()), command=[sys.executable, '-c', sys.argv[1]])"
    )
    leave = WORKER.replace("while True", "sys.exit(0)\nwhile True")
    subprocess.run(
        [sys.executable, "-c", run, leave], env=nvml | {"TOLD": str(tmp_path)}, check=True, timeout=PATIENCE_S
    )
    found = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert sorted((worker["arguments"][1], worker["visible"], worker["growth"]) for worker in found) == [
        ("cpu", "-1", None),
        ("gpu:0", "GPU-aaaa", "true"),
        ("gpu:1", "GPU-bbbb", "true"),
    ]
    shares = {int(worker["arguments"][3]) for worker in found}
    assert len(shares) == 1
    assert 3 * shares.pop() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_worker_whose_gpu_tensorflow_does_not_see_says_so_and_is_not_tried_again(
    nvml: dict[str, str], redis_url: str
) -> None:
    # Only a process that starts with that environment finds the library; the agent's worker has no need to.
    run = "import runpy, sys; sys.executable = sys.argv.pop(1); runpy.run_module(sys.argv.pop(1), run_name='__main__')"
    ended = subprocess.run(
        [sys.executable, "-c", run, preloaded.python(), "stoker_workers.node", "--device", "gpu:1"],
        env=nvml | {"STOKER_REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == os.EX_CONFIG
    assert ended.stderr.count("sees no GPU: it is built for CPUs alone; in a new environment, install stoker[gpu]") == 1


def test_a_worker_that_crashes_is_started_again_and_the_other_never_notices(
    tmp_path: Path, eventually: Eventually
) -> None:
    with agent(tmp_path, "a,b") as (_, told):
        eventually(lambda: len(told()) == 2)
        first, other = told()
        os.kill(int(str(first["pid"])), signal.SIGKILL)
        eventually(lambda: len(told()) == 3)
        assert [worker["visible"] for worker in told()] == ["a", "a", "b"]
        assert told()[-1]["pid"] == other["pid"]


def test_sigterm_drains_every_worker_at_once_and_the_second_hurries_them(
    tmp_path: Path, eventually: Eventually
) -> None:
    with agent(tmp_path, "a,b") as (process, told):
        eventually(lambda: len(told()) == 2)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: [worker["terms"] for worker in told()] == [1, 1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0
        assert [worker["terms"] for worker in told()] == [2, 2]


def test_no_worker_outlives_a_killed_agent(tmp_path: Path, eventually: Eventually) -> None:
    with agent(tmp_path, "a,b") as (process, told):
        eventually(lambda: len(told()) == 2)
        process.kill()
        eventually(lambda: not any(Path(f"/proc/{worker['pid']}").exists() for worker in told()))


def test_the_agent_never_loads_tensorflow() -> None:
    loaded = "import sys, stoker_workers.node.agent; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert "stoker_workers.node" in modules
    assert not {"tensorflow", "keras"} & {name.partition(".")[0] for name in modules}
