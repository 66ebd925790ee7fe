"""How jobs make do with less memory, and which get more."""

import numpy as np
import pytest
import tensorflow as tf

import stoker
from stoker.fleet.topology import queues_of
from stoker.kinds.training.memory_plan import MemoryPlan, memory_plan_of, memory_plans
from stoker.ledger.attempt import Attempt
from stoker.ledger.presence import Worker
from stoker_workers.attempt.memory import Room, larger
from stoker_workers.attempt.messages import MESSAGE, OutOfMemory
from stoker_workers.attempt.runner import end_of
from stoker_workers.ml.memory import is_out_of_memory, wanted
from stoker_workers.ml.run import Outcome

GIB = 1024**3


@pytest.mark.parametrize(
    ("batch_size", "precision", "words"),
    [
        (1024, "float32", ["each batch in 4 parts", "each batch in 16 parts", "each batch in 64 parts"]),
        (20, "auto", ["each batch in 4 parts", "each batch in 16 parts", "each batch in 16 parts, mixed precision"]),
        (2, "auto", ["mixed precision"]),
        (2, "mixed", []),
    ],
)
def test_batches_are_divided_and_then_precision_is_mixed_if_it_may_be(
    batch_size: int, precision: str, words: list[str]
) -> None:
    spec = stoker.Train.model_validate(
        {"model": "m", "data": "sample://digits", "batch_size": batch_size, "precision": precision}
    )
    assert list(map(str, memory_plans(spec))) == words
    assert memory_plan_of(spec, 0) == MemoryPlan()
    assert [str(memory_plan_of(spec, used + 1)) for used in range(len(words))] == words


def test_what_tensorflow_and_numpy_could_not_allocate_is_told_in_bytes() -> None:
    refused = tf.errors.ResourceExhaustedError(
        None, None, "OOM when allocating tensor with shape[512,4096] and type float on /device:GPU:0 by allocator GPU_0"
    )
    assert wanted(refused) == "8,388,608 bytes at once, for float32 of shape [512, 4096]"
    with pytest.raises(MemoryError) as error:
        np.empty((2**40, 2**18), np.float32)
    assert wanted(error.value) == f"{2**60:,} bytes at once, for float32 of shape [{2**40}, {2**18}]"
    assert wanted(MemoryError()).startswith("more than there is")
    assert not is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "a.csv; Too many open files"))


def test_an_attempt_that_is_refused_memory_says_so_in_its_last_message() -> None:
    def work() -> Outcome:
        np.empty((2**40, 2**18))
        raise AssertionError("there was memory for it")

    end = end_of(work)
    assert isinstance(end, OutOfMemory)
    assert MESSAGE.validate_json(end.model_dump_json()) == end


def gpu(memory_bytes: int) -> Worker:
    return Worker(
        name="w",
        node="n",
        device="gpu",
        slots=1,
        most_slots=1,
        queues=queues_of("gpu"),
        host="h",
        pid=1,
        gpu_memory_bytes=memory_bytes,
    )


def test_a_job_whose_gpu_is_too_small_gets_the_least_that_is_larger_once() -> None:
    attempt = Attempt("j", "o", 1, "{}", (), queue="gpu.train")
    workers = [gpu(80 * GIB), gpu(16 * GIB), gpu(40 * GIB)]
    assert larger(attempt, Room(16 * GIB, is_gpu=True), workers) == 40 * GIB
    assert larger(attempt, Room(80 * GIB, is_gpu=True), workers) is None
    again = Attempt("j", "o", 2, "{}", (), queue="gpu.train", has_outgrown=True)
    assert larger(again, Room(16 * GIB, is_gpu=True), workers) is None
