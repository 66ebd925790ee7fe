"""What a worker lets in as data: the rule of files and addresses, kept at every step on the way to them."""

import io
import os
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from stoker.errors import InvalidJob, InvalidSettings, StokerError, Unavailable
from stoker.models.access import BUCKETS, Access, checked_root, is_public
from stoker.models.data import preflight
from stoker.models.data.references import split
from stoker.settings import Settings
from stoker_workers.ml.data import copies, http, open_source
from stoker_workers.ml.data.reach import reach

from ...conftest import PATIENCE_S

SECRET = "s3cret-of-the-host"
TABLE = b"a,y\n1,2\n3,4\n"


class Host:
    """A web server of this machine that gives each connection the bytes it was told to."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self.asked = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with closing(connection), suppress(OSError):
                    self.asked += 1
                    connection.settimeout(PATIENCE_S)
                    while b"\r\n\r\n" not in connection.recv(65_536):
                        pass
                    self._answer(connection)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@contextmanager
def host(answer: Callable[[socket.socket], None] | bytes) -> Iterator[Host]:
    serve = (lambda connection: connection.sendall(answer)) if isinstance(answer, bytes) else answer
    server = Host(serve)
    try:
        yield server
    finally:
        server.close()


def ok(body: bytes = TABLE, headers: str | None = None) -> bytes:
    sized = f"Content-Length: {len(body)}\r\n" if headers is None else headers
    return f"HTTP/1.1 200 OK\r\n{sized}\r\n".encode() + body


def redirect(url: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()


def rows(ref: str, access: Access, scratch: Path) -> int:
    source = open_source(ref, "train", access, scratch)
    return sum(len(next(iter(batch.values()))) for batch in source.batches(10))


NOTHING = Access([], "/no-such-store")


@pytest.mark.parametrize(
    "body",
    [
        ok(),
        ok(headers=""),
        ok(b"5\r\na,y\n1\r\n7\r\n,2\n3,4\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n"),
    ],
    ids=["with its length", "without its length", "in chunks"],
)
def test_a_named_host_is_read_however_it_sends_a_file(body: bytes, tmp_path: Path) -> None:
    with host(body) as server:
        access = Access([f"{server.url}/sets"], "/")
        assert rows(f"{server.url}/sets/t.csv", access, tmp_path) == 2
        assert rows(f"{server.url}/sets/t.csv?token=a%20b", access, tmp_path) == 2


@pytest.mark.parametrize(
    "written",
    ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_not_asked_however_it_is_written(scheme: str, written: str, tmp_path: Path) -> None:
    with host(ok(SECRET.encode())) as server:
        url = f"{scheme}://{written}:{server.url.rpartition(':')[2]}/creds?x=.csv"
        with pytest.raises(InvalidJob, match=r"this worker may not read .*STOKER_DATA_ROOTS"):
            reach(url, NOTHING, tmp_path)
        assert server.asked == 0


def test_only_what_is_below_a_named_url_is_read(tmp_path: Path) -> None:
    with host(ok()) as server:
        access = Access([f"{server.url}/sets/"], "/")
        for path in ("/creds.csv", "/setsx/t.csv", "/sets/../creds.csv", "/sets/%2e%2e/creds.csv", "/sets/%2E./x.csv"):
            with pytest.raises(InvalidJob):
                reach(f"{server.url}{path}", access, tmp_path)
        for host_ in ("127.1", "localhost", "[::ffff:127.0.0.1]"):
            with pytest.raises(InvalidJob):
                reach(f"http://{host_}:{server.url.rpartition(':')[2]}/sets/t.csv", access, tmp_path)
        assert server.asked == 0


@pytest.mark.parametrize(
    "to", ["{other}/creds.csv", "https://localhost:1/x.csv", "file:///etc/passwd", "ftp://h/x.csv", ""]
)
def test_a_redirect_is_followed_only_to_what_may_be_read(to: str, tmp_path: Path) -> None:
    with host(ok(SECRET.encode())) as other, host(redirect(to.format(other=other.url))) as server:
        with pytest.raises(InvalidJob) as error:
            reach(f"{server.url}/t.csv", Access([server.url], "/"), tmp_path)
        assert SECRET not in error.value.message
        assert other.asked == 0


@pytest.mark.parametrize(
    "to", ["https://h:99999/", "http://[", "https:///x.csv", f"https://{'a' * 64}.com/", "//..com/"]
)
def test_a_redirect_to_no_host_is_told_of_with_the_url_that_was_asked(to: str, tmp_path: Path) -> None:
    message = r"/t\.csv redirects to a URL that names no host"
    with host(redirect(to)) as server, pytest.raises(InvalidJob, match=message):
        reach(f"{server.url}/t.csv", Access([server.url], "/"), tmp_path)


def test_a_redirect_within_a_named_host_is_followed_and_one_in_a_circle_is_not(tmp_path: Path) -> None:
    with host(ok()) as other, host(redirect(f"{other.url}/t.csv")) as server:
        assert rows(f"{server.url}/t.csv", Access([server.url, other.url], "/"), tmp_path) == 2
    with host(redirect("/t.csv")) as server, pytest.raises(InvalidJob, match="redirects more than 5 times"):
        reach(f"{server.url}/t.csv", Access([server.url], "/"), tmp_path)


def test_a_name_that_resolves_to_a_private_address_is_not_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name whose owner answers with another address each time is looked up once, and that address is judged."""
    with host(ok()) as server:
        port = int(server.url.rpartition(":")[2])
        answer = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [answer])
        with pytest.raises(InvalidJob, match="may not read"):
            reach("https://rebound.example/t.csv", NOTHING, tmp_path)
        assert server.asked == 0


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        *((address, False) for address in (
            "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1",
            "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "fe80::1",
            "fe80::1%eth0",
            "fc00::1", "fec0::1", "ff02::1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe", "2001:db8::1",
        )),
    ],
)  # fmt: skip
def test_the_addresses_of_the_internet_are_public_and_no_others(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "ref",
    [
        "ftp://10.0.0.1/x.csv", "sftp://h/x.csv", "smb://h/x.csv", "hdfs://h/x.csv", "webhdfs://h:50070/x.csv",
        "http://example.com/x.csv",
    ],
)  # fmt: skip
def test_other_schemes_are_refused_unless_named(ref: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match=r"data_roots"):
        reach(ref, NOTHING, tmp_path)


@pytest.mark.parametrize("scheme", sorted(BUCKETS))
def test_every_bucket_that_can_be_a_store_can_hold_data(scheme: str) -> None:
    assert split(f"{scheme}://bucket/x.csv")[0] == scheme
    Access([], "/store").remote(f"{scheme}://bucket/x.csv")
    with pytest.raises(InvalidJob, match="names no host"):
        split(f"{scheme}://b[x]/x.csv")


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("zip://x.csv::http://h/y.zip", "chains"),
        ("simplecache::http://h/x.csv", "chains"),
        ("reference://x.csv", "unknown scheme"),
        ("simplecache://x.csv", "unknown scheme"),
        ("zip://x.csv", "unknown scheme"),
        ("memory://x.csv", "unknown scheme"),
        ("github://o:r@main/x.csv", "unknown scheme"),
        ("data://text/csv,a", "must end in|unknown scheme"),
        ("https://user:pw@example.com/x.csv", "holds a user or a password"),
        ("https://example.com@127.0.0.1/x.csv", "holds a user or a password"),
        ("https:///x.csv", "names no host"),
        ("https://[fe80:/x.csv", "names no host"),
        ("https://h:99999/x.csv", "names no host"),
        (f"https://{'a' * 64}.com/x.csv", "names no host"),
        ("https://..com/x.csv", "names no host"),
        ("sftp://h:99999/x.csv", "names no host"),
        ("s3://[/x.csv", "names no host"),
    ],
)
def test_what_no_worker_reads_is_refused_at_the_door_too(ref: str, message: str, tmp_path: Path) -> None:
    for check in (preflight, lambda ref: reach(ref, Access(["/"], "/"), tmp_path)):
        with pytest.raises(InvalidJob, match=message) as error:
            check(ref)
        assert "pw" not in error.value.message


def test_an_ipv6_host_is_no_chain(tmp_path: Path) -> None:
    assert preflight("http://[::1]:8000/x.csv") == "http://[::1]:8000/x.csv"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that may be read, beside one that may not."""
    for name in ("data", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_bytes(TABLE)
    return tmp_path / "data"


def test_files_are_read_in_named_folders_and_in_the_store(data: Path, tmp_path: Path) -> None:
    assert rows(str(data / "t.csv"), Access([str(data)], "/no-such-store"), tmp_path) == 2
    assert rows(f"file://{data}/*.csv", Access([], str(data)), tmp_path) == 2
    assert rows(str(data / "t.csv"), Access(["/"], "/"), tmp_path) == 2


@pytest.mark.parametrize("written", ["{other}/t.csv", "file://{other}/t.csv", "local://{other}/t.csv",
                                     "{data}/../other/t.csv", "{data}/link.csv", "{data}/folder/t.csv", "{data}/l*.csv",
                                     "{data}/*/t.csv", "{data}/../other/*.csv", "{other}/missing.csv", "/etc/*.csv",
                                     "{data}/dangling.csv"])  # fmt: skip
def test_nothing_leads_out_of_a_named_folder(written: str, data: Path, tmp_path: Path) -> None:
    other = data.parent / "other"
    (data / "link.csv").symlink_to(other / "t.csv")
    (data / "folder").symlink_to(other)
    (data / "dangling.csv").symlink_to(other / "missing.csv")
    with pytest.raises(InvalidJob, match=r"this worker may not read .*data_roots|no file matches") as error:
        reach(written.format(data=data, other=other), Access([str(data)], "/no-such-store"), tmp_path)
    assert "missing" not in error.value.message or "missing" in written


def test_what_is_no_file_is_refused_even_where_everything_may_be_read(data: Path, tmp_path: Path) -> None:
    os.mkfifo(data / "pipe.csv")
    (data / "zero.csv").symlink_to("/dev/zero")
    (data / "environment.csv").symlink_to("/proc/self/environ")
    (data / "folder.csv").mkdir()
    for name in ("pipe.csv", "zero.csv", "environment.csv", "folder.csv", "loop.csv"):
        with pytest.raises(InvalidJob):
            reach(str(data / name), Access(["/"], "/"), tmp_path)
    for name in ("pipe.csv", "folder.csv"):
        with pytest.raises(InvalidJob):
            preflight(str(data / name))


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (ok(headers="Content-Length: 1000\r\n"), Unavailable, "broke off after 12 of 1,000 bytes"),
        (ok(b"ff\r\nab", "Transfer-Encoding: chunked\r\n"), Unavailable, "broke off"),
        (b"", Unavailable, "broke off"),
        (
            b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
            Unavailable,
            "its host answers 503",
        ),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", InvalidJob, "there is no file"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", InvalidJob, "may not be read"),
        (b"HTTP/1.1 418 Tea\r\nContent-Length: 0\r\n\r\n", InvalidJob, "answers 418; expected 200"),
        (b"-ERR " + SECRET.encode() + b"\r\n", InvalidJob, "does not answer as a web server"),
        (ok(headers="Content-Encoding: gzip\r\n"), InvalidJob, "sent compressed"),
        (ok(headers=f"Content-Length: {1 << 60}\r\n"), InvalidJob, "is larger than"),
        (ok(f"a,y\n1,{SECRET}\n{SECRET}\n".encode()), InvalidJob, "line 3: 1 cells, but the header has 2"),
    ],
)
def test_a_host_that_fails_is_told_of_in_one_sentence(
    answer: bytes, error: type[StokerError], message: str, tmp_path: Path
) -> None:
    with host(answer) as server, pytest.raises(error, match=message) as raised:
        rows(f"{server.url}/t.csv", Access([server.url], "/"), tmp_path)
    assert "\n" not in raised.value.message
    assert SECRET not in raised.value.message
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with suppress(TimeoutError):
        while True:
            connection.sendall(b"a")
            threading.Event().wait(0.01)


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    drip(connection)


@pytest.mark.parametrize("answer", [drip, drip_headers, lambda connection: connection.recv(1)])
def test_a_host_that_is_too_slow_is_given_up(
    answer: Callable[[socket.socket], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "GRACE_S", 0.3)
    with host(answer) as server, pytest.raises(Unavailable, match="too slow"):
        reach(f"{server.url}/t.csv", Access([server.url], "/"), tmp_path)


def test_an_answer_without_end_is_cut_at_what_a_worker_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "LARGEST_BYTES", 10_000)
    with host(ok(b"a" * 100_000, "")) as server, pytest.raises(InvalidJob, match="larger than the 10,000 bytes"):
        reach(f"{server.url}/t.csv", Access([server.url], "/"), tmp_path)


def test_a_host_that_is_away_is_unavailable(tmp_path: Path) -> None:
    with host(b"") as server:
        url = server.url
    with pytest.raises(Unavailable, match="cannot be reached"):
        reach(f"{url}/t.csv", Access([url], "/"), tmp_path)


def test_a_setting_names_folders_and_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_DATA_ROOTS", "/data,http://data.internal:8000/sets/")
    assert Settings().data_roots == ("/data", "http://data.internal:8000/sets/")
    for wrong in (
        "data",
        "~/data",
        "nowhere://x",
        "http://",
        "http://u:p@h/",
        "http://h/?x",
        "zip://x",
        "http://h:99999/",
    ):
        with pytest.raises(ValueError, match="expected"):
            checked_root(wrong)
        with pytest.raises(InvalidSettings, match="data_roots"):
            Settings(data_roots=(wrong,))


def test_large_arrays_that_are_not_there_are_refused_unread(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"few")
    with pytest.raises(InvalidJob, match=r"should have 8,000,000,000,000 bytes by its header, but has 3"):
        rows(str(tmp_path / "t.npz"), Access(["/"], "/"), tmp_path)
