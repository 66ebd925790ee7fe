"""`python -m stoker_workers.observe.flower`: Flower with a login, a history, and all of Stoker's queues."""

import argparse
import copy
import os
import secrets
import sys
from pathlib import Path

from celery import states
from celery.events.state import Task
from flower.app import Flower
from flower.command import apply_env_options
from flower.views import BaseHandler
from flower.views.monitor import Metrics
from flower.views.tasks import TaskView
from tornado.options import options, parse_config_file
from tornado.web import authenticated

from stoker.errors import InvalidSettings
from stoker.fleet.topology import queues
from stoker.local import redis_url_of
from stoker.local.server import make_private
from stoker.redis.celery_app import celery_app
from stoker.settings import Settings
from stoker.terminal import exits
from stoker.urls import tls_options

USER = "stoker"
# config/flowerconfig.py explains each of them.
DEFAULTS = {
    "address": "127.0.0.1",
    "persistent": True,
    "state_save_interval": 60_000,
    "max_tasks": 20_000,
    "purge_offline_workers": 300,
    "tasks_columns": "name,args,state,result,runtime,worker,received,uuid",
    "natural_time": True,
}


def main() -> None:
    """Run Flower until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m stoker_workers.observe.flower", description=__doc__)
    parser.add_argument("--address")
    parser.add_argument("--port", type=int)
    parser.add_argument("--config", type=Path, help="a file like config/flowerconfig.py")
    parser.add_argument("--password-file", type=Path)
    arguments = parser.parse_args()
    settings = Settings()
    settings.log("flower").begin()
    # Private, because Flower stores its history as a pickle.
    home = settings.home / "flower"
    make_private(home)
    _configure(arguments.config, {"db": str(home / "state"), "port": settings.flower_port, **DEFAULTS})
    for name in ("address", "port"):
        if (value := getattr(arguments, name)) is not None:
            setattr(options, name, value)
    if not (options.basic_auth or options.auth):
        options.basic_auth = [f"{USER}:{_password(arguments.password_file, home)}"]
    options.logging = settings.log_level
    _adapt_flower()
    url = redis_url_of(settings)
    app = celery_app(settings, url)
    # Flower's page of queues ignores the TLS options of the URL.
    app.conf.broker_use_ssl = tls_options(url) or False
    # Else Flower would read its file again, and a file that says so would remove the login.
    app.start(["flower", f"--conf={os.devnull}"])


def _adapt_flower() -> None:
    """Change behaviour that Flower has no options for."""
    # Its metrics name workers and tasks, and are public by default.
    Metrics.get = authenticated(Metrics.get)
    # By default it hides queues without a worker, the ones that matter most.
    BaseHandler.get_active_queue_names = lambda _: sorted(queues())
    # PROGRESS comes after STARTED and before the final states; unknown, it would outlast a job that was cancelled.
    states.PRECEDENCE_LOOKUP["PROGRESS"] = states.PRECEDENCE_LOOKUP[states.STARTED] - 0.5
    # A task in a state that Flower does not know has no button to end it.
    TaskView.format_task = _as_started
    Flower.start = _start_and_exit


_start = Flower.start


def _start_and_exit(flower: Flower) -> None:
    """Run Flower, and exit without waiting for its threads: one that waits for Redis may never end."""
    try:
        _start(flower)
    except (KeyboardInterrupt, SystemExit):
        flower.stop()
        os._exit(0)


def _as_started(_page: TaskView, task: Task) -> Task:
    shown = copy.copy(task)
    if shown.state == "PROGRESS":
        shown.state = "STARTED"
    return shown


def _configure(config: Path | None, defaults: dict[str, object]) -> None:
    """Set Flower's options: defaults, then FLOWER_… variables, then the file."""
    for name, value in defaults.items():
        setattr(options, name, value)
    apply_env_options()
    if config:
        try:
            parse_config_file(str(config), final=False)
        except OSError as error:
            raise InvalidSettings(f"Flower's settings cannot be read: {error}; check --config") from error


def _password(given: Path | None, home: Path) -> str:
    """The password in the given file, or in our own, which is made at the first start, and shown on a terminal."""
    path = given or home / "password"
    if given is None and not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(18) + "\n")
        # A log would keep it.
        shown = f" {path.read_text().strip()}; it stays" if sys.stdout.isatty() else ""
        print(f"Flower's user is {USER}, its password{shown} in {path}.", flush=True)
    try:
        password = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidSettings(f"Flower's password cannot be read: {error}; check --password-file") from error
    if not password:
        raise InvalidSettings(f"{path} is empty: write a password into it, or delete it to have one made")
    return password


if __name__ == "__main__":
    sys.exit(exits.status(main))
