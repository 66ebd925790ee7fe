"""Work in a process of its own: what crashes there is an error here, and what leaks is gone with it."""

import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from signal import Signals
from typing import Any, TypeVar

from stoker.errors import InvalidJob, StokerError, Unavailable
from stoker.outages import DependencyUnavailable, Outage, disk_outage, is_machine_fault

from ..memory import is_out_of_memory
from ..run import Lacking, Run, Stopped, StopRequest

T = TypeVar("T")
_FORK = get_context("fork")
# Between two looks whether the job is to stop.
_LOOK_S = 0.2


class Crashed(Exception):
    """The process ended by itself, as a crash of native code ends it; how, is the message."""


class ConversionFailed(Exception):
    """A converter refused a model; why, is the message: one line."""


def apart(work: Callable[[Run], T], run: Run) -> T:
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
    process = _FORK.Process(target=_main, args=(theirs, work, run))
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
                what, value = ours.recv()
            except (EOFError, ConnectionError):
                process.join()
                raise Crashed(_end_of(process.exitcode or 0)) from None
            if what != "event":
                given: T = _ended(what, value)
                return given
            run.emit(value)
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


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


def _main(pipe: Connection, work: Callable[[Run], object], run: Run) -> None:
    asked: list[StopRequest] = []

    def stop_requested() -> StopRequest | None:
        while pipe.poll():
            asked.append(pipe.recv())
        return asked[-1] if asked else None

    run = replace(run, emit=lambda event: pipe.send(("event", event)), stop_requested=stop_requested)
    pipe.send(_outcome(work, run))


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
