"""Fleets: what the ledger knows of them, the controller's step, providers, and the command line."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import redis

import stoker
from stoker.errors import Unauthorized, Unavailable
from stoker.fleet.bounds import Decision, FleetSettings
from stoker.ledger import attempts, autoscaling, duty_runs, intake, monitoring, presence
from stoker.ledger.attempt import Attempt
from stoker.outages import OngoingOutage
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller.autoscaler.loop import FleetScaler
from stoker_workers.controller.autoscaler.providers.kubernetes import Kubernetes
from stoker_workers.controller.autoscaler.providers.process import Processes

from .. import commands
from ..conftest import Eventually
from .conftest import CPU, attend, controlled

TOKEN = "a-token"
SPEC = stoker.Train(model="fleet", data="sample://iris", device="cpu")


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return Settings(redis_url=redis_url, home=tmp_path / "home")


@pytest.fixture
def connection(settings: Settings, redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(settings, redis_url)
    yield connection
    connection.close()


@pytest.fixture
def client(settings: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=settings) as client:
        yield client


@pytest.fixture
def scaler(settings: Settings, connection: Connection, redis_url: str) -> Iterator[FleetScaler]:
    scaler = FleetScaler(settings, connection, redis_url)
    yield scaler
    scaler.rest()


def cli(*arguments: str, redis_url: str) -> subprocess.CompletedProcess[str]:
    return commands.run("fleet", *arguments, env={"STOKER_REDIS_URL": redis_url})


def test_the_traffic_of_a_fleet_is_what_is_queued_runs_and_ran(client: stoker.Client, connection: Connection) -> None:
    first, *_ = client.submit_many([SPEC] * 3)
    attempt = connection.run(attempts.claim(first.id, "owner", "worker", 10))
    assert isinstance(attempt, Attempt)
    traffic = connection.run(autoscaling.traffic("cpu"))
    assert (traffic.kinds["train"].queued, traffic.kinds["train"].started) == (2, 1)
    assert traffic.kinds["train"].service_ms == 0
    assert traffic.running.count == 1
    assert [kind for kind, _, _ in traffic.running.seen] == ["train"]
    connection.client.hincrby(f"stoker:job:{first.id}", "started_at", -2_000)
    connection.run(attempts.fail(attempt, stoker.JobState.FAILED, "for a test"))
    traffic = connection.run(autoscaling.traffic("cpu"))
    assert traffic.running.count == 0
    assert traffic.kinds["train"].service_ms >= 2_000
    assert connection.run(autoscaling.traffic("gpu")).kinds["train"].queued == 0


def test_what_anyone_wrote_into_records_keeps_no_fleet_from_its_traffic(
    client: stoker.Client, connection: Connection
) -> None:
    jobs = client.submit_many([SPEC] * 2)
    for job, slots in zip(jobs, ("0", "1.5"), strict=True):
        connection.client.hset(f"stoker:job:{job.id}", mapping={"slots": slots, "likeness": b"\xff"})
    traffic = connection.run(autoscaling.traffic("cpu")).kinds["train"]
    assert traffic.alike == (("\N{REPLACEMENT CHARACTER}", 2),)


def test_a_clock_that_was_set_back_makes_no_time_negative(connection: Connection, redis_url: str) -> None:
    connection.run(intake.submit([intake.NewJob(name, SPEC, "cpu.train") for name in ("ends", "runs", "waits")]))
    ends, _ = (connection.run(attempts.claim(name, name, "worker", 60)) for name in ("ends", "runs"))
    assert isinstance(ends, Attempt)
    ahead = (datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000
    with redis.Redis.from_url(redis_url) as client:
        for name in ("ends", "runs", "waits"):
            client.hset(f"stoker:job:{name}", mapping=dict.fromkeys(("queued_at", "started_at"), round(ahead)))
        client.zadd("stoker:last-events", {"runs": ahead})
    connection.run(attempts.fail(ends, stoker.JobState.FAILED, "for a test"))

    traffic = connection.run(autoscaling.traffic("cpu"))

    assert (traffic.kinds["train"].service_ms, traffic.oldest_ms) == (0, 0)
    assert [seen[:2] for seen in traffic.running.seen] == [("train", 0)]
    assert [job.silent_s for job in connection.run(monitoring.silent()).longest] in ([], [0])


def test_the_jobs_of_a_device_are_counted_exactly_among_many_of_another(connection: Connection, redis_url: str) -> None:
    """By the autoscaler and by what metrics and the command line show alike."""
    crowd = SPEC.model_copy(update={"device": "cpu"})
    for start in range(0, 20_000, 500):
        connection.run(intake.submit([intake.NewJob(f"crowd-{start + n}", crowd, "cpu.train") for n in range(500)]))
    few = [intake.NewJob(f"few-{n}", SPEC.model_copy(update={"device": "gpu"}), "gpu.train") for n in range(5)]
    connection.run(intake.submit(few))

    for _ in range(20):
        traffic = connection.run(autoscaling.traffic("gpu"))
        assert (traffic.kinds["train"].jobs, traffic.kinds["train"].queued, traffic.running.count) == (5, 5, 0)
        queues = {queue.queue: queue.jobs for queue in connection.run(monitoring.health()).queues}
        assert (queues["gpu.train"], queues["cpu.train"]) == (5, 20_000)
    connection.run(attempts.claim("few-0", "owner", "worker", 60))
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(300):
            message = json.loads(str(client.rpop("cpu.train\x06\x166"), "utf-8"))
            claimed = attempts.claim(message["headers"]["id"], "owner", "worker", 60)
            assert isinstance(connection.run(claimed), Attempt)
    for _ in range(20):
        traffic = connection.run(autoscaling.traffic("gpu"))
        assert (traffic.kinds["train"].queued, traffic.running.count, len(traffic.running.seen)) == (4, 1, 1)


def test_a_training_by_several_workers_counts_as_so_many_slots(client: stoker.Client, connection: Connection) -> None:
    job, _ = client.submit_many([SPEC.model_copy(update={"workers": 3}), SPEC])
    traffic = connection.run(autoscaling.traffic("cpu"))
    assert (traffic.kinds["train"].queued, traffic.widest) == (4, 3)
    assert isinstance(connection.run(attempts.claim(job.id, "owner", "worker", 10)), Attempt)
    traffic = connection.run(autoscaling.traffic("cpu"))
    assert (traffic.kinds["train"].queued, traffic.running.count, traffic.widest) == (1, 3, 3)


def test_a_decision_of_long_ago_promises_no_node(connection: Connection) -> None:
    now = Decision(at=datetime.now(UTC), slots=0, wanted=0, reasons=("nothing to do",), most=8)
    connection.run(autoscaling.decided("gpu", now, notable=True))
    connection.run(autoscaling.decided("tpu", now.model_copy(update={"at": now.at - timedelta(hours=1)}), notable=True))
    assert connection.run(autoscaling.reach()) == {"gpu": 8}


def test_a_fleet_without_settings_is_left_alone(scaler: FleetScaler, connection: Connection) -> None:
    attend(connection)
    scaler.step(Settings().fleet)
    assert connection.run(presence.wanted_slots(CPU.name)) is None
    assert connection.run(autoscaling.decisions("cpu")) == []


def test_a_fleet_without_workers_says_that_nobody_starts_any(scaler: FleetScaler, connection: Connection) -> None:
    Path("stoker.toml").write_text("[fleet.cpu]\nmin = 2\n")
    scaler.step(Settings().fleet)
    assert connection.run(autoscaling.decisions("cpu"))[0].reasons[0].startswith("no worker runs")
    # What it has when it comes is where to begin.
    attend(connection)
    scaler.step(Settings().fleet)
    assert connection.run(autoscaling.decisions("cpu"))[0].slots == 1
    assert connection.run(presence.wanted_slots(CPU.name)) == 2


def test_a_controller_follows_what_its_file_says_of_fleets_and_tenants(
    settings: Settings, connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    attend(connection)

    def holds() -> tuple[int | None, int]:
        """The slots that are wanted, and how many jobs the tenant may have running."""
        quota = connection.run(Call(("HGET", "stoker:quotas", "tenant a"), lambda told: json.loads(told or "{}")))
        return connection.run(presence.wanted_slots(CPU.name)), quota.get("running")

    def fails_to_follow() -> bool:
        states = {duty.name: duty for duty in connection.run(duty_runs.duties())}
        return "follow settings" in states and "min cannot be" in (states["follow settings"].failure or "")

    file = Path("stoker.toml")
    file.write_text("[fleet.cpu]\nmin = 2\n[tenants.a]\nrunning = 3\n")
    with controlled(settings, redis_url):
        eventually(lambda: holds() == (2, 3))
        file.write_text("[fleet.cpu]\nmin = 1\nmax = 1\n[tenants.a]\nrunning = 5\n")
        eventually(lambda: holds() == (1, 5))
        file.write_text("[fleet.cpu]\nmin = -4\n[tenants.a]\nrunning = 7\n")
        eventually(fails_to_follow)
        assert holds() == (1, 5)


def test_bounds_by_hand_beat_the_file_until_they_are_taken_back(
    scaler: FleetScaler, connection: Connection, redis_url: str
) -> None:
    attend(connection)
    Path("stoker.toml").write_text("[fleet.cpu]\nmin = 2\n")
    scaler.step(Settings().fleet)
    assert connection.run(presence.wanted_slots(CPU.name)) == 2
    told = cli("scale", "cpu=3", "--json", redis_url=redis_url)
    assert json.loads(told.stdout) == {"cpu": {"min": 3, "max": 3}}
    scaler.step(Settings().fleet)
    assert connection.run(presence.wanted_slots(CPU.name)) == 3
    assert cli("scale", "cpu=auto", redis_url=redis_url).returncode == 0
    scaler.step(Settings().fleet)
    assert connection.run(autoscaling.decisions("cpu"))[0].most == 4


def test_a_backlog_grows_the_fleet_and_the_status_says_why(
    scaler: FleetScaler, client: stoker.Client, connection: Connection, redis_url: str
) -> None:
    Path("stoker.toml").write_text("[fleet.cpu]\nmin = 1\n")
    attend(connection)
    client.submit_many([SPEC] * 7)
    scaler.step(Settings().fleet)
    assert connection.run(presence.wanted_slots(CPU.name)) == 4
    [fleet] = json.loads(cli("status", "--json", redis_url=redis_url).stdout)
    assert (fleet["device"], fleet["workers"]) == ("cpu", 1)
    assert {queue["queue"]: queue["jobs"] for queue in fleet["queues"]}["cpu.train"] == 7
    assert fleet["decisions"][0]["wanted"] == 4
    assert fleet["decisions"][0]["reasons"][0] == "at most 4"
    assert "7 queued jobs" in cli("status", redis_url=redis_url).stdout


def test_a_fleet_whose_workers_miss_the_store_does_not_grow_for_what_none_could_start(
    scaler: FleetScaler, client: stoker.Client, connection: Connection
) -> None:
    Path("stoker.toml").write_text("[fleet.cpu]\nmin = 1\n")
    store = OngoingOutage(of="store", reason="the artifact store is read-only", since=datetime.now(UTC))
    away = CPU.model_copy(update={"outages": (store,)})
    other = CPU.model_copy(update={"name": "cpu-2@here", "most_slots": 2})

    held = "held, because the artifact store is read-only"

    def decided() -> Decision:
        scaler.step(Settings().fleet)
        return connection.run(autoscaling.decisions("cpu"))[0]

    attend(connection, away)
    client.submit_many([SPEC] * 7)
    assert (decided().wanted, decided().reasons[0]) == (1, held)
    attend(connection, other)
    assert decided().wanted == 2, "a worker that lives keeps a slot"
    assert held in decided().reasons, "one that is busy with older jobs has not met it yet"
    results = store.model_copy(update={"of": "results"})
    attend(connection, CPU.model_copy(update={"outages": (results,)}))
    assert (decided().wanted, decided().reasons[0]) == (6, "at most 6"), "jobs run without it"


def test_one_worker_of_many_that_misses_the_store_holds_up_no_fleet(
    scaler: FleetScaler, client: stoker.Client, connection: Connection
) -> None:
    Path("stoker.toml").write_text("[fleet.cpu]\nmin = 1\n")
    store = OngoingOutage(of="store", reason="the artifact store is read-only", since=datetime.now(UTC))
    for number in range(3):
        outages = (store,) if number == 0 else ()
        attend(connection, CPU.model_copy(update={"name": f"cpu-{number}@here", "outages": outages}))
    client.submit_many([SPEC] * 7)
    scaler.step(Settings().fleet)
    assert connection.run(autoscaling.decisions("cpu"))[0].wanted > 3


def test_decisions_that_change_nothing_replace_each_other(scaler: FleetScaler, connection: Connection) -> None:
    Path("stoker.toml").write_text("[fleet.cpu]\nmin = 2\n")
    attend(connection)
    for _ in range(5):
        scaler.step(Settings().fleet)
    first, *before = connection.run(autoscaling.decisions("cpu"))
    assert len(before) <= 1
    assert first.wanted == 2


@pytest.mark.parametrize("given", ["cpu", "cpu=some", "npu=4", "cpu=5:2"])
def test_what_is_no_scale_is_refused_with_an_example(given: str, redis_url: str) -> None:
    refused = cli("scale", given, redis_url=redis_url)
    assert refused.returncode == 2
    assert given in refused.stderr


def test_nodes_are_processes_that_come_go_and_start_again(
    settings: Settings, redis_url: str, eventually: Eventually
) -> None:
    def nodes() -> list[psutil.Process]:
        found = []
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                found += [child] if child.name() == "sleep" else []
        return found

    with Processes("cpu", settings, redis_url, command=("sleep", "1000")) as processes:
        processes.scale(3, ())
        eventually(lambda: len(nodes()) == 3)
        names = {node.environ()["STOKER_NODE"] for node in nodes()}
        assert len(names) == 3
        assert all(processes.owns(name) for name in names)
        [victim, *_] = nodes()
        victim.kill()
        eventually(lambda: len(nodes()) == 3 and victim.pid not in {node.pid for node in nodes()})
        idle = min(names)
        processes.scale(1, {idle})
        eventually(lambda: len(nodes()) == 1)
        assert not processes.owns(idle)
    assert nodes() == []


class KubernetesApi(ThreadingHTTPServer):
    """The scale subresource of one deployment, as Kubernetes serves it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replicas = 0
        self.version = 1
        self.conflicts = 0
        self.forbidden = False


class _Handler(BaseHTTPRequestHandler):
    server: KubernetesApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        self._answer(json.loads(body))

    def _answer(self, patch: dict[str, dict[str, object]] | None) -> None:
        api = self.server
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._send(401, {"kind": "Status", "message": "Unauthorized"})
        elif api.forbidden:
            self._send(403, {"kind": "Status", "message": "cannot get resource deployments/scale"})
        elif self.path != "/apis/apps/v1/namespaces/ml/deployments/stoker-cpu/scale":
            self._send(404, {"kind": "Status", "message": "not found"})
        elif patch and (api.conflicts or patch["metadata"]["resourceVersion"] != str(api.version)):
            api.conflicts -= 1
            self._send(409, {"kind": "Status", "message": "the object has been modified"})
        else:
            if patch:
                api.replicas = int(str(patch["spec"]["replicas"]))
                api.version += 1
            spec = {"replicas": api.replicas} if api.replicas else {}
            metadata = {"name": "stoker-cpu", "resourceVersion": str(api.version)}
            self._send(200, {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec})

    def _send(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output quiet."""


@pytest.fixture
def api() -> Iterator[KubernetesApi]:
    with KubernetesApi() as api:
        thread = threading.Thread(target=api.serve_forever)
        thread.start()
        yield api
        api.shutdown()
        thread.join()


@pytest.fixture
def deployment(api: KubernetesApi, tmp_path: Path) -> FleetSettings:
    (tmp_path / "token").write_text(TOKEN + "\n")
    return FleetSettings(
        provider="kubernetes",
        max=40,
        deployment="stoker-cpu",
        namespace="ml",
        api_url=f"http://127.0.0.1:{api.server_port}",
        token_file=tmp_path / "token",
        slots_per_node=4,
    )


def test_kubernetes_scales_from_nothing_and_back(api: KubernetesApi, deployment: FleetSettings) -> None:
    pods = Kubernetes(deployment)
    assert pods.nodes() == 0
    pods.scale(5, ())
    assert (api.replicas, pods.nodes()) == (5, 5)
    version = api.version
    pods.scale(5, ())
    assert api.version == version
    pods.scale(0, ())
    assert api.replicas == 0


def test_kubernetes_says_what_is_wrong(api: KubernetesApi, deployment: FleetSettings) -> None:
    pods = Kubernetes(deployment)
    api.conflicts = 1
    with pytest.raises(Unavailable, match="somebody else has just scaled"):
        pods.scale(3, ())
    pods.scale(3, ())
    assert api.replicas == 3
    deployment.token_file.write_text("another")
    with pytest.raises(Unauthorized, match="HTTP 401"):
        pods.nodes()
    deployment.token_file.write_text(TOKEN)
    api.forbidden = True
    with pytest.raises(Unauthorized, match="get and patch on deployments/scale"):
        pods.nodes()
    api.forbidden = False
    with pytest.raises(Unavailable, match="deployment other in namespace ml"):
        Kubernetes(deployment.model_copy(update={"deployment": "other"})).nodes()
    deployment.token_file.unlink()
    with pytest.raises(Unauthorized, match="token_file"):
        pods.nodes()


def test_a_fleet_goes_from_no_pod_to_some_and_back(
    api: KubernetesApi,
    deployment: FleetSettings,
    client: stoker.Client,
    connection: Connection,
    redis_url: str,
    eventually: Eventually,
) -> None:
    fleet = deployment.model_copy(update={"min": 0, "cooldown_s": 0.0})
    scaler = FleetScaler(Settings(redis_url=redis_url), connection, redis_url)
    scaler.step({"cpu": fleet})
    assert api.replicas == 0
    jobs = client.submit_many([SPEC] * 6)
    scaler.step({"cpu": fleet})
    assert api.replicas == 3
    pod = CPU.model_copy(update={"node": "stoker-cpu-abc", "name": "cpu-1@stoker-cpu-abc", "slots": 4})
    attend(connection, pod)
    for job in jobs:
        job.cancel()

    def gone() -> bool:
        scaler.step({"cpu": fleet})
        return api.replicas == 0

    eventually(gone)
    assert api.replicas == 0
    assert connection.run(autoscaling.decisions("cpu"))[0].nodes == 0


def test_a_fleet_of_no_node_gets_its_jobs_beside_live_workers_of_another(
    deployment: FleetSettings, client: stoker.Client, connection: Connection, redis_url: str, api: KubernetesApi
) -> None:
    fleet = deployment.model_copy(update={"min": 0, "slots_per_node": 1})
    scaler = FleetScaler(Settings(redis_url=redis_url), connection, redis_url)
    attend(connection)
    with pytest.raises(stoker.InvalidJob, match=r"none serves gpu.train"):
        client.submit(SPEC.model_copy(update={"device": "gpu"}))
    scaler.step({"gpu": fleet})
    client.submit(SPEC.model_copy(update={"device": "gpu"}))
    scaler.step({"gpu": fleet})
    assert api.replicas > 0
