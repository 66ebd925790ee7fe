"""Training in step: several processes, or several devices of one, learn what one process would."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stoker.jobs import Checkpoints, Train
from stoker_workers.engine.gang import _communication, _resolver

from ...conftest import PATIENCE_S

MEMBER = Path(__file__).with_name("gang_member.py")
SPEC = Train(
    model="digits",
    data="sample://digits",
    epochs=2,
    seed=7,
    batch_size=50,  # the last batch of an epoch is smaller, and not even
    checkpoint=Checkpoints(epochs=1),
)
Told = dict[str, Any]


def free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def start(spec: Train, folder: Path, place: int, addresses: Sequence[str] = (), *options: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(MEMBER), *options, spec.model_dump_json(), str(folder), str(place), *addresses]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def outcomes(members: Sequence[subprocess.Popen[str]]) -> list[Told]:
    told = []
    for member in members:
        output, errors = member.communicate(timeout=PATIENCE_S)
        assert member.returncode == 0, errors
        told.append(json.loads(output))
    return told


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What one process gives."""
    [told] = outcomes([start(SPEC, tmp_path_factory.mktemp("alone"), 0)])
    return told


def assert_alike(told: Told, alone: Told) -> None:
    for name, values in alone["history"].items():
        assert told["history"][name] == pytest.approx(values, rel=1e-4)
    assert told["weights"] == pytest.approx(alone["weights"], rel=1e-4)


def test_two_processes_have_the_losses_and_weights_of_one(alone: Told, tmp_path: Path) -> None:
    addresses = free_addresses(2)

    leader, member = outcomes([start(SPEC, tmp_path, place, addresses) for place in (0, 1)])

    assert_alike(leader, alone)
    assert leader["checkpoints"] == SPEC.epochs
    assert member == {"stopped": "done"}


def test_two_devices_have_the_losses_and_weights_of_one(alone: Told, tmp_path: Path) -> None:
    [told] = outcomes([start(SPEC, tmp_path, 0, (), "--devices", "2")])

    assert_alike(told, alone)


def test_each_process_trains_on_the_gpus_that_it_has() -> None:
    resolver = _resolver(["10.0.0.1:1", "10.0.0.2:1"], 1, gpus=2)
    assert resolver.num_accelerators() == {"GPU": 2}


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["10.0.0.1:1", "10.0.0.2:1"], "AUTO"),
        (["10.0.0.1:1", "10.0.0.2:1", "10.0.0.1:2"], "RING"),
        (["[fe80::1]:1", "[fe80::1]:2"], "RING"),
    ],
)
def test_processes_of_one_host_which_may_share_a_card_do_without_nccl(addresses: list[str], expected: str) -> None:
    assert _communication(addresses).implementation.name == expected


def test_a_training_for_a_gpu_is_never_computed_on_a_cpu(tmp_path: Path) -> None:
    member = start(SPEC, tmp_path, 0, (), "--for-gpu", "1")
    _, errors = member.communicate()
    assert "this worker computes on the GPU, but TensorFlow placed weights on" in errors


def test_a_drain_of_one_member_stops_all_behind_one_checkpoint_from_which_the_gang_goes_on(
    alone: Told, tmp_path: Path
) -> None:
    addresses = free_addresses(2)
    leader, member = outcomes(
        [start(SPEC, tmp_path, 0, addresses), start(SPEC, tmp_path, 1, addresses, "--drain-at-call", "2")]
    )
    assert leader["stopped"] == member["stopped"] == "drain"
    assert leader["checkpoints"] == 1

    resumed, _ = outcomes([start(SPEC, tmp_path, place, free) for free in [free_addresses(2)] for place in (0, 1)])

    assert_alike(resumed, alone)
