"""What is not safe to open is refused in a sentence, noted in the audit, and opened by nobody."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stoker
from stoker.kinds import kind_of
from stoker.ledger import intake
from stoker.ledger.intake import NewJob
from stoker.redis.calls import drive
from stoker.security import audit
from stoker.security.audit import AuditEntry
from stoker_workers.attempt.claim import run_job

from .onnx_links import LINKS, linked
from .parties import WORKER, Parties, TestSlot

SECRET = "the secret of this machine"


@pytest.fixture
def folder(tmp_path: Path, parties: Parties) -> Path:
    """A folder in which the worker may read; beside it lies what it may not."""
    (tmp_path / "secret.csv").write_text(f"a,b\n1,{SECRET}\n")
    (folder := tmp_path / "data").mkdir()
    parties.connection.run(audit.look(is_on=True, limit=1))
    return folder


def slot_of(parties: Parties, folder: Path, *, trusts: bool = True) -> TestSlot:
    settings = parties.settings("worker", trusts=trusts, data_roots=(str(folder),), export_roots=(str(folder),))
    return TestSlot(settings, parties.redis_url, WORKER)


def entries_about(parties: Parties, about: str) -> list[AuditEntry]:
    entries = drive(audit.newest(100), parties.connection.run)
    return [entry for entry in entries if entry.what == "refused" and entry.about == about]


def refused(parties: Parties, folder: Path, job_id: str, spec: Any, *, trusts: bool = True) -> str:
    """Why a job is refused, which the audit says once."""
    ending = run_job(slot_of(parties, folder, trusts=trusts), job_id, f"cpu.{kind_of(spec).queue}")
    assert ending.how == "failed"
    reason = parties.reason(job_id)
    assert SECRET not in reason
    [noted] = entries_about(parties, job_id)
    assert noted.text == reason
    return reason


@pytest.mark.parametrize(
    "data",
    [
        "http://127.0.0.1:1/secret.csv",
        "https://169.254.169.254/latest/secret.csv",
        "ftp://127.0.0.1/secret.csv",
        "https://localhost/secret.csv",
    ],
)
def test_data_that_a_worker_may_not_read(parties: Parties, folder: Path, data: str) -> None:
    spec = stoker.Describe(data=data, tags={"tenant": "research"})
    job_id = parties.submit(spec=spec)
    assert "may not read" in refused(parties, folder, job_id, spec)
    [noted] = entries_about(parties, job_id)
    assert noted.tenant == "research"


def test_a_file_that_has_become_a_link(parties: Parties, folder: Path) -> None:
    (rows := folder / "rows.csv").write_text("a,b\n1,2\n")
    spec = stoker.Describe(data=str(rows))
    job_id = parties.submit(spec=spec)
    rows.unlink()
    rows.symlink_to(folder.parent / "secret.csv")
    assert "may not read" in refused(parties, folder, job_id, spec)


@pytest.mark.parametrize("way", LINKS)
def test_onnx_models_with_links_out_of_their_folder(parties: Parties, folder: Path, way: str) -> None:
    """CVE-2026-27489, CVE-2026-34446, CVE-2026-34447: `a/../../x`, a symbolic link, a hard link."""
    model = linked(folder, folder.parent / "secret.csv", way)
    spec = stoker.Import(model="harm", source=str(model))
    job_id = parties.submit(spec=spec)
    assert "in another file, which is never read" in refused(parties, folder, job_id, spec)


def test_an_archive_that_leads_out_of_its_folder(parties: Parties, folder: Path) -> None:
    with tarfile.open(folder / "m.tar", "w") as tar:
        (member := tarfile.TarInfo("m/variables")).type = tarfile.SYMTYPE
        member.linkname = "../../.."
        tar.addfile(member)
        (member := tarfile.TarInfo("m/saved_model.pb")).size = 4
        tar.addfile(member, io.BytesIO(b"\x08\x01\x08\x01"))
    spec = stoker.Import(model="harm", source=str(folder / "m.tar"))
    job_id = parties.submit(spec=spec)
    assert "m.tar has the member" in refused(parties, folder, job_id, spec)


def _data(path: str) -> Callable[[Any], Any]:
    return lambda spec: spec.model_copy(update={"data": path})


@pytest.mark.parametrize(
    "data",
    [
        "/proc/self/environ",
        "file:///etc/passwd",
        "../secret.csv",
        "store://../../secret.csv",
        "zip://secret.csv::{folder}",
        "{folder}/../secret.csv",
    ],
)
def test_a_stored_reference_that_was_changed_by_hand(parties: Parties, folder: Path, data: str) -> None:
    """CVE-2026-2614: who trusts a stored path because it was checked once. No signature tells here that it changed."""
    spec = stoker.Describe(data="sample://iris")
    job_id = parties.submit(spec=spec)
    forged = spec.model_dump_json().replace("sample://iris", data.format(folder=folder))
    parties.write(job_id, spec=forged, envelope="")
    refused(parties, folder, job_id, spec, trusts=False)


def test_a_network_that_was_written_by_hand(parties: Parties, folder: Path) -> None:
    spec = stoker.Train(
        model="m",
        data="sample://iris",
        architecture=stoker.KerasConfig(
            config={"module": "keras", "class_name": "Sequential", "config": {"layers": []}, "registered_name": None}
        ),
    )
    new = NewJob("by-hand", spec, "cpu.train")
    parties.connection.run(intake.submit([new]))
    parties.write("by-hand", spec=spec.model_dump_json().replace('"Sequential"', '"Lambda"'))
    reason = refused(parties, folder, "by-hand", spec, trusts=False)
    assert "its record holds no job" in reason
