"""Work in a process of its own: what crashes there is an error here, and what leaks is gone with it."""

import os
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from signal import SIGKILL, Signals
from typing import Any, Generic, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import to_json

from stoker.errors import InvalidJob, StokerError, Unavailable
from stoker.events import Log, read_event
from stoker.models.access import Unsafe
from stoker.outages import DependencyUnavailable, Outage, disk_outage, is_machine_fault

from ..memory import is_out_of_memory
from ..run import Lacking, Run, Stopped, StopRequest
from .strays import Strays, die_with

T = TypeVar("T")
_FORK = get_context("fork")
# Between two looks whether the job is to stop.
_LOOK_S = 0.2
# How long a process may take to end that was told to, or that has closed its pipe.
_END_S = 10.0
_LOOK_AT_END_S = 0.005
_LARGEST_ANSWER = 16 << 20
_WORDS: TypeAdapter[tuple[str, JsonValue]] = TypeAdapter(tuple[str, JsonValue])


class Crashed(Exception):
    """The process ended by itself, as a crash of native code ends it; how, is the message.

    Attributes:
        was_killed: by SIGKILL, as where memory is short, and not by what it did.
    """

    def __init__(self, message: str, *, was_killed: bool = False) -> None:
        super().__init__(message)
        self.was_killed = was_killed


class ConversionFailed(Exception):
    """A converter refused a model; why, is the message: one line."""


class Wire(Generic[T]):
    """How a process and the one that was forked from it talk: in Python's own objects."""

    def send(self, pipe: Connection, what: str, value: Any) -> None:
        """Send what has become of the work, or an event of it."""
        pipe.send((what, value))

    def receive(self, pipe: Connection) -> tuple[str, Any]:
        """What the other side has sent.

        Raises:
            Crashed: it is nothing that `send` sends.
        """
        what, value = pipe.recv()
        return what, value


@dataclass(frozen=True)
class Distrusted(Wire[T]):
    """The same for work on what nobody here has written: all that it sends is read as data.

    Attributes:
        answer: what the work gives, a pydantic model.
        confine: limits the process before it begins; takes the descriptor of the pipe, which stays, and gives what
            the kernel refuses, which the job's log then says.
    """

    answer: type[T]
    confine: Callable[[int], Sequence[str]]

    def send(self, pipe: Connection, what: str, value: Any) -> None:
        pipe.send_bytes(to_json((what, value)))

    def receive(self, pipe: Connection) -> tuple[str, Any]:
        raw = pipe.recv_bytes(_LARGEST_ANSWER)
        try:
            what, value = _WORDS.validate_json(raw)
            if what == "done":
                return what, TypeAdapter(self.answer).validate_json(to_json(value))
        except ValidationError as error:
            raise Crashed(f"gave no answer, but {len(raw):,} bytes of something else") from error
        return what, read_event(to_json(value)) if what == "event" else value


def apart(work: Callable[[Run], T], run: Run, wire: Wire[T] | None = None) -> T:
    """Do some work of a job in a forked process, and give what it gives.

    TensorFlow must not have computed anything in this process yet: forked copies of its threads would hang.

    Raises:
        Crashed: the process was killed, or ended without a word.
        ConversionFailed, StokerError, Stopped, MemoryError: as the work raises them.
        DependencyUnavailable: its disk is full or broken.
        Unavailable: its machine has a shortage.
        RuntimeError: for any other error of it, which the first line names.
    """
    ours, theirs = _FORK.Pipe()
    wire = wire or Wire()
    strays = Strays() if isinstance(wire, Distrusted) else None
    process = _FORK.Process(target=_main, args=(os.getpid(), theirs, work, run, wire))
    process.start()
    theirs.close()
    asked: StopRequest | None = None
    try:
        while True:
            if (wanted := run.stop_requested()) and wanted != asked:
                asked = wanted
                with suppress(ConnectionError):  # it has ended, and what it has given is still to be received
                    ours.send(wanted)
            if not ours.poll(_LOOK_S):
                continue
            try:
                what, value = wire.receive(ours)
            except (EOFError, OSError):
                if (code := _ended_with(process)) is None:
                    raise Crashed("closed its pipe, and went on") from None
                raise Crashed(_end_of(code), was_killed=code == -SIGKILL) from None
            if what != "event":
                given: T = _ended(what, value)
                return given
            run.emit(value)
    finally:
        process.kill()
        # One whose file system is away may be left: not even a kill ends it, and nobody waits for it.
        if _ended_with(process) is not None:
            process.close()
        if strays:
            strays.end()
        ours.close()


def _ended_with(process: ForkProcess) -> int | None:
    """How a process has ended; None if it has not within 10 seconds.

    `join` would wait for ever for one that has closed all its files, also with a limit: it takes that for an end.
    """
    deadline = time.monotonic() + _END_S
    while (code := process.exitcode) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_AT_END_S)
    return code


def _end_of(code: int) -> str:
    return f"was killed by {Signals(-code).name}" if code < 0 else f"exited with status {code}"


def _ended(what: str, value: Any) -> Any:
    """What the work has given, or raises what it has raised."""
    match what:
        case "done":
            return value
        case "failed":
            raise ConversionFailed(value)
        case "refused":
            raise InvalidJob(value)
        case "unsafe":
            raise Unsafe(value)
        case "lacking":
            raise Lacking(*value)
        case "stopped":
            raise Stopped(value)
        case "away":
            raise DependencyUnavailable(Outage.model_validate_json(value))
        case "unavailable":
            raise Unavailable(value)
        case "memory":
            raise MemoryError(value)
    raise RuntimeError(value)


def _main(parent: int, pipe: Connection, work: Callable[[Run], T], run: Run, wire: Wire[T]) -> None:
    die_with(parent)
    if isinstance(wire, Distrusted):
        for refusal in wire.confine(pipe.fileno()):
            wire.send(pipe, "event", Log(line=f"what this opens is held less tightly here: {refusal}"))
    asked: list[StopRequest] = []

    def stop_requested() -> StopRequest | None:
        while pipe.poll():
            asked.append(pipe.recv())
        return asked[-1] if asked else None

    run = replace(run, emit=lambda event: wire.send(pipe, "event", event), stop_requested=stop_requested)
    wire.send(pipe, *_outcome(work, run))


def _outcome(work: Callable[[Run], object], run: Run) -> tuple[str, Any]:
    try:
        return "done", work(run)
    except ConversionFailed as error:
        return "failed", str(error)
    except Stopped as stop:
        return "stopped", stop.reason
    except DependencyUnavailable as error:
        return "away", error.outage.model_dump_json()
    except Unavailable as error:
        return "unavailable", error.message
    except Lacking as error:
        return "lacking", (error.message, error.words)
    except Unsafe as error:
        return "unsafe", error.message
    except StokerError as error:
        return "refused", error.message
    # The process's edge: whatever else it raises is told, with the place where it was.
    except BaseException as error:  # noqa: BLE001
        if outage := disk_outage(error):
            return "away", outage.model_dump_json()
        if is_out_of_memory(error):
            return "memory", str(error)
        if is_machine_fault(error):
            return "unavailable", f"the worker's machine failed it: {error}"
        return "error", f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
