"""The `stoker` command. Exit status: 0 ok, 1 the job or check failed, 2 bad usage, 3 unreachable."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, cast

import typer

from ..errors import StokerError
from ..terminal.exits import lines_of, status_of
from ..version import VERSION
from . import (
    acting,
    alarms,
    approving,
    audit,
    backing,
    best,
    config,
    dead,
    describe,
    doctor,
    explain,
    feedback,
    files,
    fleet,
    functions,
    gateway,
    infer,
    jobs,
    keys,
    logs,
    predict,
    retrying,
    schedule,
    services,
    show,
    usage,
    webhooks,
)
from .output import accept_any_encoding, print_json, say, say_error

# Typer's error for arguments that it cannot parse; it exports only a subclass.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])

# The commands, by the panel in which the help lists them.
_PANELS: dict[str, tuple[Callable[..., None] | typer.Typer, ...]] = {
    "Running Stoker": (
        *(services.demo, services.up, services.worker, services.controller, gateway.gateway, services.flower),
        *(doctor.doctor, backing.backup, backing.restore, fleet.fleet, config.config, keys.keys),
    ),
    "Jobs": (
        *(
            jobs.submit,
            jobs.jobs,
            show.show,
            jobs.watch,
            logs.logs,
            jobs.result,
            acting.cancel,
            describe.describe,
            dead.dead,
        ),
        *(acting.pause, acting.resume, acting.resubmit, retrying.retry, approving.approve),
        *(functions.functions, schedule.schedule, usage.usage, webhooks.webhooks),
    ),
    "Predictions": (predict.predict, explain.explain, infer.infer, feedback.feedback),
    "Models and files": (best.models, alarms.alarms, files.files),
    "Security": (audit.audit,),
}

app = typer.Typer(
    name="stoker",
    help="Hand off machine-learning jobs, and carry on: train, evaluate and infer TensorFlow/Keras models "
    "on Celery and Redis.",
    epilog="Start with `stoker demo`. Settings come from arguments, STOKER_… variables and stoker.toml: "
    "`stoker config` shows them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in _PANELS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=panel)
        else:
            app.command(rich_help_panel=panel)(command)


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"stoker {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version, and exit.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    """What may stand before any command."""


def main() -> None:
    """Run the command and exit with its status; an error is one line on stderr, or a document under --json."""
    accept_any_encoding()
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # The reader of our output (`| head`) has closed it; typer turns that into a SystemExit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 0
    except (StokerError, OSError) as error:
        status = _fail(error, lines_of(error), status_of(error))
    except _UsageError as error:
        message = error.format_message()
        # Without a message, typer has printed the help.
        status = _fail(error, [f"{message}; see `stoker --help`"], 2) if message else 2
    sys.exit(status)


def _fail(error: Exception, lines: Sequence[str], status: int) -> int:
    if "--json" in sys.argv:
        message = error.message if isinstance(error, StokerError) else "\n".join(lines)
        print_json({"error": type(error).__name__, "message": message})
    for line in lines:
        say_error(line)
    return status
