"""Redis over TLS: everything works with the right certificate, and nothing with a wrong one."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
import trustme

import stoker
from stoker import JobState
from stoker.local.server import local_server
from stoker.redis.celery_app import celery_app
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from ..flower import running_flower
from ..tls import terminator, tls_url
from .conftest import SMALL, serving

SPEC = stoker.Train(model="secret", data="sample://digits", epochs=1, batch_size=256, device="cpu", seed=1, **SMALL)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "the CA's file.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_server(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture(scope="module")
def port(authority: trustme.CA, server_url: str) -> Iterator[int]:
    """Where a server with a certificate for localhost listens."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with terminator(server_url, context) as port:
        yield port


def test_a_whole_job_runs_over_tls(server_url: str, port: int, ca_file: Path, tmp_path: Path) -> None:
    url = tls_url(server_url, port, ssl_ca_certs=ca_file)
    settings = Settings(home=tmp_path / "home", redis_url=url, result_url=url, slots=2)
    with serving(settings), stoker.Client(settings=settings) as client:
        job = client.submit(SPEC)
        assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
        assert client.infer("secret", [[0.0] * 64], timeout=PATIENCE_S).shape == (1, 10)

        [worker] = client.workers()
        app = celery_app(settings, url)
        assert app.control.inspect([worker.name], timeout=PATIENCE_S).ping()
        assert app.AsyncResult(job.id).get(timeout=PATIENCE_S)["model"] == "secret@1"
        app.backend.result_consumer.stop()
        app.backend.client.close()
        app.close()

        async def story() -> None:
            async with stoker.AsyncClient(settings=settings) as client:
                assert [status.id for status in await client.jobs()] == [job.id]

        asyncio.run(story())


def test_flower_sees_queues_and_workers_over_tls(
    server_url: str, port: int, ca_file: Path, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "home").mkdir()
    settings = Settings(home=tmp_path / "home", redis_url=tls_url(server_url, port, ssl_ca_certs=ca_file))
    app = celery_app(settings, str(settings.redis_url))
    with running_flower(settings) as flower, app.connection() as broker:
        assert b"cpu.train" in flower.get("/broker")
        with app.events.Dispatcher(broker, "cpu@here") as dispatcher:

            def is_seen() -> bool:
                dispatcher.send("worker-online")
                return b"cpu@here" in flower.get("/workers?json=1")

            eventually(is_seen)


def test_a_certificate_of_another_ca_or_for_another_host_is_refused(
    server_url: str, port: int, ca_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    for url, told in (
        (tls_url(server_url, port, ssl_ca_certs=other), r"cannot be trusted: .*; name the file of its CA"),
        (tls_url(server_url, port), r"cannot be trusted: .*; name the file of its CA"),
        (tls_url(server_url, port, "127.0.0.1", ssl_ca_certs=ca_file), r"cannot be trusted: .*IP address mismatch"),
        (tls_url(server_url, port, ssl_ca_certs=tmp_path / "no.pem"), r"a file .* is not there; correct ssl_ca_certs"),
    ):
        settings = Settings(redis_url=url, patience_s=0)
        with stoker.Client(settings=settings) as client, pytest.raises(stoker.Unavailable, match=told):
            client.jobs()

        async def story(settings: Settings = settings, told: str = told) -> None:
            async with stoker.AsyncClient(settings=settings) as client:
                with pytest.raises(stoker.Unavailable, match=told):
                    await client.jobs()

        asyncio.run(story())


def test_celery_checks_the_certificate_too(server_url: str, port: int, ca_file: Path) -> None:
    for url in (tls_url(server_url, port), tls_url(server_url, port, "127.0.0.1", ssl_ca_certs=ca_file)):
        settings = Settings(redis_url=url)
        assert settings.redis_url is not None
        app = celery_app(settings, settings.redis_url)
        with app.connection() as broker, pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            broker.connect()
        with closing(app.backend.client) as results, pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY"):
            results.ping()


def test_a_server_may_ask_for_a_certificate_of_ours(
    authority: trustme.CA, server_url: str, ca_file: Path, tmp_path: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ours, key, chain = authority.issue_cert("worker-1.example.org"), tmp_path / "key.pem", tmp_path / "cert.pem"
    ours.private_key_pem.write_to_path(key)
    ours.cert_chain_pems[0].write_to_path(chain)
    with terminator(server_url, context) as port:
        url = tls_url(server_url, port, ssl_ca_certs=ca_file, ssl_certfile=chain, ssl_keyfile=key)
        settings = Settings(redis_url=url)
        assert settings.redis_url is not None
        with stoker.Client(settings=settings) as client:
            client.models()
        with celery_app(settings, settings.redis_url).connection() as broker:
            broker.connect()
        stranger = Settings(redis_url=tls_url(server_url, port, ssl_ca_certs=ca_file), patience_s=0)
        with stoker.Client(settings=stranger) as client, pytest.raises(stoker.Unavailable):
            client.models()
