"""Which device a job goes to, and which job is refused because nobody could run it."""

from types import SimpleNamespace

import pytest

import stoker
from stoker import InvalidJob
from stoker.client.placement import Offer, Seen, offer, place
from stoker.fleet.topology import WorkDevice, queues_of
from stoker.kinds import Spec
from stoker.kinds.needs import package_word
from stoker.ledger import presence
from stoker.redis.calls import drive

GIB = 1024**3
TRAIN = stoker.Train(model="m", data="sample://digits")
EVALUATE = stoker.Evaluate(model="m", data="sample://digits")


def worker(device: WorkDevice, memory: int | None = 8 * GIB, gpu_memory: int | None = None) -> presence.Worker:
    return presence.Worker(
        name=f"{device}-1@host",
        node="node",
        device=device,
        slots=1,
        most_slots=1,
        queues=queues_of(device),
        host="host",
        pid=1,
        cpus=4,
        memory_bytes=memory,
        gpu_memory_bytes=gpu_memory,
    )


CPU, GPU = worker("cpu"), worker("gpu", gpu_memory=16 * GIB)


@pytest.mark.parametrize(
    ("spec", "workers", "device"),
    [
        (TRAIN, [CPU, GPU], "gpu"),
        (TRAIN, [CPU], "cpu"),
        (EVALUATE, [CPU, GPU], "cpu"),
        (EVALUATE, [GPU], "gpu"),
        (EVALUATE.model_copy(update={"gpu_memory": GIB}), [CPU, GPU], "gpu"),
        (TRAIN.model_copy(update={"memory": 32 * GIB}), [worker("cpu", 64 * GIB), GPU], "cpu"),
        (TRAIN.model_copy(update={"memory": 32 * GIB}), [worker("cpu", None)], "cpu"),
        (TRAIN.model_copy(update={"device": "cpu", "cpus": 4}), [CPU, GPU], "cpu"),
    ],
)
def test_a_job_goes_to_the_best_device_that_can_run_it(
    spec: Spec, workers: list[presence.Worker], device: WorkDevice
) -> None:
    assert place(spec, Offer(workers)) == device


@pytest.mark.parametrize(
    ("wishes", "missing"),
    [
        ({"device": "gpu"}, "none serves gpu.train"),
        ({"gpu_memory": GIB}, "none serves gpu.train"),
        ({"cpus": 64}, "on cpu.train, it asks for cpus=64 and cpu-1@host has 4"),
        (
            {"memory": 16 * GIB, "cpus": 5},
            r"asks for memory=17,179,869,184 and .* has 8,589,934,592 and it asks for cpus",
        ),
    ],
)
def test_a_job_that_no_worker_could_run_is_refused_with_what_is_missing(
    wishes: dict[str, object], missing: str
) -> None:
    with pytest.raises(InvalidJob, match=missing):
        place(TRAIN.model_copy(update=wishes), Offer([CPU]))


def test_a_gpu_with_too_little_memory_is_named() -> None:
    with pytest.raises(InvalidJob, match="it asks for gpu_memory=85,899,345,920 and gpu-1@host has 17,179"):
        place(TRAIN.model_copy(update={"gpu_memory": 80 * GIB}), Offer([CPU, GPU]))


def test_as_long_as_no_worker_is_there_a_job_waits_for_what_it_names_or_for_a_cpu() -> None:
    assert place(TRAIN, Offer()) == "cpu"
    assert place(TRAIN.model_copy(update={"device": "gpu", "memory": 10**15}), Offer()) == "gpu"
    assert place(TRAIN.model_copy(update={"gpu_memory": GIB}), Offer()) == "gpu"


def test_gpu_memory_is_no_wish_for_another_device() -> None:
    with pytest.raises(InvalidJob, match="gpu_memory is a GPU's, and device is 'cpu'"):
        stoker.Train(model="m", data="sample://digits", device="cpu", gpu_memory=GIB)


def test_a_device_whose_fleet_may_grow_is_waited_for_where_no_live_worker_would_do() -> None:
    grows = Offer([CPU], {"gpu": 8})
    assert place(TRAIN, grows) == "cpu"
    assert place(TRAIN.model_copy(update={"device": "gpu"}), grows) == "gpu"
    assert place(TRAIN.model_copy(update={"gpu_memory": GIB}), grows) == "gpu"
    with pytest.raises(InvalidJob, match=r"none serves gpu.train"):
        place(TRAIN.model_copy(update={"device": "gpu"}), Offer([CPU], {"gpu": 0}))


def test_a_training_by_more_workers_than_there_can_be_slots_is_refused_with_their_number() -> None:
    four = TRAIN.model_copy(update={"workers": 4, "device": "cpu"})
    slots = CPU.model_copy(update={"most_slots": 2})
    assert place(four, Offer([slots, slots])) == "cpu"
    assert place(four, Offer([slots], {"cpu": 4})) == "cpu"
    with pytest.raises(InvalidJob, match=r"on cpu.train, it asks for workers=4 and there are at most 2 slots"):
        place(four, Offer([slots]))


def test_a_job_goes_to_the_device_where_its_labels_are_and_is_not_refused_where_none_has_them() -> None:
    shop = CPU.model_copy(update={"name": "shop", "offers": ("label:image=shop-1.4",)})
    spec = TRAIN.model_copy(update={"needs": {"image": "shop-1.4"}})
    assert place(spec, Offer([CPU, GPU, shop])) == "cpu"
    assert place(spec, Offer([CPU, GPU])) == "gpu"
    assert place(spec.model_copy(update={"needs": {"image": "shop-1.5"}}), Offer([CPU, GPU, shop])) == "gpu"
    with pytest.raises(InvalidJob, match="cpus=64"):
        place(spec.model_copy(update={"cpus": 64}), Offer([shop]))


def tuning(**fields: object) -> stoker.Tune:
    job = TRAIN.model_copy(update=fields)
    return stoker.Tune(job=job, space={"batch_size": [16, 32]}, goal="max val_accuracy")


def test_a_tuning_goes_where_its_trials_can_run() -> None:
    large = worker("cpu", 64 * GIB)
    assert place(tuning(), Offer([CPU, GPU])) == "gpu"
    assert place(tuning(memory=32 * GIB), Offer([large, GPU])) == "cpu"
    assert place(tuning(workers=4), Offer([CPU], {"cpu": 4})) == "cpu"
    # The tuning itself needs Optuna, of which its trials know nothing.
    able = CPU.model_copy(update={"offers": (package_word("optuna"),)})
    assert place(tuning(device="gpu"), Offer([able, GPU])) == "cpu"


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"workers": 4}, r"on cpu.train, it asks for workers=4 and there are at most 1 slots"),
        ({"memory": 64 * GIB}, r"on cpu.train, it asks for memory=68,719,476,736 and cpu-1@host has"),
        ({"gpu_memory": GIB}, "none serves gpu.train"),
        ({"device": "tpu"}, "none serves tpu.train"),
    ],
)
def test_a_tuning_is_refused_whose_trials_no_worker_could_run(fields: dict[str, object], missing: str) -> None:
    with pytest.raises(InvalidJob, match=missing):
        place(tuning(**fields), Offer([CPU]))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by which what was seen is fresh: its only element."""
    now = [0.0]
    monkeypatch.setattr("stoker.client.placement.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_client_looks_once_for_the_workers_of_jobs_that_follow_each_other(clock: list[float]) -> None:
    seen, looks = Seen(), list[object]()

    def workers(call: object) -> list[presence.Worker]:
        looks.append(call)
        return [CPU]

    assert drive(offer([TRAIN], seen), workers) == drive(offer([EVALUATE], seen), workers) == Offer([CPU])
    assert len(looks) == 1
    clock[0] += 1
    drive(offer([TRAIN], seen), workers)
    assert len(looks) == 2


@pytest.mark.usefixtures("clock")
def test_a_client_looks_again_before_it_refuses_a_job_that_fits_no_worker_it_has_seen() -> None:
    seen, live = Seen(), [[CPU], [CPU, GPU]]
    on_gpu = TRAIN.model_copy(update={"gpu_memory": GIB})
    drive(offer([TRAIN], seen), lambda _: live.pop(0))
    assert place(on_gpu, drive(offer([on_gpu], seen), lambda _: live.pop(0))) == "gpu"
