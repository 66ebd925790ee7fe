"""What is made of requests before anything is kept of them, and what labels say of the answers."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from stoker.kinds.monitor import MOST_WINDOWS_KEPT
from stoker.lanes import frames
from stoker.ledger.sampling import Sampling
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import Tensors, encode_tensors
from stoker.redis.calls import Call
from stoker_workers.attempt.messages import MESSAGE, Drew
from stoker_workers.kinds.monitor import _has_page, _Kept
from stoker_workers.ml.drift import batches
from stoker_workers.ml.drift.columns import answers_of, columns_of
from stoker_workers.ml.drift.drawn import Drawn
from stoker_workers.ml.drift.history import History, Raised
from stoker_workers.ml.drift.performance import (
    Gate,
    gate_of_labels,
    is_worse,
    of_labels,
    of_numbers,
    of_outcomes,
)
from stoker_workers.ml.drift.reference import reference_of
from stoker_workers.ml.run import Draw, Wait
from stoker_workers.serving.sampling import Sampler

NUMBERS = TensorSpec(name="numbers", shape=(2,), dtype="float32", kind="number", columns=("age", "pay"), gaps=True)
PLANS = TensorSpec(name="categories", shape=(1,), dtype="string", kind="category", columns=("plan",))
LETTER = TensorSpec(name="letter", dtype="string", kind="text")
PHOTO = TensorSpec(name="photo", shape=(4, 4, 3), dtype="uint8", kind="image")


def version(*inputs: TensorSpec, task: Any = "multiclass", classes: tuple[str, ...] = ("no", "yes")) -> ModelVersion:
    output = TensorSpec(name="output", shape=(len(classes) or 1,), dtype="float32")
    return ModelVersion(
        name="leavers", version=2, created_at=datetime.now(UTC), metrics={}, parameters=1, job="a", data="",
        files={"keras": Artifact(name="model.keras", digest="0" * 64, size=1)},
        signature=Signature(inputs=inputs, outputs=(output,), task=task, classes=classes),
    )  # fmt: skip


def test_columns_are_predictions_and_then_inputs_and_of_texts_and_pictures_only_what_they_look_like() -> None:
    model = version(NUMBERS, PLANS, LETTER, PHOTO)
    inputs = {
        "numbers": np.array([[30, np.nan], [40, 2]], np.float32),
        "categories": np.array([["basic"], ["full" * 30]]),
        "letter": np.array(["Dear Sir, my name is …", ""]),
        "photo": np.full((2, 4, 4, 3), [[[[9]]], [[[7]]]], np.uint8),
    }
    columns = columns_of(model, inputs, np.array([[0.9, 0.1], [0.2, 0.8]], np.float32))
    assert list(columns) == [
        "prediction", "confidence", "age", "pay", "plan", "letter: length", "photo: brightness", "photo: contrast",
    ]  # fmt: skip
    assert columns["prediction"].tolist() == ["no", "yes"]
    assert columns["plan"].tolist() == ["basic", "full" * 16]
    assert columns["letter: length"].tolist() == [22, 0]
    assert columns["photo: brightness"].tolist() == [9, 7]
    assert answers_of(model, columns) == ["c:no", "c:yes"]
    encoded = batches.encoded(columns)
    assert b"Dear" not in encoded
    read = batches.joined([encoded, b"\x01\x00\x00\x00junk", encoded], most=3)
    assert read["plan"].tolist() == ["basic", "full" * 16, "basic"]
    np.testing.assert_array_equal(read["pay"], [np.nan, 2, np.nan])
    off = columns_of(model, inputs, np.array([[0.9, 0.1], [0.2, 0.8]]), off=["age", "plan", "photo", "prediction"])
    assert list(off) == ["pay", "letter: length"]


def test_of_other_models_columns_are_numbers() -> None:
    small, large = (
        TensorSpec(name="x", shape=(3,), dtype="float32"),
        TensorSpec(name="x", shape=(300,), dtype="float32"),
    )
    price = version(small, task="regression", classes=())
    columns = columns_of(price, np.ones((2, 3), np.float32), np.array([[1.5], [2.5]], np.float32))
    assert list(columns) == ["prediction", "x[0]", "x[1]", "x[2]"]
    assert answers_of(price, columns) == ["n:1.5", "n:2.5"]
    columns = columns_of(version(large, task="regression", classes=()), np.ones((2, 300), np.float32), np.ones((2, 40)))
    assert list(columns) == ["prediction: mean", "prediction: spread", "x: mean", "x: spread"]


def test_a_bulk_prediction_gives_a_window_of_rows_from_all_of_it() -> None:
    model = version(TensorSpec(name="x", shape=(1,), dtype="float32"), task="regression", classes=())
    drawn = Drawn(Draw(share=0.5, off=(), most=200))
    assert list(drawn.batches()) == []
    for start in range(0, 10_000, 100):
        rows = np.arange(start, start + 100, dtype=np.float32)[:, None]
        drawn.add(model, {"x": rows}, rows)
    columns = batches.joined(drawn.batches(), 1000)
    assert len(set(columns["x[0]"].tolist())) == 200
    tenths = Counter((columns["x[0]"] // 1000).tolist())
    assert min(tenths.values()) >= 5, "20 of each were to be expected"
    np.testing.assert_array_equal(columns["x[0]"], columns["prediction"])
    message = Drew(batch=next(drawn.batches()))
    assert MESSAGE.validate_json(message.model_dump_json()) == message


def test_what_labels_say() -> None:
    measured = of_outcomes(["1"] * 90 + ["0"] * 10)
    assert measured is not None
    assert (measured.metric, measured.value, measured.rows) == ("accuracy", 0.9, 100)
    assert (measured.interval.low, measured.interval.high) == pytest.approx((0.826, 0.945), abs=0.002), "Wilson's"
    off = of_outcomes(["2.5 3", "4 3", "junk"])
    assert off is not None
    assert (off.metric, off.value, off.rows) == ("mae", 0.75, 2)
    assert of_outcomes([]) is None
    assert of_labels(np.array([True] * 5)).interval.high == 1.0


def test_a_loss_of_performance_is_one_that_is_no_chance_and_matters() -> None:
    gate = Gate(measured=of_labels(np.arange(1000) % 10 > 0))
    assert not is_worse(of_labels(np.arange(200) % 8 > 0), gate), "87.5 of 90 % may be chance"
    assert is_worse(of_labels(np.arange(200) % 4 > 0), gate)
    assert not is_worse(of_labels(np.zeros(20, bool)), gate), "too few to say"
    assert not is_worse(of_labels(np.zeros(200, bool)), Gate())
    rng = np.random.default_rng(1)
    numbers = Gate(measured=of_numbers(rng.normal(size=1000)))
    assert not is_worse(of_numbers(rng.normal(size=200)), numbers)
    assert is_worse(of_numbers(2 * rng.normal(size=200)), numbers)


def test_the_estimate_is_as_good_as_the_probabilities_are_true() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.5, 1, 5000)
    true = gate_of_labels(rng.random(5000) < confidence, confidence)
    assert true.measured is not None
    assert true.confidence == pytest.approx(true.measured.value, abs=0.02)
    assert true.calibration_error is not None
    assert true.calibration_error < 0.03
    boasting = gate_of_labels(rng.random(5000) < confidence - 0.2, confidence)
    assert boasting.calibration_error == pytest.approx(0.2, abs=0.03)
    assert gate_of_labels(None, confidence).calibration_error is None


def test_as_many_windows_as_may_be_kept_are_named_over_a_wait() -> None:
    names = [*(f"window-{number:06}.npz" for number in range(MOST_WINDOWS_KEPT)), "report.html", "report.json"]
    files = {name: Artifact(name=name, digest="0" * 64, size=10**10).model_dump() for name in names}
    Wait("watches", keep=json.dumps({"tested": 10**9, "files": files}, separators=(",", ":")).encode())


def test_a_page_is_written_for_the_first_windows_each_alarm_and_then_every_ten_minutes() -> None:
    rng = np.random.default_rng(0)
    reference = reference_of({"pay": rng.normal(size=100)}, 50)
    early = History(model="leavers@2", data="", reference=reference, gate=Gate(), tested=20)
    before, now = early.model_copy(update={"tested": 24}), datetime.now(UTC)
    after = before.model_copy(update={"tested": 25})
    alarmed = after.with_alarm(Raised(at=now, window=25, what="drift", text="pay has moved"))
    fresh, old = (_Kept(written=now - timedelta(minutes=minutes)) for minutes in (9, 11))
    assert not _has_page(after, before, fresh)
    assert _has_page(after, before, old)
    assert _has_page(alarmed, before, fresh)
    assert _has_page(early, early, fresh)
    assert _has_page(after, before.model_copy(update={"model": "leavers@1"}), fresh)
    assert _has_page(after, None, fresh)


def test_requests_that_name_their_rows_are_sampled_with_those_that_do_not() -> None:
    """One sampler's calls: it asks what is wanted, and hands over a batch."""
    kept: list[tuple[object, ...]] = []

    class Ledger:
        def run(self, call: Call[Any]) -> Any:
            if call.words[0] == "HGET":
                return Sampling(job="a", share=1.0, window=50, horizon_s=60.0)
            kept.append(call.words)
            return True

    numbers = np.array([[30.0, 5.0]], dtype=np.float32)
    sampler = Sampler(Ledger(), "leavers")  # type: ignore[arg-type]  # all that it needs of a connection
    sampler.ask()
    sent: list[Tensors] = [{"numbers": numbers}, numbers]
    requests = [frames.Request(1.0, "0" * 32, number, encode_tensors(rows)) for number, rows in enumerate(sent)]
    answer = encode_tensors(np.array([[0.25, 0.75]], dtype=np.float32))
    sampler.saw(requests, [(answer, 2)] * 2, [version(NUMBERS)], 0.01)
    sampler.send()
    [(_, job, ref, batch, *answers)] = kept
    assert (job, ref, answers[1::2]) == ("a", "leavers@2", ["c:yes"] * 2)
    assert isinstance(batch, bytes)
    assert batches.joined([batch], 10)["age"].tolist() == [30.0, 30.0]
