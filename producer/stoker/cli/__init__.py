"""The `stoker` command. Exit status: 0 ok, 1 the job or check failed, 2 bad usage, 3 unreachable."""

import json
import os
import sys

import typer
from rich.console import Console

from ..errors import InvalidArgument, InvalidJob, InvalidSettings, StokerError, Unauthorized, Unavailable
from . import config, dead, doctor, fleet, jobs, models, services

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
services.add_to(app)
doctor.add_to(app)
jobs.add_to(app)
dead.add_to(app)
models.add_to(app)
fleet.add_to(app)
config.add_to(app)


def main() -> None:
    """Run the command and exit with its status; an error is one line on stderr, or a document under --json."""
    try:
        app()
    except StokerError as error:
        if "--json" in sys.argv:
            print(json.dumps({"error": type(error).__name__, "message": error.message}))
        Console(stderr=True, soft_wrap=True, highlight=False).print("[bold red]error:[/]", error.message)
        sys.exit(_status(error))
    except BrokenPipeError:
        # Whoever read our output (`| head`) has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _status(error: StokerError) -> int:
    match error:
        case InvalidArgument() | InvalidJob() | InvalidSettings():
            return 2
        case Unavailable() | Unauthorized():
            return 3
        case _:
            return 1
