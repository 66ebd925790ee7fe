"""What everything that `stoker up --secure` switches on costs a job: a training's way, and a model's first prediction.

Two stacks run, one as it comes and one secured; on each a table is uploaded. They take turns, in alternating order: a
client submits a training of the table, sees it start, and its first epoch end, which is when its data have been read;
it waits for the end, and asks the new version, which no slot has loaded, for a row, and then again and again: the
median of these is that of a warm one. Each round gives differences and ratios, secured by open, so that load that both
meet falls out of their medians.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import stoker
from stoker import events
from stoker.local import LocalStack
from stoker.security.securing import secure
from stoker.settings import Settings

from .figures import Figures, await_worker, write
from .options import parse

_ROWS = 2_000
_WARM = 200
_STEPS = ("submitted", "started", "first epoch", "ended", "cold prediction", "warm prediction")


def main() -> None:
    """Measure and write the figures down."""
    options = parse("secured", __doc__, rounds=15)
    rounds: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="stoker-bench-") as folder:
        homes = {name: Path(folder) / name for name in ("open", "secured")}
        secure(Settings(home=homes["secured"]))
        settings = {name: Settings(home=home, slots=1) for name, home in homes.items()}
        with LocalStack(settings["open"]), LocalStack(settings["secured"]):
            clients = {name: stoker.Client(settings=each) for name, each in settings.items()}
            data = {name: _uploaded(client) for name, client in clients.items()}
            for number in range(options.rounds + 1):
                turns = list(clients) if number % 2 else list(clients)[::-1]
                rounds.append(_compared({name: _ms(clients[name], data[name], number) for name in turns}))
            for client in clients.values():
                client.close()
    # In the first one each worker learns what a training is.
    medians = {name: statistics.median(each[name] for each in rounds[1:]) for name in rounds[0]}
    print(medians)
    write("secured", {"rounds": rounds[1:], "medians": medians}, options.results)


def table(figures: Mapping[str, Any]) -> str:
    """The figures as a table in Markdown: a row for each step."""
    medians: Figures = figures["medians"]
    lines = [
        "| from submit, or from the question | open, ms | secured, ms | more, ms | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for step in _STEPS:
        cells = [f"{medians[f'{step}, {which}']:,.1f}" for which in ("open", "secured", "more")]
        lines.append(f"| {step} | {' | '.join(cells)} | {medians[f'{step}, ratio']:.2f} |")
    return "\n".join(lines)


def _uploaded(client: stoker.Client) -> str:
    await_worker(client)
    chance = random.Random(0)
    rows = [{name: chance.random() for name in "abcdefgh"} | {"y": chance.choice(("no", "yes"))} for _ in range(_ROWS)]
    return client.upload(rows, name="table")


def _ms(client: stoker.Client, data: str, seed: int) -> Figures:
    """Milliseconds of one training and the predictions after it."""
    spec = stoker.Train(
        model="secured", data=data, target="y", architecture=stoker.MLP(hidden=(4,)), epochs=1, seed=seed, device="cpu"
    )
    begun, ms = time.perf_counter(), Figures()
    job = client.submit(spec)
    ms["submitted"] = _since(begun)
    for event in job.events():
        match event:
            case events.Started():
                ms["started"] = _since(begun)
            case events.Epoch():
                ms["first epoch"] = _since(begun)
    result = job.result()
    ms["ended"] = _since(begun)
    assert isinstance(result, stoker.TrainResult)
    ms["cold prediction"], *warm = (_prediction(client, result.model) for _ in range(1 + _WARM))
    ms["warm prediction"] = statistics.median(warm)
    return ms


def _prediction(client: stoker.Client, model: str) -> float:
    begun = time.perf_counter()
    client.predict(model, dict.fromkeys("abcdefgh", 0.5), timeout=120)
    return _since(begun)


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def _compared(ms: Mapping[str, Figures]) -> Figures:
    figures: Figures = {}
    for step in _STEPS:
        plain, secured = ms["open"][step], ms["secured"][step]
        figures |= {f"{step}, open": plain, f"{step}, secured": secured}
        figures |= {f"{step}, more": secured - plain, f"{step}, ratio": secured / plain}
    return figures


if __name__ == "__main__":
    main()
