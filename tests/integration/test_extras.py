"""Each image's packages, and each extra that the README names, installed alone: the command that needs them works."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

import stoker

from ..conftest import PATIENCE_S, Eventually
from .collector import collecting
from .conftest import free_port

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
INSTALL_S = 900

Install = Callable[[str], Path]

pytestmark = pytest.mark.timeout(2 * INSTALL_S)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stoker, as the images install it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has Stoker without extras."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    make_environment(folder, wheel, "")
    # What the others share is compiled once.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([folder / "bin" / "python", "-c", "import stoker.cli"], check=True, env=environment)
    return folder


@pytest.fixture
def install(wheel: Path, bare: Path, tmp_path: Path) -> Iterator[Install]:
    """Makes an environment that has Stoker with extras such as "worker,s3" and nothing else; gives its programs."""
    folder = tmp_path / "venv"

    def make(extras: str) -> Path:
        # Each of them has what Stoker has without extras: from there, without Stoker, pip has only the rest to do.
        [packages] = bare.glob("lib/*/site-packages")
        copy = folder / packages.relative_to(bare)
        shutil.copytree(packages, copy, copy_function=os.link, ignore=shutil.ignore_patterns("stoker*"))
        make_environment(folder, wheel, extras)
        return folder / "bin"

    yield make
    # With TensorFlow it has two gigabytes.
    shutil.rmtree(folder, ignore_errors=True)


def make_environment(folder: Path, wheel: Path, extras: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=INSTALL_S)
    python = str(folder / "bin" / "python")
    pip("--python", python, "install", "--no-compile", *constrained(wheel, extras))


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *arguments], capture_output=True, text=True, timeout=INSTALL_S
    )
    assert done.returncode == 0, done.stderr


def constrained(wheel: Path, extras: str) -> tuple[str, str, str]:
    wanted = f"{wheel}[{extras}]" if extras else str(wheel)
    return "--constraint", str(ROOT / "constraints.txt"), wanted


def extras_of(image: str) -> str:
    """The extras with which an image's packages are installed."""
    [stage] = re.findall(rf"^FROM runtime AS {image}\nCOPY --from=(\S+) ", DOCKERFILE, re.MULTILINE)
    [extras] = re.findall(rf"^FROM installer AS {stage}\nRUN pip install .*\[(.+)\]\"$", DOCKERFILE, re.MULTILINE)
    return str(extras)


def entrypoint(image: str, programs: Path) -> list[str]:
    """What an image starts, from this environment."""
    [command] = re.findall(rf"^FROM runtime AS {image}\n(?:.+\n)*?ENTRYPOINT (\[.+\])$", DOCKERFILE, re.MULTILINE)
    program, *arguments = json.loads(command)
    return [str(programs / program), *arguments]


@contextmanager
def running(command: list[str], log: Path, **variables: str) -> Iterator[Callable[[], str]]:
    """The process, for the length of the block; gives a function that reads its output and fails if it has ended."""
    with log.open("wb") as sink:
        process = subprocess.Popen(command, env=os.environ | variables, stdout=sink, stderr=sink, cwd=log.parent)

    def output() -> str:
        assert process.poll() is None, log.read_text()
        return log.read_text()

    try:
        yield output
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def ended(command: list[str | Path], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)


def answers(url: str) -> bytes:
    """What a page holds; nothing as long as nobody serves it."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as page:
            return bytes(page.read())
    except urllib.error.HTTPError as error:
        error.close()
        return str(error.code).encode()
    except OSError:
        return b""


def test_extras_that_are_named_exist_and_those_of_the_readme_are_tried_here() -> None:
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("[pw]*/**/*.py")]
    named = {extra for text in map(Path.read_text, files) for extra in named_in(text, "stoker")}
    of_images = named_in(DOCKERFILE, r"\*\.whl\)")
    assert named | of_images <= EXTRAS.keys()
    assert named_in((ROOT / "README.md").read_text(), "stoker") | of_images == {
        *("controller", "flower", "gateway", "gpu", "local", "otel", "s3", "secure", "worker")
    }


def named_in(text: str, package: str) -> set[str]:
    return {extra for extras in re.findall(rf"{package}\[([a-z0-9,]+)\]", text) for extra in extras.split(",")}


RUN_EACH = """
import sys, stoker.cli
for command in sys.argv[1:]:
    sys.argv = ["stoker", command]
    try:
        stoker.cli.main()
    except SystemExit as end:
        print(end.code)
"""


@pytest.mark.slow
def test_the_client_alone_imports_and_reports(bare: Path, redis_url: str) -> None:
    programs = bare / "bin"
    assert ended([programs / "python", "-c", "import stoker; stoker.Client; stoker.AsyncClient"]).returncode == 0
    asked = ended([programs / "stoker", "doctor", "--json"], STOKER_REDIS_URL=redis_url)
    assert asked.returncode == 1, asked.stderr
    verdicts = {check["name"]: check["verdict"] for check in json.loads(asked.stdout)["checks"]}
    assert {name for name, verdict in verdicts.items() if verdict == "fail"} == {"controller", "workers"}
    extra_of = {"worker": "worker", "up": "worker", "demo": "worker", "flower": "flower", "controller": "controller"}
    refused = ended([programs / "python", "-c", RUN_EACH, *extra_of])
    assert refused.stdout.split() == ["3"] * len(extra_of), refused.stderr
    for line, extra in zip(refused.stderr.splitlines(), extra_of.values(), strict=True):
        assert f"pip install 'stoker[{extra}]'" in line


@pytest.mark.images
def test_the_image_of_the_client_reaches_a_bucket(install: Install, redis_url: str, s3: str) -> None:
    programs = install(extras_of("client"))
    assert entrypoint("client", programs) == [str(programs / "stoker")]
    asked = ended(
        [programs / "stoker", "doctor", "--json"], STOKER_REDIS_URL=redis_url, STOKER_STORE_URL=f"{s3}/client"
    )
    verdicts = {check["name"]: check["verdict"] for check in json.loads(asked.stdout)["checks"]}
    assert verdicts["store"] == "ok", asked.stdout


@pytest.mark.slow
@pytest.mark.parametrize("extras", ["controller", pytest.param(extras_of("controller"), marks=pytest.mark.images)])
def test_a_controller_leads_and_serves_metrics(
    install: Install, redis_url: str, tmp_path: Path, eventually: Eventually, extras: str
) -> None:
    command, port = entrypoint("controller", install(extras)), free_port()
    variables = {"STOKER_REDIS_URL": redis_url, "STOKER_METRICS_PORT": str(port)}
    with running(command, tmp_path / "log", **variables) as output, redis.Redis.from_url(redis_url) as server:
        eventually(lambda: output() is not None and server.exists("stoker:leader"))
        assert b"stoker_up" in answers(f"http://127.0.0.1:{port}/metrics")


@pytest.mark.slow
def test_the_image_of_flower_asks_for_a_login(
    install: Install, redis_url: str, tmp_path: Path, eventually: Eventually
) -> None:
    port = free_port()
    # Behind the image's own words, so that no other machine can come in.
    command = [*entrypoint("flower", install(extras_of("flower"))), "--address", "127.0.0.1", "--port", str(port)]
    with running(command, tmp_path / "log", STOKER_REDIS_URL=redis_url) as output:
        eventually(lambda: output() is not None and answers(f"http://127.0.0.1:{port}/healthcheck") == b"OK")
        assert answers(f"http://127.0.0.1:{port}/workers") == b"401"


@pytest.mark.slow
def test_a_gateway_asks_for_a_key(install: Install, redis_url: str, tmp_path: Path, eventually: Eventually) -> None:
    port = free_port()
    command = [str(install("gateway") / "stoker"), "gateway", "--port", str(port)]
    with running(command, tmp_path / "log", STOKER_REDIS_URL=redis_url, STOKER_HOME=str(tmp_path)) as output:
        eventually(lambda: output() is not None and b"ok" in answers(f"http://127.0.0.1:{port}/healthz"))
        assert answers(f"http://127.0.0.1:{port}/v1/jobs") == b"401"


@pytest.mark.slow
def test_an_app_that_traces_finds_its_jobs_in_its_traces(install: Install, redis_url: str) -> None:
    submit = (
        "import stoker\n"
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "with stoker.Client() as client, trace.get_tracer('app').start_as_current_span('app') as span:\n"
        "    print(client.submit(stoker.Train(model='m', data='sample://iris')).id)\n"
        "    print(format(span.get_span_context().trace_id, '032x'))\n"
    )
    submitted = ended([install("otel") / "python", "-c", submit], STOKER_REDIS_URL=redis_url)
    assert submitted.returncode == 0, submitted.stderr
    job_id, trace_id = submitted.stdout.split()
    with redis.Redis.from_url(redis_url) as server:
        record = server.hgetall(f"stoker:job:{job_id}")
    assert trace_id.encode() in b" ".join(record.values())


@pytest.mark.slow
def test_the_local_server_comes_with_its_extra(install: Install, tmp_path: Path) -> None:
    start = (
        "import pathlib, redis\n"
        "from stoker.local.server import local_server, server_binary\n"
        "print(server_binary())\n"
        "with local_server(pathlib.Path('home')) as url, redis.Redis.from_url(url) as server:\n"
        "    print(server.ping())\n"
    )
    programs = install("local")
    started = subprocess.run(
        [programs / "python", "-c", start], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert started.returncode == 0, started.stderr
    binary, pong = started.stdout.split()
    assert Path(binary).is_relative_to(programs.parent)
    assert pong == "True"


@pytest.mark.images
@pytest.mark.parametrize("extras", [extras_of("cpu-worker"), "worker"])
def test_a_worker_announces_itself(
    install: Install, redis_url: str, tmp_path: Path, eventually: Eventually, extras: str
) -> None:
    command = entrypoint("cpu-worker", install(extras))
    with (
        running(command, tmp_path / "log", STOKER_REDIS_URL=redis_url) as output,
        redis.Redis.from_url(redis_url) as server,
    ):
        eventually(lambda: output() is not None and server.exists("stoker:workers"))


@pytest.mark.images
def test_a_worker_traces(install: Install, redis_url: str, tmp_path: Path, eventually: Eventually) -> None:
    command = entrypoint("cpu-worker", install("worker,otel"))
    variables = {"STOKER_REDIS_URL": redis_url, "STOKER_TRACES": "true"}
    with (
        collecting() as collector,
        stoker.Client(redis_url) as client,
        running(command, tmp_path / "log", **variables, **collector.variables()) as output,
    ):
        eventually(lambda: output() is not None and client.workers())
        client.submit(stoker.Train(model="traced", data="sample://iris", epochs=1)).result(timeout=PATIENCE_S)
        eventually(lambda: output() is not None and "stoker.train" in {span.name for _, span in collector.spans})


@pytest.mark.images
def test_everything_on_one_machine_runs_a_job(install: Install, tmp_path: Path, eventually: Eventually) -> None:
    programs = install("worker,local")
    with running([str(programs / "stoker"), "up"], tmp_path / "log") as output:
        eventually(lambda: "Stoker is up" in output())
        job = json.dumps({"kind": "train", "model": "m", "data": "sample://iris", "epochs": 1})
        submitted = subprocess.run(
            [programs / "stoker", "submit", "--watch", "-"],
            input=job,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert submitted.returncode == 0, submitted.stdout + submitted.stderr + output()


@pytest.mark.images
def test_the_packages_of_the_image_for_gpus_fit_together(wheel: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    constraints = constrained(wheel, extras_of("gpu-worker"))
    # They alone have several gigabytes, and what uses them needs a GPU.
    pip("install", "--dry-run", "--ignore-installed", "--report", str(report), *constraints)
    packages = {item["metadata"]["name"].lower() for item in json.loads(report.read_text())["install"]}
    assert {"tensorflow", "nvidia-cuda-runtime-cu12", "nvidia-ml-py", "s3fs"} <= packages
    assert "tensorflow-cpu" not in packages
