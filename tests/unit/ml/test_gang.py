"""Training in step: several processes, or several devices of one, learn what one process would."""

import multiprocessing
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stoker.errors import Unavailable
from stoker.kinds import MLP, Checkpoints, Optimizer, Train
from stoker_workers.ml.training.replicas import _communication, _resolver

from ...conftest import PATIENCE_S
from .gang_member import outcome, tell

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["stoker_workers.kinds.train"])
# In the first epoch.
DRAIN_AT_CALL = 2
SPEC = Train(
    model="digits",
    data="sample://digits",
    architecture=MLP(norm="batch"),  # its statistics are those of whole batches
    epochs=2,
    seed=7,
    batch_size=50,  # the last batch of an epoch is smaller, and not even
    checkpoint=Checkpoints(epochs=1, seconds=None),
)
Told = dict[str, Any]


def free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


class Member:
    """A process of a gang, forked from one that has TensorFlow."""

    def __init__(
        self,
        folder: Path,
        place: int = 0,
        addresses: Sequence[str] = (),
        *options: int,
        devices: int = 1,
        spec: Train = SPEC,
    ):
        self._told, theirs = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=tell, args=(theirs, devices, spec, folder, place, addresses, *options))
        self._process.start()
        theirs.close()

    def outcome(self) -> Told:
        assert self._told.poll(PATIENCE_S)
        told: Told = self._told.recv()
        self._process.join()
        return told


def gang(folder: Path, *options: int) -> tuple[Told, Told]:
    """What comes of two processes; the options are the second one's."""
    addresses = free_addresses(2)
    members = Member(folder, 0, addresses), Member(folder, 1, addresses, *options)
    leader, member = (each.outcome() for each in members)
    return leader, member


@pytest.fixture(scope="module")
def alone_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one process trains alone."""
    return tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="module")
def alone(alone_in: Path) -> Told:
    """What one process gives."""
    return outcome(SPEC, alone_in)


def assert_alike(told: Told, alone: Told) -> None:
    for name, values in alone["history"].items():
        assert told["history"][name] == pytest.approx(values, rel=1e-4)
    assert told["weights"] == pytest.approx(alone["weights"], rel=1e-4)


def assert_drained(folder: Path) -> None:
    """A drain of one process stops both, and leaves a checkpoint."""
    leader, member = gang(folder, DRAIN_AT_CALL)
    assert leader["stopped"] == member["stopped"] == "drain"
    assert leader["checkpoints"] == 1


def test_a_drain_of_one_process_stops_both_at_one_checkpoint(tmp_path: Path) -> None:
    assert_drained(tmp_path)


def test_two_devices_have_the_losses_and_weights_of_one(alone: Told, tmp_path: Path) -> None:
    assert_alike(Member(tmp_path, devices=2).outcome(), alone)


def test_two_devices_add_up_clip_and_average_as_one_does(tmp_path: Path) -> None:
    spec = Train(
        **dict(SPEC)
        | {
            "architecture": MLP(l2=0.001),
            "optimizer": Optimizer(name="sgd", learning_rate=0.1, clip_norm=0.3, clip_value=0.05),
            "batch_size": 10,
            "accumulate": 5,
            "ema": 0.9,
        }
    )
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert_alike(Member(tmp_path / "two", devices=2, spec=spec).outcome(), outcome(spec, tmp_path / "one"))


@pytest.mark.slow
def test_two_processes_that_one_drain_stops_go_on_to_the_losses_and_weights_of_one(alone: Told, tmp_path: Path) -> None:
    assert_drained(tmp_path)
    leader, member = gang(tmp_path)
    assert_alike(leader, alone)
    assert leader["checkpoints"] == SPEC.epochs
    assert member == {"stopped": "done", "warnings": []}


def test_all_processes_go_on_from_the_newest_checkpoint_that_all_can_read(
    alone: Told, alone_in: Path, tmp_path: Path
) -> None:
    folders = tmp_path / "leader", tmp_path / "member"
    for folder in folders:
        shutil.copytree(alone_in, folder)
    [newest] = folders[1].glob("jobs/job/sha256/*/*/checkpoint-2-0.npz")
    newest.write_bytes(newest.read_bytes()[:-1])

    addresses = free_addresses(2)
    members = [Member(folder, place, addresses) for place, folder in enumerate(folders)]
    leader, member = (each.outcome() for each in members)

    assert_alike(leader, alone)
    assert leader["checkpoints"] == 1
    assert leader["warnings"] == ["checkpoint-2-0.npz is left out: another worker of the gang cannot read it"]
    assert member["stopped"] == "done"
    assert "checkpoint-2-0.npz is corrupt" in member["warnings"][0]


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
    with pytest.raises(Unavailable, match="this worker computes on the GPU, but TensorFlow placed weights on"):
        outcome(SPEC, tmp_path, device="gpu")
