"""`python -m stoker.gateway`: a gateway as `stoker up` starts it, told by a pipe where people come in."""

import argparse
import os
import sys

from ..settings import Settings
from ..terminal import exits
from .auth.sessions import LoginLink
from .console.page import ROOT
from .serve import begin_log, keys_of, server_of


def main() -> int:
    """Run a gateway with the settings of the environment, until SIGTERM; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m stoker.gateway", description=__doc__)
    parser.add_argument("--tell", type=int, required=True, help="the pipe for the path of the console, once it listens")
    arguments = parser.parse_args()
    return exits.status(lambda: _run(Settings(), arguments.tell))


def _run(settings: Settings, pipe: int) -> None:
    begin_log(settings)
    ring, made = keys_of(settings)
    link = LoginLink(made.key) if made else None

    def listens() -> None:
        # Not by its log, which would keep the link.
        with os.fdopen(pipe, "w") as reader:
            reader.write(f"{link.path if link else ROOT}\n")

    server_of(settings, ring, link, listens).run()


if __name__ == "__main__":
    sys.exit(main())
