"""What Prometheus finds at a real controller after real jobs, and the files in config/ that rely on it."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import promql_parser
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

import stoker
from stoker.local import redis_url_of
from stoker.local.server import local_server
from stoker.settings import Settings

from ..conftest import Eventually

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "config" / "grafana" / "stoker.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "config/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
# Of Prometheus itself, and of redis_exporter.
OTHERS = {"up", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_evicted_keys_total"}

Scrape = Callable[[], dict[str, Metric]]


@contextmanager
def controller(settings: Settings, url: str) -> Iterator[Scrape]:
    """A controller that serves metrics; gives what fetches them."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    variables = settings.environment() | {"STOKER_REDIS_URL": url, "STOKER_METRICS_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "stoker_workers.controller"], env=os.environ | variables)

    def scrape() -> dict[str, Metric]:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        return {family.name: family for family in text_string_to_metric_families(text)}

    try:
        yield scrape
    finally:
        process.terminate()
        assert process.wait(30) == 0


def answers(scrape: Scrape) -> bool:
    try:
        return bool(scrape())
    except OSError:
        return False


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    [found] = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return found


@pytest.fixture(scope="module")
def scraped(stack: Settings) -> dict[str, Metric]:
    """After a training, a job that failed, one that was cancelled, and a prediction."""
    with stoker.Client(settings=stack) as client, controller(stack, redis_url_of(stack)) as scrape:
        train = stoker.Train(model="scraped", data="sample://iris", epochs=1)
        client.submit(train).result(timeout=90)
        with pytest.raises(stoker.JobFailed):
            client.submit(train.model_copy(update={"timeout": 0.001})).result(timeout=90)
        client.submit(train.model_copy(update={"device": "tpu"})).cancel()
        client.infer("scraped", [[5.1, 3.5, 1.4, 0.2]] * 3)
        return scrape()


def test_jobs_waits_attempts_and_requests_are_there(scraped: dict[str, Metric]) -> None:
    assert value(scraped, "stoker_up") == 1
    assert value(scraped, "stoker_leader_present") == 1
    assert value(scraped, "stoker_workers", device="cpu") == 1
    assert value(scraped, "stoker_slots", device="cpu") == 2
    for state in ("SUCCEEDED", "FAILED", "CANCELLED"):
        assert value(scraped, "stoker_jobs_finished_total", kind="train", state=state) >= 1
        assert value(scraped, "stoker_jobs", kind="train", state=state) >= 1
    assert value(scraped, "stoker_job_wait_seconds_count", queue="cpu.train") >= 2
    assert value(scraped, "stoker_attempt_seconds_count", kind="train", how="SUCCEEDED") >= 1
    assert value(scraped, "stoker_attempt_seconds_sum", kind="train", how="SUCCEEDED") > 0.1
    assert value(scraped, "stoker_lane_batch_requests_count") >= 1


def test_the_guide_lists_exactly_these_metrics(scraped: dict[str, Metric]) -> None:
    guide = (ROOT / "docs" / "metrics.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in guide.splitlines() if line.startswith("| `")]
    found = [
        [
            f"`{name}_total`" if family.type == "counter" else f"`{name}`",
            family.type,
            ", ".join(sorted({label for sample in family.samples for label in sample.labels} - {"le"})),
            family.documentation,
        ]
        for name, family in scraped.items()
    ]
    assert sorted(rows) == sorted(found)


@pytest.mark.parametrize(
    "expression",
    [rule["expr"] for rule in ALERTS] + [target["expr"] for panel in PANELS for target in panel["targets"]],
)
def test_dashboard_and_alerts_ask_for_what_is_there(scraped: dict[str, Metric], expression: str) -> None:
    labels = {sample.name: set(sample.labels) for family in scraped.values() for sample in family.samples}
    metrics, grouped_by = asked_for(expression)
    assert metrics
    for name, matched in metrics:
        assert name in labels or name in OTHERS, f"{name} is not among the metrics"
        assert matched <= labels.get(name, set())
    assert grouped_by <= set().union(*labels.values())


def test_while_redis_is_away_a_scrape_says_so_and_nothing_else(tmp_path: Path, eventually: Eventually) -> None:
    settings = Settings(home=tmp_path / "home", connect_timeout_s=1)
    server = ExitStack()
    with controller(settings, server.enter_context(local_server(tmp_path / "redis"))) as scrape:
        eventually(lambda: answers(scrape))
        assert value(scrape(), "stoker_up") == 1
        server.close()
        assert {name: value(scrape(), name) for name in scrape()} == {"stoker_up": 0}
        with local_server(tmp_path / "redis"):
            eventually(lambda: value(scrape(), "stoker_up") == 1)


def test_a_port_that_is_taken_is_named(tmp_path: Path, redis_url: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "stoker_workers.controller"],
            env=os.environ | {"STOKER_REDIS_URL": redis_url, "STOKER_METRICS_PORT": port},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 1
    assert f"metrics cannot be served on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert DASHBOARD["schemaVersion"] >= 36
    assert DASHBOARD["uid"] == "stoker"
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for panel in PANELS:
        assert panel["title"]
        assert panel["targets"]
        assert {f"${{{name}}}" for name in variables} == {panel["datasource"]["uid"]}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_prometheus_reads_these_alerts() -> None:
    settings: dict[str, Any] = yaml.safe_load((ROOT / "config" / "prometheus" / "prometheus.yml").read_text())
    for name in settings["rule_files"]:
        assert (ROOT / "config" / "prometheus" / name).is_file()


def asked_for(expression: str) -> tuple[list[tuple[str, set[str]]], set[str]]:
    """The metrics that an expression selects, each with the labels it is filtered by; and the labels it groups by."""
    metrics: list[tuple[str, set[str]]] = []
    grouped_by: set[str] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql_parser.VectorSelector):
            metrics.append((node.name or "", {matcher.name for matcher in node.matchers.matchers}))
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            grouped_by.update(node.modifier.labels)

    # Grafana fills its variables in.
    promql_parser.walk(promql_parser.parse(re.sub(r"\$__\w+", "5m", expression)), pre_visit=visit)
    return metrics, grouped_by
