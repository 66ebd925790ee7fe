"""`stoker functions`: what live workers allow, as they announce it; no worker has to run for that."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from stoker.ledger import presence
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import commands
from .conftest import CPU, attend


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(redis_url=redis_url), redis_url)
    yield connection
    connection.close()


def listed(redis_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    told = commands.run("functions", *arguments, env={"STOKER_REDIS_URL": redis_url})
    assert told.returncode == 0, told.stderr
    return told


def named(name: str, device: str, *offers: str) -> presence.Worker:
    return CPU.model_copy(update={"name": name, "device": device, "offers": offers})


def test_each_function_is_listed_once_with_the_workers_that_allow_it(connection: Connection, redis_url: str) -> None:
    attend(connection, named("gpu-1@b", "gpu", "function:shop.jobs:*", "module:shop.layers"))
    attend(connection, named("cpu-2@a", "cpu", "function:shop.jobs:*", "function:shop.clean:tidy"))
    attend(connection, named("cpu-1@a", "cpu", "label:image=shop-1.4", "function:shop.jobs:*"))
    attend(connection, named("cpu-3@a", "cpu"))

    header, *lines = listed(redis_url).stdout.splitlines()

    assert header.split() == ["function", "on", "workers"]
    assert [" ".join(line.split()) for line in lines] == [
        "shop.clean:tidy 1 cpu cpu-2@a",
        "shop.jobs:* 2 cpu, 1 gpu cpu-1@a, cpu-2@a, gpu-1@b",
    ]
    assert json.loads(listed(redis_url, "--json").stdout) == [
        {"function": "shop.clean:tidy", "workers": {"cpu": ["cpu-2@a"]}},
        {"function": "shop.jobs:*", "workers": {"cpu": ["cpu-1@a", "cpu-2@a"], "gpu": ["gpu-1@b"]}},
    ]


def test_where_none_is_allowed_it_says_how_to_allow_one(connection: Connection, redis_url: str) -> None:
    assert "no worker runs" in listed(redis_url).stdout
    attend(connection, named("cpu-1@a", "cpu", "module:shop.layers"))
    assert "STOKER_FUNCTIONS='shop.jobs:*' stoker worker" in listed(redis_url).stdout
    assert listed(redis_url, "--json").stdout == "[]\n"


def test_its_help_tells_what_a_star_means_and_what_to_set() -> None:
    told = commands.run("functions", "--help").stdout
    for part in ("every function that is written in the module", 'functions = ["shop.jobs:*"]', "stoker.Run("):
        assert part in " ".join(told.replace("│", "").split())
