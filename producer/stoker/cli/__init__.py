"""The `stoker` command. Exit status: 0 ok, 1 the job or check failed, 2 bad usage, 3 unreachable."""

import os
import sys
from typing import cast

import typer

from ..errors import InvalidArgument, InvalidJob, InvalidSettings, StokerError, Unauthorized, Unavailable
from . import config, dead, doctor, fleet, jobs, models, services
from .output import accept_any_encoding, print_json, say_error

# What typer raises for words that it cannot read; it publishes the narrower class alone.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])

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
    accept_any_encoding()
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # Whoever reads our output (`| head`) has had enough; typer answers that with an exit of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 0
    except StokerError as error:
        status = _fail(error, error.message, _status(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        status = _fail(error, f"{where}{error.strerror or error}", 1)
    except _UsageError as error:
        message = error.format_message()
        # Without one, the help was asked for, and is printed.
        status = _fail(error, f"{message}; see `stoker --help`", 2) if message else 2
    sys.exit(status)


def _fail(error: Exception, message: str, status: int) -> int:
    if "--json" in sys.argv:
        print_json({"error": type(error).__name__, "message": message})
    # Of settings, each line is a problem; elsewhere a line break is foreign text.
    for text in message.split("\n") if isinstance(error, InvalidSettings) else [message]:
        say_error(text)
    return status


def _status(error: StokerError) -> int:
    match error:
        case InvalidArgument() | InvalidJob() | InvalidSettings():
            return 2
        case Unavailable() | Unauthorized():
            return 3
        case _:
            return 1
