"""What Prometheus finds at a real controller after real jobs, and the files in config/ that rely on it."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import promql_parser
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

import stoker
from stoker.fleet.bounds import Decision
from stoker.lanes.failures import forget, load_failed
from stoker.ledger import autoscaling, damage, presence
from stoker.ledger.keys import key
from stoker.ledger.sampling import Sampling
from stoker.local import redis_url_of
from stoker.local.server import local_server
from stoker.redis.connection import Connection
from stoker.schedules.schedule import LastStart, ScheduleState
from stoker.settings import Settings
from stoker_workers.observe.metrics import LedgerCollector, NodeCollector

from .. import preloaded
from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL, attend, free_port

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "config" / "grafana" / "stoker.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS = [
    rule
    for group in yaml.safe_load((ROOT / "config/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
# Of Prometheus itself, and of redis_exporter.
OF_PROMETHEUS = {"instance", "job"}
OTHERS = {"up", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_evicted_keys_total"}

Metrics = dict[str, Metric]


def scrape(port: int | None) -> Metrics:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


@contextmanager
def controller(redis_url: str, home: Path) -> Iterator[int]:
    """A controller that serves metrics; gives its port."""
    port = free_port()
    variables = {"STOKER_REDIS_URL": redis_url, "STOKER_METRICS_PORT": str(port), "STOKER_HOME": str(home)}
    process = subprocess.Popen([preloaded.python(), "-m", "stoker_workers.controller"], env=os.environ | variables)
    try:
        yield port
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def answers(port: int) -> bool:
    try:
        return bool(scrape(port))
    except OSError:
        return False


def value(families: Metrics, name: str, **labels: str) -> float:
    [found] = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return found


@pytest.fixture(scope="module")
def scraped(stack: Settings, eventually: Eventually) -> Iterator[Metrics]:
    """What the controller tells after a training, a job that failed, one that was cancelled, and a prediction."""
    with stoker.Client(settings=stack) as client:
        train = stoker.Train(model="scraped", data="sample://iris", epochs=1, **SMALL)
        client.submit(train).result(timeout=PATIENCE_S)
        with pytest.raises(stoker.JobFailed):
            client.submit(train.model_copy(update={"timeout": 0.001})).result(timeout=90)
        client.submit(train.model_copy(update={"not_before": datetime.now(UTC) + timedelta(hours=1)})).cancel()
        client.infer("scraped", [[5.1, 3.5, 1.4, 0.2]] * 3, timeout=PATIENCE_S)
        # It is told of nothing that happens here.
        webhook = client.add_webhook("https://93.184.216.34/", on=["webhook.test"]).id
        decision = Decision(at=datetime.now(UTC), slots=2, wanted=3, reasons=("for a test",))
        with closing(Connection.open(stack, redis_url_of(stack))) as connection:
            connection.run(autoscaling.decided("cpu", decision, notable=True))
            connection.run(load_failed("torn@1", "2026-01-01", stoker.InvalidJob("torn@1 cannot be loaded"), "w"))
            watched = Sampling(job="none", share=1, window=50, horizon_s=60).model_dump_json()
            connection.client.hset(key("sampling"), "gazed", watched)
            connection.client.hset(key("sampled", "gazed"), mapping={"gazed@1 kept": 7, "gazed@1 differ": 2})
            last = LastStart(at=datetime.fromtimestamp(1_800_000_000, UTC), jobs=("none",))
            # Paused, so that the controller starts nothing.
            state = ScheduleState(paused=datetime.now(UTC), next_at=last.at, started=3, skipped=2, last=last)
            connection.client.hset(key("schedule_states"), "nightly", state.model_dump_json())
        found: list[Metrics] = []

        def is_led() -> bool:
            found.append(scrape(stack.metrics_port))
            return value(found[-1], "stoker_leader_present") == 1

        # A controller that stood still has lost the lead for a moment.
        eventually(is_led)
        yield found[-1]
        # Other tests of this stack find it well.
        with closing(Connection.open(stack, redis_url_of(stack))) as connection:
            connection.run(forget(["torn@1"]))
            connection.client.hdel(key("sampling"), "gazed")
            connection.client.hdel(key("schedule_states"), "nightly")
            connection.client.delete(key("sampled", "gazed"))
        client.remove_webhook(webhook)


@pytest.fixture(scope="module")
def node(stack: Settings) -> Metrics:
    """What the agent of the node tells."""
    return scrape(stack.node_metrics_port)


@pytest.fixture
def gpu_node(redis_url: str) -> Metrics:
    """What the agent of a node with a GPU would tell of its worker."""
    worker = presence.Worker(
        name="gpu0-4711@here",
        node="here",
        device="gpu",
        slots=1,
        most_slots=2,
        queues=("gpu.train",),
        host="here",
        pid=4711,
        memory_bytes=2**36,
        memory_used_bytes=2**30,
        gpu="H100",
        gpu_memory_bytes=80 * 2**30,
        gpu_memory_used_bytes=2**30,
        gpu_utilisation=0.5,
    )
    with closing(Connection.open(Settings(), redis_url)) as connection:
        attend(connection, worker)
    found = NodeCollector(Settings(), redis_url, "here", ["cpu", "gpu:0"]).collect()
    return {family.name: family for family in found}


def test_jobs_waits_attempts_and_requests_are_there(scraped: Metrics) -> None:
    assert value(scraped, "stoker_up") == 1
    assert value(scraped, "stoker_leader_present") == 1
    assert value(scraped, "stoker_workers", device="cpu") == 1
    assert value(scraped, "stoker_nodes", device="cpu") == 1
    assert value(scraped, "stoker_slots", device="cpu") == 2
    assert value(scraped, "stoker_slots_busy", device="gpu") == 0
    for state in ("SUCCEEDED", "FAILED", "CANCELLED"):
        assert value(scraped, "stoker_jobs_finished_total", kind="train", state=state) >= 1
        assert value(scraped, "stoker_jobs", kind="train", state=state) >= 1
    assert value(scraped, "stoker_job_wait_seconds_count", queue="cpu.train") >= 2
    assert value(scraped, "stoker_attempt_seconds_count", kind="train", how="SUCCEEDED") >= 1
    assert value(scraped, "stoker_attempt_seconds_sum", kind="train", how="SUCCEEDED") > 0.1
    assert value(scraped, "stoker_lane_batch_requests_count") >= 1


def test_a_node_tells_of_its_worker(node: Metrics) -> None:
    assert value(node, "stoker_node_worker_present", device="cpu") == 1
    assert value(node, "stoker_node_slots", device="cpu") == 2
    assert value(node, "stoker_node_memory_bytes", device="cpu") > 2**20


def test_a_node_tells_of_its_gpu_and_of_a_worker_that_is_silent(gpu_node: Metrics) -> None:
    assert value(gpu_node, "stoker_node_worker_present", device="cpu") == 0
    assert value(gpu_node, "stoker_node_worker_present", device="gpu:0") == 1
    assert value(gpu_node, "stoker_node_gpu_utilisation_ratio", device="gpu:0") == 0.5


def test_damages_to_the_ledger_are_counted(redis_url: str) -> None:
    with closing(Connection.open(Settings(), redis_url)) as connection:
        connection.client.set("stoker:leases", "no index")
        connection.run(damage.repair())
    found = {family.name: family for family in LedgerCollector(Settings(), redis_url).collect()}
    assert value(found, "stoker_ledger_repairs_total") == 1


def test_what_monitors_do_is_told_by_version(scraped: Metrics) -> None:
    assert value(scraped, "stoker_monitor_rows_sampled_total", model="gazed@1") == 7
    assert value(scraped, "stoker_monitor_columns_differing", model="gazed@1") == 2


def test_schedules_tell_of_their_last_start_and_of_what_they_missed(scraped: Metrics) -> None:
    assert value(scraped, "stoker_schedule_starts_total", schedule="nightly") == 3
    assert value(scraped, "stoker_schedule_missed_total", schedule="nightly") == 2
    assert value(scraped, "stoker_schedule_last_start_timestamp_seconds", schedule="nightly") == 1_800_000_000
    assert value(scraped, "stoker_schedule_failing", schedule="nightly") == 0


def test_the_guide_lists_exactly_these_metrics(scraped: Metrics, node: Metrics, gpu_node: Metrics) -> None:
    guide = (ROOT / "docs" / "metrics.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in guide.splitlines() if line.startswith("| `s")]
    found = [
        [
            f"`{name}_total`" if family.type == "counter" else f"`{name}`",
            family.type,
            ", ".join(sorted({label for sample in family.samples for label in sample.labels} - {"le"})),
            family.documentation,
        ]
        for name, family in (scraped | node | gpu_node).items()
    ]
    assert sorted(rows) == sorted(found)


@pytest.mark.parametrize(
    "expression",
    [rule["expr"] for rule in ALERTS] + [target["expr"] for panel in PANELS for target in panel["targets"]],
)
def test_dashboard_and_alerts_ask_for_what_is_there(
    scraped: Metrics, node: Metrics, gpu_node: Metrics, expression: str
) -> None:
    families = (scraped | node | gpu_node).values()
    labels = {sample.name: {*sample.labels, *OF_PROMETHEUS} for family in families for sample in family.samples}
    metrics, grouped_by = asked_for(expression)
    assert metrics
    for name, matched in metrics:
        assert name in labels or name in OTHERS, f"{name} is not among the metrics"
        assert matched <= labels.get(name, OF_PROMETHEUS)
    assert grouped_by <= set().union(*labels.values())


def test_while_redis_is_away_a_scrape_says_so_and_nothing_else(tmp_path: Path, eventually: Eventually) -> None:
    server = ExitStack()
    with controller(server.enter_context(local_server(tmp_path / "redis")), tmp_path / "home") as port:
        eventually(lambda: answers(port))
        eventually(lambda: value(scrape(port), "stoker_up") == 1)
        server.close()
        assert {name: value(scrape(port), name) for name in scrape(port)} == {"stoker_up": 0}
        with local_server(tmp_path / "redis"):
            eventually(lambda: value(scrape(port), "stoker_up") == 1)


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
