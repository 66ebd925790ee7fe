"""Executes `Monitor`: each attempt tests one window of requests, and waits for the next."""

import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Self

import numpy as np
from pydantic import Field, ValidationError

from stoker.events import Checkpoint, ModelAlarm, WindowTested
from stoker.kinds import Monitor, MonitorResult
from stoker.models.described import Described
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.store import Store
from stoker.outages import one_line

from ..ml.drift import batches
from ..ml.drift.baseline import baseline
from ..ml.drift.columns import CONFIDENCE
from ..ml.drift.history import History, Raised, WindowResult
from ..ml.drift.performance import is_worse, of_outcomes
from ..ml.drift.reference import Values, reference_of
from ..ml.drift.report import render
from ..ml.drift.windows import ColumnTest, compared
from ..ml.resuming import UnreadableCheckpoint, read_newest
from ..ml.run import Outcome, Run, Sampled, Wait
from ..ml.writing import write_report, write_result

_NAMED = 5
# A page for each window would fill the store where they come by the second: the first so many have one, and then it is
# written so often.
_FIRST_PAGES, _PAGE_EVERY = 20, timedelta(minutes=10)


def run(spec: Monitor, run: Run) -> Outcome:
    """Test the window that has come, if one has.

    Raises:
        InvalidJob: there is no reference, or the model does not take its rows.
        Wait: for the next window.
        Stopped: a stop was asked for.
    """
    [version] = run.models
    sampled = run.sampled or Sampled()
    history = read_newest(run, lambda artifact: _read(run.store.of_job(run.job), artifact))
    before = history
    if history is None or history.model != version.ref:
        history = _begun(spec, version, run, history)
    columns = batches.joined(sampled.batches, spec.window)
    if columns and len(next(iter(columns.values()))) >= spec.window and _Kept.read(run.kept).tested == history.tested:
        history = _with_window(spec, history, columns, sampled, run)
    elif sampled.outcomes:
        history = _judged(history, sampled, run)
    if history != before:
        _save(history, run)
    kept = _Kept.read(run.kept)
    is_over = spec.windows is not None and history.tested >= spec.windows
    is_behind = history != before or kept.is_behind
    if is_over or not kept.files or (is_behind and _has_page(history, before, kept)):
        written = write_report(run, _summary(history, {}), partial(render, history))
        kept, is_behind = _Kept(files=written, written=datetime.now(UTC)), False
    result = _summary(history, _reports(kept.files) | {file.name: file for file in history.kept})
    if is_over:
        return Outcome(result)
    keep = _Kept(tested=history.tested, files=result.files, written=kept.written, is_behind=is_behind)
    seconds = 0 if sampled.waiting >= spec.window else _PAGE_EVERY.total_seconds() if is_behind else None
    raise Wait(_why(history), seconds=seconds, keep=keep.model_dump_json().encode())


class _Kept(Described):
    """What is kept over a wait.

    Attributes:
        tested: how many windows were tested.
        files: what `job.files` gives meanwhile: the report, and windows.
        written: when the report was, UTC.
        is_behind: whether something has come since that it does not have.
    """

    tested: int = 0
    files: dict[str, Artifact] = Field(default_factory=dict)
    written: datetime | None = None
    is_behind: bool = False

    @classmethod
    def read(cls, kept: bytes) -> Self:
        """What was kept; nothing if something else has written there."""
        try:
            return cls.model_validate_json(kept or b"{}")
        except ValidationError:
            return cls()


def _read(store: Store, artifact: Artifact) -> History:
    try:
        return History.model_validate_json(store.read(artifact))
    except ValidationError as error:
        raise UnreadableCheckpoint(f"it is no history of a Monitor: {one_line(error)}") from error


def _begun(spec: Monitor, version: ModelVersion, run: Run, history: History | None) -> History:
    found = baseline(spec, version, run)
    reference = reference_of(found.columns, spec.window, spec.seed)
    run.say(f"{version.ref} is held against {reference.rows:,} rows of {found.data}, {len(reference.columns)} columns")
    if history is None:
        return History(model=version.ref, data=found.data, reference=reference, gate=found.gate)
    return history.of_version(version.ref, found.data, reference, found.gate)


def _with_window(spec: Monitor, history: History, columns: Mapping[str, Values], sampled: Sampled, run: Run) -> History:
    tests = compared(columns, history.reference, floor=spec.floor, share_floor=spec.share_floor)
    latency = columns.get(batches.LATENCY)
    confidence = columns.get(CONFIDENCE)
    window = WindowResult(
        number=history.tested + 1,
        at=datetime.now(UTC),
        model=history.model,
        rows=spec.window,
        tests=tests,
        measured=of_outcomes(sampled.outcomes),
        estimate=None if confidence is None else float(confidence.mean()),
        latency_ms=None if latency is None else float(np.median(latency)) * 1000,
        labels=sampled.labels,
        kept=sampled.kept,
        dropped=sampled.dropped,
    )
    drifted = set(history.state.drifted)
    history = history.with_window(window)
    differs = tuple(dict.fromkeys(test.column for test in tests if test.differs))
    run.emit(WindowTested(number=window.number, model=history.model, rows=window.rows, differs=differs))
    if new := [name for name in history.state.drifted if name not in drifted]:
        text = f"{', '.join(_found(tests, new))} in windows {window.number - 1} and {window.number} of {history.model}"
        figures = {test.column: test.distance for test in tests if test.column in new and test.differs}
        history = _raise(history, "drift", text, figures, run)
    history = _judged(history, sampled, run)
    if spec.keep:
        file = write_result(run, lambda: run.store.put_bytes(_npz(columns), f"window-{window.number:06}.npz"))
        history = history.model_copy(update={"kept": (*history.kept, file)[-spec.keep :]})
    return history


def _found(tests: tuple[ColumnTest, ...], columns: list[str]) -> Iterator[str]:
    for name in columns[:_NAMED]:
        test = next(test for test in tests if test.column == name and test.differs)
        of = "the share of missing values of " if test.of == "missing" else ""
        yield f"{of}{name} has moved by {test.distance:.2g} (by chance {test.limit:.2g} at most)"
    if len(columns) > _NAMED:
        yield f"{len(columns) - _NAMED} more columns have moved"


def _judged(history: History, sampled: Sampled, run: Run) -> History:
    """What the newest labels say: a loss of performance is an alarm, once until it is over."""
    measured = of_outcomes(sampled.outcomes[-max(history.reference.size, 200) :])
    worse = measured is not None and is_worse(measured, history.gate)
    before = history.gate.measured
    if worse and not history.is_worse and measured and before:
        text = (
            f"by the newest {measured.rows} labels, {measured.metric} of {history.model} is {measured.value:.3g} "
            f"({measured.interval.low:.3g} to {measured.interval.high:.3g}), and on the reference {before.value:.3g}"
        )
        history = _raise(history, "performance", text, {measured.metric: measured.value, "gate": before.value}, run)
    return history if worse == history.is_worse else history.model_copy(update={"is_worse": worse})


def _raise(history: History, what: str, text: str, figures: Mapping[str, float], run: Run) -> History:
    once = f"{history.tested} {history.model} {what}"
    run.emit(ModelAlarm(what=what, model=history.model, text=text, figures=dict(figures), once=once))
    return history.with_alarm(Raised(at=datetime.now(UTC), window=history.tested, what=what, text=text))


def _save(history: History, run: Run) -> None:
    document = history.model_dump_json().encode()
    store = run.store.of_job(run.job)
    saved = write_result(run, lambda: store.put_bytes(document, f"history-{history.tested}.json"))
    run.emit(Checkpoint(epoch=0, step=history.tested, artifact=saved))


def _has_page(history: History, before: History | None, kept: _Kept) -> bool:
    """Whether the report is written anew for what has come: not for each window of many, but with each alarm."""
    is_new = before is None or history.alarms != before.alarms or history.model != before.model
    is_old = kept.written is None or datetime.now(UTC) - kept.written >= _PAGE_EVERY
    return is_new or is_old or history.tested <= _FIRST_PAGES


def _reports(files: Mapping[str, Artifact]) -> dict[str, Artifact]:
    return {name: file for name, file in files.items() if not name.endswith(".npz")}


def _summary(history: History, files: Mapping[str, Artifact]) -> MonitorResult:
    last = history.windows[-1] if history.windows else None
    measured, gate = last.measured if last else None, history.gate.measured
    return MonitorResult(
        model=history.model,
        windows=history.tested,
        rows=history.rows,
        alarms=tuple(alarm.text for alarm in history.alarms),
        drifted=history.state.drifted,
        metric=measured.metric if measured else gate.metric if gate else None,
        value=measured.value if measured else None,
        gate=gate.value if gate else None,
        files=dict(files),
    )


def _why(history: History) -> str:
    drifts = f"; drifts: {', '.join(history.state.drifted[:_NAMED])}" if history.state.drifted else ""
    return f"watches {history.model}{drifts}"


def _npz(columns: Mapping[str, Values]) -> bytes:
    buffer = io.BytesIO()
    plain = {
        name: np.array(values.tolist(), dtype=np.str_) if values.dtype.kind == "O" else values
        for name, values in columns.items()
    }
    np.savez_compressed(buffer, **{name.replace("/", "_"): values for name, values in plain.items()})  # type: ignore[arg-type]
    return buffer.getvalue()
