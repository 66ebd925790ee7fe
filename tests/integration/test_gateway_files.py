"""Files by the gateway: put into the store whole, verified and in parts, and read from any place."""

import hashlib
import http.client
import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import stoker
from stoker.gateway.files import receiving
from stoker.models import store as stores
from stoker.models.encryption import new_key
from stoker.models.store import uploads as stored
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .gateways import Answer, Gateway, keys_of_all_roles, running_gateway

TABLE = b"age,colour,label\n" + b"".join(
    b"%d,%s,%d\n" % (age, (b"red", b"blue")[age % 2], age % 2) for age in range(60)
)
LONG = bytes(range(256)) * 1000


@pytest.fixture(params=["plain", "encrypted", "bucket", "pieces"])
def gateway(
    request: pytest.FixtureRequest,
    redis_url: str,
    eventually: Eventually,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Gateway]:
    """A gateway whose files are long before they are long."""
    monkeypatch.setattr(stores, "_IN_MEMORY_BYTES", 100_000)
    monkeypatch.setattr(stores, "_BLOCK_BYTES", 7_000)
    monkeypatch.setattr(receiving, "_BLOCK_BYTES", 50_000)
    given: dict[str, str] = {"store_url": str(tmp_path / "store")}
    if request.param == "encrypted":
        new_key(tmp_path / "key")
        given["encryption_key"] = str(tmp_path / "key")
    if request.param in ("bucket", "pieces"):
        monkeypatch.setattr(stored, "PIECE_BYTES", 30_000 if request.param == "pieces" else 120_000)
        monkeypatch.setattr(stored, "_BLOCK_BYTES", 10_000)
        given["store_url"] = f"memory://{tmp_path.name}"
    keys = keys_of_all_roles()
    keys.add("research", role="operator", tenants=("research",))
    settings = Settings(redis_url=redis_url, gateway_file_bytes=300_000, gateway_body_bytes=4096, **given)
    with running_gateway(settings, eventually, keys) as gateway:
        yield gateway


def put(gateway: Gateway, data: bytes, name: str = "rows.bin") -> Answer:
    digest = hashlib.sha256(data).hexdigest()
    return gateway.call("PUT", f"/v1/files/{digest}/{name}", data, key="client")


def test_a_file_is_put_and_read_back_from_any_place(gateway: Gateway) -> None:
    told = put(gateway, LONG)
    assert told.status == 201, told.body
    digest = hashlib.sha256(LONG).hexdigest()
    assert told.json == {"ref": f"store://{digest}/rows.bin", "size": len(LONG)}
    path = told.headers["location"]
    assert path == f"/v1/files/{digest}/rows.bin"
    whole = gateway.call("GET", path, key="viewer")
    assert (whole.status, whole.body == LONG) == (200, True)
    assert (whole.headers["etag"], whole.headers["accept-ranges"]) == (f'"{digest}"', "bytes")
    # Whatever is in it, a browser saves it.
    assert whole.headers["content-disposition"] == 'attachment; filename="rows.bin"'
    assert whole.headers["content-type"] == "application/octet-stream"
    head = gateway.call("HEAD", path, key="viewer")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(LONG)))
    for asked, start, stop in (
        ("0-0", 0, 1),
        ("100-", 100, len(LONG)),
        ("29990-60010", 29_990, 60_011),
        ("-5", len(LONG) - 5, len(LONG)),
        ("255999-999999", 255_999, 256_000),
        ("0-", 0, len(LONG)),
    ):
        part = gateway.call("GET", path, key="viewer", headers={"Range": f"bytes={asked}"})
        assert (part.status, part.body == LONG[start:stop]) == (206, True), asked
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(LONG)}"
    for beyond in ("256000-", "-0"):
        refused = gateway.call("GET", path, headers={"Range": f"bytes={beyond}"})
        assert (refused.status, refused.headers["content-range"]) == (416, f"bytes */{len(LONG)}"), beyond
    for none in ("lines=0-1", "bytes=5-1", "bytes=0-1,3-4", "bytes=x", "bytes=" + "9" * 40 + "-"):
        assert gateway.call("GET", path, headers={"Range": none}).body == LONG, none
    other = {"Range": "bytes=0-0", "If-Range": '"other"'}
    assert gateway.call("GET", path, headers=other).status == 200
    assert gateway.call("GET", path, headers={**other, "If-Range": f'"{digest}"'}).status == 206
    known = gateway.call("GET", path, headers={"If-None-Match": f'"other", W/"{digest}"'})
    assert (known.status, known.body) == (304, b"")


def test_what_is_not_as_its_sender_says_is_not_kept(gateway: Gateway) -> None:
    path = f"/v1/files/{'0' * 64}/rows.bin"
    told = gateway.call("PUT", path, LONG)
    assert (told.status, told.json["code"]) == (422, "Corrupt")
    assert gateway.call("GET", path).json["code"] == "NotFound"
    assert gateway.call("HEAD", path).status == 404
    for wrong in (f"/v1/files/{'0' * 63}/x", f"/v1/files/{'A' * 64}/x", f"/v1/files/{'0' * 64}/.x"):
        assert gateway.call("PUT", wrong, LONG).status in (400, 404), wrong
    packed = gateway.call("POST", "/v1/files?name=x.csv", LONG, headers={"Content-Encoding": "gzip"})
    assert packed.status == 415
    part = gateway.call("POST", "/v1/files?name=x.csv", LONG, headers={"Content-Range": "bytes 0-9/99"})
    assert part.status == 400
    nameless = gateway.call("POST", "/v1/files?name=Stra%C3%9Fe.csv", b"x").json["detail"]
    assert nameless.startswith("name: 'Straße.csv' is not taken: expected up to 128 letters and digits")
    empty = gateway.call("POST", "/v1/files?name=x.csv", b"")
    assert (empty.status, empty.json["code"]) == (422, "InvalidBody")
    mistyped = gateway.call("POST", "/v1/files?name=x.csv&keepdays=1", b"x")
    assert (mistyped.status, mistyped.json["detail"]) == (
        400,
        "the query has an unknown 'keepdays': it takes 'keep_days', 'name'",
    )
    bodiless = gateway.call("POST", "/v1/files/join", b"", headers={"Content-Type": "application/json"})
    assert (bodiless.status, bodiless.json["detail"]) == (422, "body: there is none: send a document of JSON")
    for days in ("0", "-1", "nan", "1e9", "x"):
        assert gateway.call("POST", f"/v1/files?name=x.csv&keep_days={days}", b"x").status == 400, days


def test_a_file_that_is_too_long_is_refused_told_or_not(gateway: Gateway) -> None:
    told = gateway.call("POST", "/v1/files?name=x.csv", 2 * LONG)
    assert (told.status, told.json["code"]) == (413, "ContentTooLarge")
    with closing(gateway.connect()) as connection:
        headers = {"Authorization": f"Bearer {gateway.keys.texts['client']}"}
        connection.request("POST", "/v1/files?name=x.csv", iter([LONG, LONG]), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    # Elsewhere a body of that length is none.
    assert gateway.call("POST", "/v1/jobs", LONG).status == 413
    assert gateway.call("POST", "/v1/files/join", LONG, headers={"Content-Type": "application/json"}).status == 413


def test_parts_make_a_file(gateway: Gateway) -> None:
    digest = hashlib.sha256(LONG).hexdigest()
    parts = [put(gateway, LONG[start : start + 90_000], f"part-{start}").json["ref"] for start in (0, 90_000, 180_000)]
    wanted = {"name": "rows.bin", "parts": parts, "digest": digest}
    told = gateway.call("POST", "/v1/files/join", wanted, key="client")
    assert (told.status, told.json) == (201, {"ref": f"store://{digest}/rows.bin", "size": len(LONG)}), told.body
    assert gateway.call("GET", told.headers["location"]).body == LONG
    swapped = gateway.call("POST", "/v1/files/join", {**wanted, "parts": parts[::-1]})
    assert (swapped.status, swapped.json["code"]) == (422, "Corrupt")
    for fields, status in (
        ({"parts": []}, 422),
        ({"parts": [*parts, f"store://{'1' * 64}/no"]}, 400),
        ({"parts": ["file:///etc/passwd"]}, 422),
        ({"parts": parts * 2}, 413),
        ({"digest": "x"}, 422),
        ({"name": "../x"}, 422),
        ({"more": 1}, 422),
    ):
        assert gateway.call("POST", "/v1/files/join", {**wanted, **fields}).status == status, fields


def test_files_are_listed_and_forgotten(gateway: Gateway) -> None:
    told = gateway.call("POST", "/v1/files?name=people.csv&keep_days=2", TABLE, key="client")
    assert told.json["ref"].endswith("/people.csv")
    [listed] = gateway.call("GET", "/v1/files", key="viewer").json["files"]
    assert (listed["ref"], listed["size"], listed["files"]) == (told.json["ref"], len(TABLE), 1)
    # Who is for some tenants may read what it knows, learns of no other's, and takes nothing from them.
    assert gateway.call("GET", "/v1/files", key="research").status == 403
    assert gateway.call("DELETE", told.headers["location"], key="research").status == 403
    assert gateway.call("GET", told.headers["location"], key="research").body == TABLE
    assert gateway.call("DELETE", told.headers["location"], key="operator").status == 204
    assert gateway.call("DELETE", told.headers["location"], key="operator").status == 404
    assert gateway.call("GET", told.headers["location"]).status == 404


def test_a_file_of_a_folder_is_read(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "photos" / "2024 ü").mkdir(parents=True)
    (tmp_path / "photos" / "2024 ü" / "a b.jpg").write_bytes(LONG)
    state = gateway.server._state
    with stoker.Client(settings=state.settings) as client:
        ref = client.upload(tmp_path / "photos")
    path = f"/v1/files/{ref.removeprefix('store://')}"
    assert gateway.call("GET", f"{path}/2024%20%C3%BC/a%20b.jpg", headers={"Range": "bytes=-9"}).body == LONG[-9:]
    for nothing in ("", "/2024%20%C3%BC", "/../x", "/none"):
        told = gateway.call("GET", f"{path}{nothing}")
        assert (told.status, told.json["code"]) in ((404, "NotFound"), (422, "InvalidJob")), nothing


def test_what_has_changed_in_the_store_is_not_sent_to_its_end(
    redis_url: str, eventually: Eventually, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_IN_MEMORY_BYTES", 100_000)
    monkeypatch.setattr(stores, "_BLOCK_BYTES", 7_000)
    settings = Settings(redis_url=redis_url, store_url=str(tmp_path / "store"))
    with running_gateway(settings, eventually) as gateway:
        for data, is_cut in ((LONG, True), (TABLE, False)):
            told = put(gateway, data)
            [file] = (tmp_path / "store").rglob(f"{hashlib.sha256(data).hexdigest()}/data")
            file.write_bytes(b"!" + data[1:])
            if is_cut:
                with pytest.raises(http.client.IncompleteRead):
                    gateway.call("GET", told.headers["location"])
            else:
                refused = gateway.call("GET", told.headers["location"])
                assert (refused.status, str(tmp_path) in refused.body.decode()) == (502, False)
            joined = gateway.call("POST", "/v1/files/join", {"name": "whole.bin", "parts": [told.json["ref"]]})
            assert (joined.status, joined.json["code"]) == (502, "Corrupt")
        file.unlink()
        assert gateway.call("GET", told.headers["location"]).status == 410
        assert gateway.call("HEAD", told.headers["location"]).status == 410
        joined = gateway.call("POST", "/v1/files/join", {"name": "whole.bin", "parts": [told.json["ref"]]})
        assert (joined.status, joined.json["code"]) == (410, "Missing")


def test_a_table_is_uploaded_trained_on_and_the_model_fetched(
    client: stoker.Client, stack: Settings, eventually: Eventually
) -> None:
    keys = keys_of_all_roles()
    keys.add("others", models=("other-*",))
    with running_gateway(stack, eventually, keys) as gateway:
        ref = gateway.call("POST", "/v1/files?name=people.csv", TABLE, key="client").json["ref"]
        spec = {"kind": "train", "model": "people", "data": ref, "target": "label", "epochs": 1, "device": "cpu"}
        job = gateway.call("POST", "/v1/jobs", spec, key="client").json["id"]
        client.job(job).wait(PATIENCE_S)
        assert gateway.call("GET", f"/v1/jobs/{job}/result").status == 200
        files = gateway.call("GET", "/v1/models/people/files", key="viewer").json["files"]
        fetched = gateway.call("GET", "/v1/models/people/files/keras", key="viewer")
        assert hashlib.sha256(fetched.body).hexdigest() == files["keras"]["digest"]
        made = gateway.call("GET", f"/v1/jobs/{job}/files", key="viewer").json["files"]
        for name, artifact in made.items():
            body = gateway.call("GET", f"/v1/jobs/{job}/files/{name}", key="viewer").body
            assert hashlib.sha256(body).hexdigest() == artifact["digest"]
        assert made
        for path in ("models/people/files/none", f"jobs/{job}/files/none", "jobs/none/files", "models/none/files"):
            assert gateway.call("GET", f"/v1/{path}").status == 404, path
        # A key for other models sees neither this one's files nor the job that made them.
        for path, status in (("models/people/files", 403), ("models/people/files/keras", 403)):
            assert gateway.call("GET", f"/v1/{path}", key="others").status == status
        for path in ("", "/files", "/files/log", "/spec", "/result"):
            assert gateway.call("GET", f"/v1/jobs/{job}{path}", key="others").status == 404, path


@pytest.mark.slow
def test_a_gibibyte_passes_in_constant_memory(redis_url: str, eventually: Eventually, tmp_path: Path) -> None:
    def peak() -> int:
        status = Path("/proc/self/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) << 10

    size, block = 1 << 30, os.urandom(1 << 20)
    with running_gateway(Settings(redis_url=redis_url, store_url=str(tmp_path / "store")), eventually) as gateway:
        put(gateway, LONG)
        Path("/proc/self/clear_refs").write_text("5")
        before = peak()
        with closing(gateway.connect()) as connection:
            headers = {"Authorization": f"Bearer {gateway.keys.texts['client']}", "Content-Length": str(size)}
            connection.request("POST", "/v1/files?name=long.bin", (block for _ in range(size >> 20)), headers)
            answer = connection.getresponse()
            assert answer.status == 201, answer.read()
            path, headers = answer.headers["Location"], {"Authorization": headers["Authorization"]}
            answer.read()
            connection.request("GET", path, headers=headers)
            answer, read = connection.getresponse(), 0
            while part := answer.read(1 << 20):
                read += len(part)
        assert read == size
        assert peak() - before < 100 << 20
