"""The runner: a process forked for one job. It executes, and sends its slot messages over a pipe; it knows no Redis."""

import logging
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic_core import PydanticSerializationError

from stoker.errors import InvalidJob, StokerError, Unavailable
from stoker.events import Event, Log
from stoker.kinds import Spec
from stoker.models.access import Unsafe
from stoker.models.uploads import by_reference
from stoker.outages import Dependency, DependencyUnavailable, Outage, disk_outage, is_machine_fault

from ..kinds import execute
from ..ml import accelerator
from ..ml.memory import is_out_of_memory, wanted
from ..ml.run import Children, Lacking, Outcome, Run, Stopped, StopRequest, Wait
from .lines import Lines, as_events
from .messages import (
    MESSAGE,
    Asked,
    Away,
    Blocked,
    Done,
    Drew,
    Emitted,
    End,
    Failed,
    Halted,
    Lacks,
    Lost,
    Note,
    OutOfMemory,
    PlanHelps,
    Waits,
)
from .process import ForkedProcess
from .scratch import held_bytes

_READ_BYTES = 65_536
# The ledger keeps thousands of a job.
_LARGEST_EVENT = 65_536
# How long a job's last words are waited for when it has ended: something that it has started may never fall silent.
_LAST_WORDS_S = 1.0
_SILENCE_S = 0.1
# Whose logs of level INFO are of their inner workings, and not of the job.
_LIBRARIES = (
    "absl", "aiobotocore", "asyncio", "botocore", "fsspec", "h5py", "httpx", "keras", "matplotlib", "onnxruntime",
    "s3fs", "stoker", "stoker_workers", "tensorflow", "tf2onnx", "urllib3",
)  # fmt: skip


class Runner:
    """The slot's side of a runner; leaving its context ends the process.

    Raises:
        DependencyUnavailable: there is no room for the folder that it works in.
    """

    def __init__(self, spec: Spec, prepared: Run) -> None:
        self._output, writable = os.pipe()
        try:
            self._process = ForkedProcess(_run, (spec, prepared), output=writable)
        except BaseException:
            os.close(self._output)
            raise
        finally:
            os.close(writable)
        self._lines = Lines()
        self._output_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.close()
        os.close(self._output)

    def stop(self, reason: StopRequest) -> None:
        """Ask the job to stop at its next step; one that has just ended no longer listens."""
        try:
            self._process.pipe.send_bytes(reason.encode())
        except ConnectionError:
            return

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def receive(self, wait_s: float) -> Iterator[Note | End]:
        """The job's messages since, waiting up to `wait_s` for the first of it; an `End` comes last."""
        sources: list[Any] = [self._process.pipe, *([self._output] if self._output_open else [])]
        ready = wait(sources, wait_s)
        if self._output in ready:
            yield from self._read_output()
        message = self._next_message(is_ready=self._process.pipe in ready)
        if message is None:
            return
        if not isinstance(message, Note):
            yield from self._rest_of_output()
        yield message

    def _next_message(self, *, is_ready: bool) -> Note | End | None:
        if not is_ready:
            # Asked in this order, for the last message may have come meanwhile.
            if not self._process.has_ended() or self._process.pipe.poll():
                return None
            return Lost(reason=f"its process {self._process.join()}")
        try:
            return MESSAGE.validate_json(self._process.pipe.recv_bytes())
        except (EOFError, OSError):  # killed between two messages, within one, or with a stop request unread
            return Lost(reason=f"its process {self._process.join()}")

    def _read_output(self) -> Iterator[Emitted]:
        data = os.read(self._output, _READ_BYTES)
        self._output_open = bool(data)
        yield from as_events(self._lines.feed(data) if data else self._lines.rest())

    def _rest_of_output(self) -> Iterator[Emitted]:
        deadline = time.monotonic() + _LAST_WORDS_S
        while self._output_open and time.monotonic() < deadline and wait([self._output], _SILENCE_S):
            yield from self._read_output()
        # Of a process that takes long to end, or goes on.
        yield from as_events(self._lines.rest())


def _run(pipe: Connection, job: tuple[Spec, Run]) -> None:
    """The runner's whole life."""
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
        # TensorFlow brings one of its own when it is imported by a process without any: a line would come twice.
        logging.getLogger(library).handlers.clear()
    requests: list[StopRequest] = []
    runner = os.getpid()

    def stop_requested() -> StopRequest | None:
        # What a copy of this process read would be lost to the job.
        while os.getpid() == runner and pipe.poll():
            requests.append("cancel" if pipe.recv_bytes() == b"cancel" else "drain")
        return requests[-1] if requests else None

    def emit(event: Event) -> None:
        if os.getpid() != runner:
            raise InvalidJob(
                "a process that the job's code has forked cannot report for the job, for the messages of both would "
                "mix: give it to the first process, by a queue"
            )
        pipe.send_bytes(_encoded(event))

    def blocked(outage: Outage | None) -> None:
        _send(pipe, Blocked(outage=outage))

    def drew(batch: bytes) -> None:
        _send(pipe, Drew(batch=batch))

    def plan_helps() -> None:
        _send(pipe, PlanHelps())

    spec, prepared = job
    scratch = Path(tempfile.mkdtemp())
    run = replace(
        prepared,
        scratch=scratch,
        emit=emit,
        blocked=blocked,
        drew=drew,
        plan_helps=plan_helps,
        stop_requested=stop_requested,
    )

    def work() -> Outcome:
        accelerator.require(run.device)
        return execute(spec, run)

    end = own_doing(end_of(work))
    if os.getpid() != runner:
        # A copy that the job's code has forked, and that has come back like the job itself, which goes on.
        sys.stderr.write(f"a forked process of the job has ended: {getattr(end, 'reason', 'it returned')}\n")
        os._exit(1)
    try:
        _send(pipe, end)
    except PydanticSerializationError as error:
        # Such as a class's name that is no valid Unicode.
        _send(pipe, Failed(reason=f"what the job has made cannot be written down: {error}", traceback=""))
    if isinstance(end, Away) and run.gang:
        # The others notice when this process ends; why, they must be able to learn before.
        with suppress(EOFError):
            while True:
                pipe.recv_bytes()


def end_of(work: Callable[[], Outcome]) -> End:
    """How a piece of work ends: what it raises is the job's failure, an outage, or the loss of a worker."""
    try:
        outcome = work()
    except Stopped as stop:
        return Halted(reason=stop.reason)
    except Children as children:
        return Asked(children=children.specs, each=children.each, halving=children.halving)
    except Wait as wait_:
        return Waits(why=wait_.why, seconds=wait_.seconds, keep=wait_.keep)
    except DependencyUnavailable as error:
        return Away(outage=error.outage)
    except Unavailable as error:
        return Lost(reason=error.message)
    except Lacking as error:
        return Lacks(words=error.words)
    except StokerError as error:
        is_unsafe = isinstance(error, Unsafe)
        return Failed(reason=by_reference(error.message), traceback=traceback.format_exc(), is_unsafe=is_unsafe)
    except SystemExit as error:
        reason = f"the job's code called sys.exit({error.code!r}); have it raise an error, or return a model"
        return Failed(reason=reason, traceback=traceback.format_exc())
    # The process's edge: what a job's code raises is the job's own failure. Signals raise nothing here.
    except BaseException as error:  # noqa: BLE001
        if outage := disk_outage(error):
            return Away(outage=outage)
        if is_out_of_memory(error):
            return OutOfMemory(reason=f"it ran out of memory: it wanted {wanted(error)}")
        if is_machine_fault(error):
            return Lost(reason=f"the worker's machine failed it: {error}")
        return _failed(error)
    return Done(result=outcome.result, effects=outcome.effects)


def own_doing(end: End) -> End:
    """An outage of the disk as the job's failure, if its own temporary files are most of what that disk can hold.

    It is for a process whose temporary folder is its own. Another attempt would fill that disk again.
    """
    if not isinstance(end, Away) or end.outage.of != Dependency.DISK:
        return end
    folder = tempfile.gettempdir()
    held, total = held_bytes(folder), shutil.disk_usage(folder).total
    if held <= total // 2:
        return end
    reason = f"filled the disk of its machine by itself: {held:,} bytes of its temporary files are on one of {total:,}"
    return Failed(reason=f"{reason}; give it less data, or its workers a larger disk for TMPDIR", traceback="")


def _failed(error: BaseException) -> Failed:
    first = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
    return Failed(reason=f"{type(error).__name__}: {first}", traceback=traceback.format_exc())


def _encoded(event: Event) -> bytes:
    """The message of an event; of one that is too large for the ledger, a warning that it was left out."""
    message = Emitted(event=event).model_dump_json().encode()
    if len(message) <= _LARGEST_EVENT:
        return message
    line = f"an event of the type {event.type} is left out: it is {len(message):,} bytes, and may be {_LARGEST_EVENT:,}"
    return Emitted(event=Log(line=line, level="warning")).model_dump_json().encode()


def _send(pipe: Connection, message: Note | End) -> None:
    pipe.send_bytes(message.model_dump_json().encode())
