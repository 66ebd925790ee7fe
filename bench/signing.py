"""Submitting signed jobs beside unsigned ones: one by one, a list of equal ones and a list of different ones.

No worker runs. Both clients take turns on one Redis, in alternating order; each round gives a ratio of rates, signed by
unsigned, so that load that both meet falls out.
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
Submit = Callable[[stoker.Client], float]


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


def _round(clients: Mapping[str, stoker.Client], ways: Mapping[str, Submit]) -> Figures:
    figures: Figures = {}
    for way, submit in ways.items():
        rates = {name: submit(client) for name, client in clients.items()}
        figures |= {f"{way}, {name}/s": rate for name, rate in rates.items()}
        figures[f"{way}, ratio"] = rates["signed"] / rates["unsigned"]
    return figures


def _ways(share: int) -> dict[str, Submit]:
    """Ways to submit; each gives jobs a second."""
    different = [_spec(seed) for seed in range(_DIFFERENT // share)]

    def one_by_one(client: stoker.Client) -> float:
        spec, count = _spec(0), _ONE_BY_ONE // share
        return _rate(count, lambda: [client.submit(spec) for _ in range(count)])

    def equal(client: stoker.Client) -> float:
        specs = [_spec(0)] * (_EQUAL // share)
        return _rate(len(specs), lambda: client.submit_many(specs))

    def unlike(client: stoker.Client) -> float:
        return _rate(len(different), lambda: client.submit_many(different))

    return {"one by one": one_by_one, "a list of equal jobs": equal, "a list of different jobs": unlike}


def _rate(count: int, submit: Callable[[], object]) -> float:
    begun = time.perf_counter()
    submit()
    return count / (time.perf_counter() - begun)


def _spec(seed: int) -> stoker.Train:
    return stoker.Train(model="digits", data="sample://digits", seed=seed, device="cpu")


if __name__ == "__main__":
    main()
