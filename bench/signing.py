"""Submitting signed jobs beside unsigned ones: one by one, a list of equal ones and a list of different ones.

No worker runs. Both clients take turns on one Redis, in alternating order, and short ones where jobs come one by one;
each round gives a ratio of rates, signed by unsigned, so that load that both meet falls out.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import redis

import stoker
from stoker.local.server import local_server
from stoker.security.key_files import write_pair
from stoker.settings import Settings

from .figures import Figures, write
from .options import parse

_ONE_BY_ONE, _EQUAL, _DIFFERENT = 300, 3000, 500
# So many jobs are submitted one by one before it is the other client's turn.
_TURN = 5
Submit = Callable[[stoker.Client], object]


def main() -> None:
    """Measure and write the figures down."""
    options = parse("signing", __doc__, rounds=15)
    share = 20 if options.quick else 1
    rounds: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="stoker-bench-") as folder, local_server(Path(folder)) as url:
        home = Path(folder)
        write_pair("bench", home / "bench.pem", home / "trusted", "all", None, {})
        plain = Settings(redis_url=url, home=home)
        signing = Settings(redis_url=url, home=home, signing_key=home / "bench.pem")
        with (
            redis.Redis.from_url(url) as server,
            stoker.Client(settings=plain) as unsigned,
            stoker.Client(settings=signing) as signed,
        ):
            for number in range(options.rounds):
                turns = [("unsigned", unsigned), ("signed", signed)]
                rounds.append(_round(dict(turns if number % 2 else turns[::-1]), _ways(share)))
                server.flushall()
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    print(medians)
    write("signing", {"rounds": rounds, "medians": medians}, options.results)


def table(figures: Mapping[str, Any]) -> str:
    """The figures as a table in Markdown: a row for each way to submit."""
    medians: Figures = figures["medians"]
    ways = [name.removesuffix(", ratio") for name in medians if name.endswith(", ratio")]
    rates = ("unsigned", "signed")
    lines = [
        "| submitted | unsigned, jobs/s | signed, jobs/s | ratio, median of the rounds |",
        "| --- | --- | --- | --- |",
    ]
    for way in ways:
        cells = [f"{medians[f'{way}, {which}/s']:,.0f}" for which in rates]
        lines.append(f"| {way} | {' | '.join(cells)} | {medians[f'{way}, ratio']:.2f} |")
    return "\n".join(lines)


def _round(clients: Mapping[str, stoker.Client], ways: Mapping[str, tuple[int, int, Submit]]) -> Figures:
    figures: Figures = {}
    for way, (turns, jobs, submit) in ways.items():
        taken = dict.fromkeys(clients, 0.0)
        for _ in range(turns):
            for name, client in clients.items():
                begun = time.perf_counter()
                submit(client)
                taken[name] += time.perf_counter() - begun
        figures |= {f"{way}, {name}/s": turns * jobs / seconds for name, seconds in taken.items()}
        figures[f"{way}, ratio"] = taken["unsigned"] / taken["signed"]
    return figures


def _ways(share: int) -> dict[str, tuple[int, int, Submit]]:
    """Ways to submit: each client's turns in a round, the jobs of a turn, and what submits them."""
    equal, different = [_spec(0)] * (_EQUAL // share), [_spec(seed) for seed in range(_DIFFERENT // share)]
    return {
        "one by one": (
            _ONE_BY_ONE // share // _TURN,
            _TURN,
            lambda client: [client.submit(equal[0]) for _ in range(_TURN)],
        ),
        "a list of equal jobs": (1, len(equal), lambda client: client.submit_many(equal)),
        "a list of different jobs": (1, len(different), lambda client: client.submit_many(different)),
    }


def _spec(seed: int) -> stoker.Train:
    return stoker.Train(model="digits", data="sample://digits", seed=seed, device="cpu")


if __name__ == "__main__":
    main()
