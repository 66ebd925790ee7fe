"""Schedules: jobs that are submitted by themselves, at times or on alarms."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError

from ..errors import InvalidArgument, InvalidJob, Unavailable
from ..kinds import Data, Spec
from ..kinds.base import JobSpec
from ..kinds.problems import sentence, short
from ..ledger import alarms, clock, schedules
from ..ledger.alarms import Alarm
from ..redis.calls import Steps
from ..schedules.schedule import MOST_JOBS, CatchUp, JobSchedule, ScheduleState, ScheduleStatus, begun, status_of
from ..security.signing import Signer
from . import arguments, submission
from .calls import AsyncCalls, Calls

# What says when a schedule starts, and what; not what has come of it.
_DEFINITION = ("when", "zone", "catch_up", "cool_down_s", "at_most", "jobs")
# Where training data may stand in a spec.
_DATA_FIELDS = ("data", "add_data", "validation_data")


class ScheduleCalls(Calls):
    """A part of the blocking client."""

    def schedule(
        self,
        when: str,
        jobs: JobSpec[Any] | Iterable[JobSpec[Any]],
        *,
        name: str,
        zone: str = "UTC",
        catch_up: CatchUp = "latest",
        cool_down_s: float = 3600.0,
        at_most: int = 2,
        replace: bool = False,
    ) -> ScheduleStatus:
        """Have jobs submitted by themselves: at times, or on alarms. See docs/schedules.md.

        They are checked now, and placed and submitted by the controller when the time has come, all or none. Adding
        the same schedule again changes nothing.

        Args:
            when: as cron writes it, such as "0 3 * * *", "every 15m", "daily", or an alarm, such as "drift of digits".
            jobs: one spec, or a chain: "#0" names the first. Each is tagged with the schedule's name.
            name: letters, digits, ".", "_" and "-".
            zone: the time zone of cron's times, such as "Europe/Berlin".
            catch_up: what starts when no controller ran for a time: "latest" once for all times that were missed,
                "none" for none of them, "all" for each of the newest hundred.
            cool_down_s: on alarms: seconds after a start in which no other alarm starts anything.
            at_most: on alarms: how many starts there are within 24 hours.
            replace: whether a schedule of this name may be replaced.

        Raises:
            InvalidJob, ModelNotFound: `when` or a job is wrong, or another schedule has this name.
            Unavailable: there are as many schedules as there may be, or Redis cannot be reached.
        """
        listed = _listed(jobs)
        fields = _fields(name, when, zone, catch_up, cool_down_s, at_most)
        return self._drive(_add(fields, listed, self.settings.store, self._signer, replace=replace))

    def schedules(self) -> list[ScheduleStatus]:
        """All schedules, by name; those that something else has written to are left out."""
        return self._drive(all_schedules())

    def pause_schedule(self, name: str) -> ScheduleStatus:
        """Let a schedule start nothing until it is resumed; what it has started goes on.

        Raises:
            InvalidArgument: there is no such schedule.
        """
        return self._drive(_change(name, pause=True))

    def resume_schedule(self, name: str) -> ScheduleStatus:
        """Let a paused schedule go on from now: what it has missed meanwhile starts nothing. See `pause_schedule`."""
        return self._drive(_change(name, pause=False))

    def remove_schedule(self, name: str) -> ScheduleStatus:
        """Remove a schedule; what it has started goes on. See `pause_schedule`."""
        return self._drive(_remove(name))


class AsyncScheduleCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def schedule(
        self,
        when: str,
        jobs: JobSpec[Any] | Iterable[JobSpec[Any]],
        *,
        name: str,
        zone: str = "UTC",
        catch_up: CatchUp = "latest",
        cool_down_s: float = 3600.0,
        at_most: int = 2,
        replace: bool = False,
    ) -> ScheduleStatus:
        """See `Client.schedule`."""
        listed = _listed(jobs)
        fields = _fields(name, when, zone, catch_up, cool_down_s, at_most)
        return await self._drive(_add(fields, listed, self.settings.store, self._signer, replace=replace))

    async def schedules(self) -> list[ScheduleStatus]:
        """See `Client.schedules`."""
        return await self._drive(all_schedules())

    async def pause_schedule(self, name: str) -> ScheduleStatus:
        """See `Client.pause_schedule`."""
        return await self._drive(_change(name, pause=True))

    async def resume_schedule(self, name: str) -> ScheduleStatus:
        """See `Client.resume_schedule`."""
        return await self._drive(_change(name, pause=False))

    async def remove_schedule(self, name: str) -> ScheduleStatus:
        """See `Client.remove_schedule`."""
        return await self._drive(_remove(name))


def _listed(jobs: JobSpec[Any] | Iterable[JobSpec[Any]]) -> list[Spec]:
    return [arguments.spec(jobs)] if isinstance(jobs, JobSpec) else arguments.specs(jobs)


def _fields(name: str, when: str, zone: str, catch_up: str, cool_down_s: float, at_most: int) -> dict[str, object]:
    return {
        "name": name,
        "when": when,
        "zone": zone,
        "catch_up": catch_up,
        "cool_down_s": cool_down_s,
        "at_most": at_most,
    }


def _add(
    fields: dict[str, object], specs: Sequence[Spec], store: str, signer: Signer | None, *, replace: bool
) -> Steps[ScheduleStatus]:
    arguments.flag(replace, "replace")
    if arguments.number(fields["cool_down_s"]) is None:
        raise InvalidArgument(f"cool_down_s must be seconds, got {short(fields['cool_down_s'])}")
    _refuse_specs(specs)
    ready: list[Spec] = yield from submission.anew(specs)
    now = yield clock.now()
    jobs = [spec.model_dump(mode="json") for spec in ready]
    document = {**fields, "jobs": jobs, "created_at": now}
    try:
        schedule = JobSchedule.model_validate(document)
    except ValidationError as error:
        raise InvalidJob(sentence(error, document, "a schedule", JobSchedule.model_fields)) from None
    if schedule.alarm:
        if (what := schedule.alarm[0]) not in alarms.OF_MODELS:
            raise InvalidJob(f"no alarm is called {short(what)}: expected one of {', '.join(alarms.OF_MODELS)}")
        refuse_answers(ready, store)
    while True:
        older, raw, state = yield from _read(schedule.name)
        # With another key it is signed anew, if it may be replaced.
        anew = replace and signer is not None and not (yield from _is_signed_by(schedule.name, signer))
        if (
            older
            and state
            and not anew
            and all(getattr(older, name) == getattr(schedule, name) for name in _DEFINITION)
        ):
            return status_of(older, state)
        if (raw or older) and not replace:
            added = (
                f"{older.when!r} of {older.created_at:%Y-%m-%d %H:%M} UTC"
                if older and state
                else "which cannot be read"
            )
            raise InvalidJob(
                f"there is a schedule {schedule.name!r} already, {added}: name this one otherwise, or replace it"
            )
        newest: list[Alarm] = yield alarms.newest(1)
        begins = begun(schedule, now, newest[-1].id if newest else "", state)
        changed: schedules.Changed = yield schedules.change(
            schedule.name, raw, begins, schedule=schedule, sign=partial(_signed, signer, schedule.name)
        )
        if changed.is_full:
            raise Unavailable(f"there are {schedules.MOST:,} schedules already: remove one first")
        if changed.was_first:
            return status_of(schedule, begins)


def _signed(signer: Signer | None, name: str, document: str) -> str:
    return signer.sign_document("schedule", name, document) if signer else document


def _is_signed_by(name: str, signer: Signer) -> Steps[bool]:
    document: bytes | None = yield schedules.document(name)
    return document is not None and signer.has_signed(document)


def _read(name: str) -> Steps[tuple[JobSchedule | None, bytes | None, ScheduleState | None]]:
    raw = yield schedules.state(name)
    document = yield schedules.document(name)
    return schedules.read_schedule(document), raw, schedules.read_state(raw)


def all_schedules() -> Steps[list[ScheduleStatus]]:
    """See `Client.schedules`."""
    documents: dict[str, bytes] = yield schedules.documents()
    states: dict[str, bytes] = yield schedules.states()
    read = [
        (schedules.read_schedule(documents[name]), schedules.read_state(states.get(name))) for name in sorted(documents)
    ]
    return [status_of(schedule, state) for schedule, state in read if schedule and state]


def _known(name: object) -> Steps[tuple[JobSchedule, bytes, ScheduleState]]:
    schedule, raw, state = yield from _read(arguments.text(name, "a schedule's name", 64))
    if schedule is None or raw is None or state is None:
        listed: list[ScheduleStatus] = yield from all_schedules()
        names = ", ".join(each.name for each in listed[:10]) or "none"
        raise InvalidArgument(f"there is no schedule {short(name)}; there are: {names}")
    return schedule, raw, state


def _change(name: str, *, pause: bool) -> Steps[ScheduleStatus]:
    while True:
        schedule, raw, state = yield from _known(name)
        if (state.paused is not None) == pause:
            return status_of(schedule, state)
        now = yield clock.now()
        if pause:
            becomes = state.model_copy(update={"paused": now})
        else:
            newest: list[Alarm] = yield alarms.newest(1)
            becomes = begun(schedule, now, newest[-1].id if newest else "", state)
        changed: schedules.Changed = yield schedules.change(name, raw, becomes)
        if changed.was_first:
            return status_of(schedule, becomes)


def _remove(name: str) -> Steps[ScheduleStatus]:
    while True:
        schedule, raw, state = yield from _known(name)
        changed: schedules.Changed = yield schedules.change(name, raw, None)
        if changed.was_first:
            return status_of(schedule, state)


def _refuse_specs(specs: Sequence[Spec]) -> None:
    """Refuse what makes no sense again and again."""
    if not 1 <= len(specs) <= MOST_JOBS:
        raise InvalidJob(f"a schedule starts 1 to {MOST_JOBS} jobs, and these are {len(specs)}")
    for number, spec in enumerate(specs):
        if spec.not_before is not None:
            raise InvalidJob(f"not_before of spec #{number} is over after the first start: leave it to the schedule")
        if ref := next((ref for ref in spec.after if not ref.startswith("#")), None):
            raise InvalidJob(f"after={short(ref)} of spec #{number} is a job of its own: name one of the list, as '#0'")
    submission.refuse_keys(specs)


def refuse_answers(specs: Iterable[Spec], store: str) -> None:
    """Refuse to train on what jobs have written into the store: it may be answers of a model, which are no labels.

    Raises:
        InvalidJob: a training's data are there.
    """
    place = store.removeprefix("file://").rstrip("/") + "/"
    for number, spec in enumerate(specs):
        for ref in _training_data(spec):
            if ref.removeprefix("file://").startswith(place):
                raise InvalidJob(
                    f"spec #{number} would train on {short(ref)}, which a job has written: on an alarm, a model "
                    "learns from labelled data alone, never from answers of a model; upload data with labels"
                )


def _training_data(spec: Spec) -> Iterator[str]:
    """The references of data from which a job learns."""
    trial = getattr(spec, "job", None)
    if isinstance(trial, JobSpec):
        yield from _training_data(trial)  # type: ignore[arg-type]  # the specs are the subclasses
    if spec.kind not in ("train", "tune"):
        return
    for name in _DATA_FIELDS:
        value = getattr(spec, name, None)
        for data in value if isinstance(value, tuple) else (value,):
            if isinstance(data, str | Data):
                yield data.ref if isinstance(data, Data) else data
