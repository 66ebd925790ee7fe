"""`stoker demo`: the whole way once, on real data: train, evaluate, infer, each through the queue."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

import stoker
from stoker.cli.live import follow, show_result
from stoker.errors import StokerError
from stoker.local import LocalStack, local_url
from stoker.settings import Settings
from stoker.store import Store

from .engine.data.samples import load_sample

_MODEL, _DATA = "digits", "sample://digits"
_ROWS = 4
_SHADES = " ░▒▓█"
_WORKER_READY_S = 120.0


def main() -> int:
    """Run the demo; gives the exit status."""
    console, settings = Console(highlight=False), Settings()
    try:
        with _stack(settings, console), stoker.Client(settings=settings) as client:
            _await_worker(client, console)
            _train_and_evaluate(client, console)
            _infer(client, console)
    except KeyboardInterrupt:
        console.print("\nstopped")
        return 130
    except StokerError as error:
        console.print(f"[bold red]error:[/] {error.message}", soft_wrap=True)
        return 1
    console.print(Rule(style="dim"))
    console.print(
        f"All of it is kept under [bold]{settings.home}[/]; logs are in {settings.home / 'logs'}.", soft_wrap=True
    )
    console.print("Next: [bold]stoker up[/] in one terminal, and the README's twelve lines of Python in another.")
    return 0


@contextmanager
def _stack(settings: Settings, console: Console) -> Iterator[None]:
    if settings.redis_url or local_url(settings.home):
        console.print("Using the Stoker that runs already.")
        yield
        return
    console.print("Starting a Redis server and a CPU worker of its own …")
    with LocalStack(settings):
        yield
        console.print("Stopping worker and server …")


def _await_worker(client: stoker.Client, console: Console) -> None:
    deadline = time.monotonic() + _WORKER_READY_S
    with console.status("The worker is importing TensorFlow …"):
        while not client.workers():
            if time.monotonic() > deadline:
                raise stoker.Timeout(
                    f"no worker came up within {_WORKER_READY_S:g} s; see {client.settings.home}/logs/worker.log"
                )
            time.sleep(0.1)


def _train_and_evaluate(client: stoker.Client, console: Console) -> None:
    reference = stoker.Train(
        model=_MODEL, data=_DATA, architecture=stoker.MLP(hidden=(64, 32)), epochs=10, batch_size=32, seed=0
    )
    store = Store(client.settings.store)
    console.print(Rule("train: 64 relu, 32 relu, 10 softmax on scikit-learn's digits", align="left"))
    job = client.submit(reference)
    follow(job.events(), console)
    trained = job.result()
    assert isinstance(trained, stoker.TrainResult)
    show_result(trained, store, console)

    console.print(Rule("evaluate: on digits it has not seen", align="left"))
    job = client.submit(stoker.Evaluate(model=trained.model, data=_DATA))
    follow(job.events(), console)
    show_result(job.result(), store, console)


def _infer(client: stoker.Client, console: Console) -> None:
    console.print(Rule(f"infer: {_ROWS} of them", align="left"))
    batch = next(iter(load_sample(_MODEL, "test").batches(_ROWS)))
    probabilities = client.infer(_MODEL, batch["x"])
    panels = [
        _panel(image, int(truth), row) for image, truth, row in zip(batch["x"], batch["y"], probabilities, strict=True)
    ]
    console.print(Columns(panels))


def _panel(image: npt.NDArray[np.generic], truth: int, row: npt.NDArray[np.generic]) -> Panel:
    guess = int(np.argmax(row))
    told = Text.assemble(_picture(image), "\n", (f"{guess} ", "bold green" if guess == truth else "bold red"))
    told.append(f"{float(row[guess]):.1%}", style="dim")
    return Panel(told, title=f"a {truth}", expand=False, padding=0)


def _picture(image: npt.NDArray[np.generic]) -> Text:
    """An 8 × 8 image of pixels 0 … 16, two characters for each."""
    shades = np.rint(np.asarray(image, dtype=np.float64).reshape(8, 8) / 16 * (len(_SHADES) - 1)).astype(int)
    return Text("\n".join("".join(_SHADES[shade] * 2 for shade in line) for line in shades))


if __name__ == "__main__":
    sys.exit(main())
