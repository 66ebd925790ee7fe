"""The app of a chaos run: it submits mixed jobs, some twice, cancels some, and knows how each must end."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import stoker
from stoker.kinds import Checkpoints, Spec, Train
from stoker.settings import Settings

from ..conftest import PATIENCE_S

T = TypeVar("T")
BASE = "base"
# Starts the labels of the jobs whose records may be torn.
VICTIM = "victim"
# More losses than a run can cause: what ends as DEAD was no victim of the monkey.
_MANY = 100
_ENDLESS = 1_000_000
_PAUSE_S = 0.2


@dataclass
class Submitted:
    """What the app knows of a job.

    Attributes:
        label: also its tag "label", so that a job is known even if the answer to its submit was lost.
        ends: the states it may end in.
        ids: under which it was acknowledged: one, if the promise holds.
        poisons: whether it kills its own process.
        torn: whether something else may write to its record; then only its end is promised, whichever it is.
    """

    label: str
    ends: tuple[str, ...]
    ids: set[str] = field(default_factory=set)
    poisons: bool = False
    torn: bool = False


class App:
    """Submits jobs from a thread, a few ahead of what the workers can do.

    Args:
        settings: how to reach Redis.
        effects: the file in which trainings leave their evidence.
        ahead: how many may be unfinished.
    """

    def __init__(self, settings: Settings, effects: Path, seed: int, ahead: int) -> None:
        self.submitted: dict[str, Submitted] = {}
        self.repeated = 0
        self._client = stoker.Client(settings=settings)
        self._effects = effects
        self._random = random.Random(seed)
        self._ahead = ahead
        self._cancels: list[str] = []
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="app")
        self._failure: BaseException | None = None

    def train_base(self) -> None:
        """Train the model that evaluations and predictions use, while nothing is broken yet."""
        label = "base"
        self._submit([(self._train(label, model=BASE), ("SUCCEEDED",))], key=label)
        [job_id] = self.submitted[label].ids
        self._client.job(job_id).result(timeout=PATIENCE_S)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Submit nothing more."""
        self._enough.set()

    @property
    def done(self) -> bool:
        """Whether everything has been submitted. Raises what ended the app, if something has."""
        if self._failure:
            raise self._failure
        return not self._thread.is_alive()

    def open_jobs(self) -> int:
        """How many jobs have not ended."""
        return sum(len(self._client.jobs(state=state, limit=self._ahead)) for state in _UNFINISHED)

    def close(self) -> None:
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        try:
            for number in itertools.count():
                if self._enough.is_set():
                    break
                self._one(number)
                self._cancel_some()
                while self._insist(self.open_jobs) >= self._ahead and not self._enough.is_set():
                    time.sleep(_PAUSE_S)
            for job_id in self._cancels:
                self._cancel(job_id)
        except BaseException as error:  # noqa: BLE001  # the thread's edge: `done` raises it again
            self._failure = error

    def _one(self, number: int) -> None:
        kinds = list(_SHARES)
        [kind] = self._random.choices(kinds, [_SHARES[name] for name in kinds])
        label = f"{VICTIM if kind == VICTIM else 'job'}-{number:03d}"
        jobs = list(getattr(self, f"_{kind}")(label))
        # Some submits are told twice, as by an app that was restarted before it had noted the answer.
        key = label if len(jobs) == 1 else None
        for _ in range(2 if key and self._random.random() < 0.2 else 1):
            self._submit(jobs, key)
        if kind == "cancelled":
            self._cancels += self.submitted[label].ids

    def _submit(self, jobs: "list[tuple[Spec, tuple[str, ...]]]", key: str | None) -> None:
        for spec, ends in jobs:
            label = spec.tags["label"]
            if label in self.submitted:
                self.repeated += 1
            known = Submitted(label, ends, poisons=ends == ("DEAD",), torn=label.startswith(VICTIM))
            self.submitted.setdefault(label, known)
        if key:
            job = self._insist(lambda: self._client.submit(jobs[0][0], idempotency_key=key))
            self.submitted[key].ids.add(job.id)
            return
        for (spec, _), job in zip(jobs, self._once([spec for spec, _ in jobs]), strict=False):
            self.submitted[spec.tags["label"]].ids.add(job.id)

    def _once(self, specs: list[Spec]) -> list[stoker.Job]:
        """Submit without a key: where no answer comes, there may be a job or none, but nothing in between."""
        try:
            return self._client.submit_many(specs)
        except stoker.Unavailable:
            return []

    def _cancel_some(self) -> None:
        while self._cancels and self._random.random() < 0.5:
            self._cancel(self._cancels.pop(0))

    def _cancel(self, job_id: str) -> None:
        self._insist(lambda: self._client.job(job_id).cancel())

    def _insist(self, step: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return step()
            except stoker.Unavailable:
                assert time.monotonic() < deadline, "Redis was never back"
                time.sleep(_PAUSE_S)

    # --- kinds of work, each with the states it may end in

    def _train(self, label: str, *, model: str | None = None, epochs: int = 3, **fields: object) -> Train:
        return Train.model_validate(
            {
                "model": model or label,
                "data": "sample://digits",
                "architecture": stoker.Builder(
                    "chaos_builders:noted", {"effects": str(self._effects), "label": label, "units": 16}
                ),
                "epochs": epochs,
                "seed": self._random.randrange(1000),
                "checkpoint": Checkpoints(steps=self._random.choice([20, 50, 100]), keep=2),
                "priority": self._random.choice(["low", "normal", "normal", "high"]),
                "max_attempts": _MANY,
                "tags": {"label": label},
            }
            | fields
        )

    def _common(self, label: str) -> dict[str, object]:
        return {"max_attempts": _MANY, "tags": {"label": label}}

    def _short(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        yield self._train(label, model=self._random.choice(["shared", label]), epochs=5), ("SUCCEEDED",)

    def _long(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        yield self._train(label, epochs=self._random.choice([200, 400])), ("SUCCEEDED",)

    def _victim(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        yield self._train(label, epochs=400), FINAL

    def _gang(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        yield self._train(label, epochs=self._random.choice([5, 20]), workers=2), ("SUCCEEDED",)

    def _later(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        soon = datetime.now(UTC) + timedelta(seconds=self._random.choice([2, 5]))
        yield self._train(label, not_before=soon), ("SUCCEEDED",)

    def _evaluate(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        spec = {"kind": "evaluate", "model": BASE, "data": "sample://digits", "bootstrap": 100, "noise": ()}
        yield stoker.Evaluate.model_validate(spec | self._common(label)), ("SUCCEEDED",)

    def _infer(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        spec = {"kind": "infer", "model": BASE, "data": "sample://digits", "chunk_rows": 100}
        yield stoker.Infer.model_validate(spec | self._common(label)), ("SUCCEEDED",)

    def _deploy(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        spec = {"kind": "deploy", "model": f"{BASE}@1", "alias": "live"}
        yield stoker.Deploy.model_validate(spec | self._common(label)), ("SUCCEEDED",)

    def _pipeline(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        """Train, evaluate, and deploy if the evaluation passes its gate."""
        passes = self._random.random() < 0.7
        gate = {"accuracy": 0.0 if passes else 2.0}
        yield self._train(f"{label}-train", model="pipe"), ("SUCCEEDED",)
        evaluate = {"kind": "evaluate", "model": "#0", "data": "sample://digits", "bootstrap": 100, "noise": ()}
        evaluate |= {"min_metrics": gate} | self._common(f"{label}-evaluate")
        yield stoker.Evaluate.model_validate(evaluate), ("SUCCEEDED" if passes else "FAILED",)
        deploy = {"kind": "deploy", "model": "#0", "alias": "live", "after": ("#1",)} | self._common(f"{label}-deploy")
        yield stoker.Deploy.model_validate(deploy), ("SUCCEEDED" if passes else "CANCELLED",)

    def _cancelled(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        yield self._train(label, epochs=_ENDLESS), ("CANCELLED",)

    def _overdue(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        yield self._train(label, epochs=_ENDLESS, timeout=2.0), ("FAILED",)

    def _poison(self, label: str) -> "Iterator[tuple[Spec, tuple[str, ...]]]":
        """A job that kills whoever runs it, and one that comes after it."""
        effects = {"effects": str(self._effects), "label": f"{label}-first"}
        poison = stoker.Builder("chaos_builders:poison", effects)
        yield self._train(f"{label}-first", architecture=poison, max_attempts=2), ("DEAD",)
        yield self._train(f"{label}-second", after=("#0",)), ("CANCELLED",)


FINAL = ("SUCCEEDED", "FAILED", "CANCELLED", "DEAD", "PRUNED")
_UNFINISHED = (stoker.JobState.WAITING, stoker.JobState.QUEUED, stoker.JobState.RUNNING)
_SHARES = {
    "short": 10,
    "long": 3,
    "gang": 2,
    "later": 2,
    "evaluate": 4,
    "infer": 4,
    "deploy": 4,
    "pipeline": 3,
    "cancelled": 2,
    "overdue": 2,
    "poison": 1,
    VICTIM: 2,
}
