"""`stoker demo`: the whole way once, on real data: train, evaluate, infer, each through the queue."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.rule import Rule

import stoker
from stoker.cli.live import follow, show_result
from stoker.cli.output import accept_any_encoding, console, draw, line, say
from stoker.local import LocalStack, local_url
from stoker.models.store import Store
from stoker.settings import Settings
from stoker.terminal import exits

from .ml.data.samples import load_sample

_MODEL, _DATA = "digits", "sample://digits"
_ROWS = 4
_SHADES = " ░▒▓█"
_WORKER_READY_S = 120.0


def main() -> int:
    """Run the demo; gives the exit status."""
    accept_any_encoding()
    try:
        return exits.status(lambda: _run(Settings()))
    except KeyboardInterrupt:
        say()
        say("stopped")
        return 130


def _run(settings: Settings) -> int:
    with _stack(settings), stoker.Client(settings=settings) as client:
        _await_worker(client)
        _train_and_evaluate(client)
        _infer(client)
    draw(Rule(style="dim"))
    say("All of it is kept under ", (str(settings.home), "bold"), f"; logs are in {settings.home / 'logs'}.")
    say("Next: its console shows all of this in your browser, by the link that this command prints:")
    say("  ", (_command("up"), "bold"))
    say("The first hour, a page of its documentation, goes on from there with a table of your own.")
    return 0


def _command(what: str) -> str:
    """A command of `stoker` as a shell finds it that has not this environment's programs."""
    beside = Path(sys.executable).with_name("stoker")
    is_found = shutil.which("stoker") is not None or not beside.exists()
    return f"stoker {what}" if is_found else f"{_short(beside)} {what}"


def _short(path: Path) -> str:
    """A path from here, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


@contextmanager
def _stack(settings: Settings) -> Iterator[None]:
    if settings.redis_url or local_url(settings.home):
        say("Using the Stoker that runs already.")
        yield
        return
    say("Starting a Redis server and a CPU worker of its own …")
    with LocalStack(settings):
        yield
        say("Stopping worker and server …")


def _await_worker(client: stoker.Client) -> None:
    deadline = time.monotonic() + _WORKER_READY_S
    with console().status("The worker is importing TensorFlow …"):
        while not client.workers():
            if time.monotonic() > deadline:
                raise stoker.Timeout(
                    f"no worker came up within {_WORKER_READY_S:g} s; see {client.settings.home}/logs/worker.log"
                )
            time.sleep(0.1)


def _train_and_evaluate(client: stoker.Client) -> None:
    reference = stoker.Train(
        model=_MODEL, data=_DATA, architecture=stoker.MLP(hidden=(64, 32)), epochs=10, batch_size=32, seed=0
    )
    store = Store(client.settings.store_place)
    draw(Rule("train: 64 relu, 32 relu, 10 softmax on scikit-learn's digits", align="left"))
    job = client.submit(reference)
    follow(job.events(), console())
    trained = job.result()
    show_result(trained, store)

    draw(Rule("evaluate: on digits it has not seen", align="left"))
    evaluation = client.submit(stoker.Evaluate(model=trained.model, data=_DATA))
    follow(evaluation.events(), console())
    show_result(evaluation.result(), store)


def _infer(client: stoker.Client) -> None:
    draw(Rule(f"infer: {_ROWS} of them", align="left"))
    batch = next(iter(load_sample(_MODEL, "test").batches(_ROWS)))
    probabilities = client.infer(_MODEL, batch["x"])
    panels = [
        _panel(image, int(truth), row) for image, truth, row in zip(batch["x"], batch["y"], probabilities, strict=True)
    ]
    console().print(Columns(panels))


def _panel(image: npt.NDArray[np.generic], truth: int, row: npt.NDArray[np.generic]) -> Panel:
    guess = int(np.argmax(row))
    answer = line((f"{guess} ", "bold green" if guess == truth else "bold red"), (f"{float(row[guess]):.1%}", "dim"))
    return Panel(Group(*_picture(image), answer), title=f"a {truth}", expand=False, padding=0)


def _picture(image: npt.NDArray[np.generic]) -> list[str]:
    """An 8 × 8 image of pixels 0 … 16, two characters for each."""
    shades = np.rint(np.asarray(image, dtype=np.float64).reshape(8, 8) / 16 * (len(_SHADES) - 1)).astype(int)
    return ["".join(_SHADES[shade] * 2 for shade in row) for row in shades]


if __name__ == "__main__":
    sys.exit(main())
