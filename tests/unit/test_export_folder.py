"""Where exports may be written, and that they are there whole or not at all."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from stoker.errors import InvalidJob, InvalidSettings
from stoker.models.export_folder import digest_of, place
from stoker.models.exported import MANIFEST, ExportedFile, ExportManifest
from stoker.models.signature import Signature
from stoker.models.targets import Targets, checked_target
from stoker.outages import DependencyUnavailable
from stoker.settings import Settings

SIGNATURE = Signature(inputs=(), outputs=(), task="regression")


def nothing() -> None:
    """A step that goes on."""


@pytest.fixture
def built(tmp_path: Path) -> Callable[..., tuple[Path, ExportManifest]]:
    """Makes what a job has made, in a folder of its own."""

    def build(content: str = "weights", model: str = "digits@3", job: str = "job") -> tuple[Path, ExportManifest]:
        folder = tmp_path / f"built-{len(list(tmp_path.iterdir()))}"
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_text("graph")
        (folder / "variables" / "data").write_text(content)
        files = tuple(
            ExportedFile(path=path, sha256=digest_of(folder / path), bytes=(folder / path).stat().st_size)
            for path in ("saved_model.pb", "variables/data")
        )
        manifest = ExportManifest(
            model=model, digest="0" * 64, format="savedmodel", part="model", compress=None, files=files, inputs=(),
            outputs=(), batch=None, signature=SIGNATURE, rows=1, rows_of="made up", difference=0.0, tolerance=0.0,
            notes=(), job=job, written_at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        (folder / MANIFEST).write_text(manifest.model_dump_json())
        return folder, manifest

    return build


Built = Callable[..., tuple[Path, ExportManifest]]


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A target, as an URL or a path."""
    if request.param == "folder":
        return str(tmp_path / "models")
    fsspec.filesystem("memory").rm("/", recursive=True) if fsspec.filesystem("memory").exists("/models") else None
    return "memory://models"


def contents(where: str) -> dict[str, bytes]:
    system, path = fsspec.core.url_to_fs(where)
    found = system.find(path) if system.exists(path) else []
    return {each.removeprefix(f"{path}/"): system.cat_file(each) for each in found}


def test_an_export_is_there_whole_and_never_overwritten(built: Built, root: str) -> None:
    where = f"{root}/digits/3"
    folder, manifest = built()
    assert place(folder, where, manifest, nothing) is manifest
    written = contents(where)
    assert set(written) == {"saved_model.pb", "variables/data", MANIFEST}
    again, same = built("other bytes of the same version")
    assert place(again, where, same, nothing) == manifest, "a whole one is left as it is"
    another, other = built(model="digits@4")
    with pytest.raises(InvalidJob, match="has digits@3 as savedmodel, and nothing is overwritten"):
        place(another, where, other, nothing)
    assert contents(where) == written
    system, path = fsspec.core.url_to_fs(where)
    system.pipe_file(f"{path}/variables/data", b"damaged")
    with pytest.raises(InvalidJob, match=r"variables/data of it has changed"):
        place(again, where, same, nothing)


def test_a_lost_attempt_leaves_nothing_that_looks_whole_and_the_next_goes_on(built: Built, root: str) -> None:
    where = f"{root}/digits/3"
    folder, manifest = built()
    left: list[dict[str, bytes]] = []
    for steps in range(1, 9):
        called = 0

        def step(last: int = steps) -> None:
            nonlocal called
            called += 1
            if called >= last:
                raise KeyboardInterrupt

        try:
            place(folder, where, manifest, step)
            break
        except KeyboardInterrupt:
            left.append(contents(where))
            assert MANIFEST not in left[-1]
    assert len(left) >= 2
    assert place(folder, where, manifest, nothing).files == manifest.files
    assert set(contents(where)) == {"saved_model.pb", "variables/data", MANIFEST}
    if "://" not in root:
        assert not any(left), "a folder appears at once"
        assert [path.name for path in Path(root, "digits").iterdir()] == ["3"]


def test_what_is_nobodys_export_is_left_alone(built: Built, root: str) -> None:
    where = f"{root}/digits/3"
    system, path = fsspec.core.url_to_fs(f"{where}/mine")
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    system.pipe_file(path, b"mine")
    folder, manifest = built()
    with pytest.raises(InvalidJob, match="has files that are no whole export"):
        place(folder, where, manifest, nothing)
    assert contents(where) == {"mine": b"mine"}


def test_what_cannot_be_written_is_told_and_what_passes_is_waited_for(built: Built, tmp_path: Path) -> None:
    folder, manifest = built()
    (tmp_path / "file").touch()
    with pytest.raises(InvalidJob, match="cannot be written to"):
        place(folder, str(tmp_path / "file" / "digits" / "3"), manifest, nothing)

    def full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DependencyUnavailable, match="has no space left"):
        place(folder, str(tmp_path / "full" / "3"), manifest, full)


def test_a_worker_writes_where_its_setting_says(tmp_path: Path) -> None:
    (models := tmp_path / "models").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    (models / "digits").symlink_to("/etc")
    store = tmp_path / "models" / "store"
    targets = Targets([str(models), "sftp://host/serving/"], str(store))
    assert targets.folder(str(models), "wine", 3) == f"{models}/wine/3"
    assert targets.folder("s3://bucket/models/", "wine", 3) == "s3://bucket/models/wine/3"
    assert targets.folder("sftp://host/serving", "wine", 3) == "sftp://host/serving/wine/3"
    for refused in (str(tmp_path), str(tmp_path / "link"), f"{models}/../other", "sftp://host/elsewhere", "sftp://b/"):
        with pytest.raises(InvalidJob, match=r"may not write to .*export_roots"):
            targets.folder(refused, "wine", 3)
    with pytest.raises(InvalidJob, match="may not write to"):
        targets.folder(str(models), "digits", 3)
    for refused in (str(store), str(models)):
        with pytest.raises(InvalidJob, match="is in the artifact store"):
            targets.folder(refused, "store", 3)
    with pytest.raises(InvalidJob, match="is of the system's own"):
        Targets(["/"], "/store").folder("/proc/sys", "kernel", 3)
    in_bucket = Targets([], "s3://bucket/stoker")
    assert in_bucket.folder("s3://bucket/stoker-exports", "wine", 3) == "s3://bucket/stoker-exports/wine/3"
    with pytest.raises(InvalidJob, match="is in the artifact store"):
        in_bucket.folder("s3a://bucket/stoker/sha256", "wine", 3)


def test_a_target_is_checked_before_the_job_is_queued(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_target("models") == f"{tmp_path}/models"
    assert checked_target("file:///models") == "/models"
    for refused in (
        "https://host/models",
        "zip://a",
        "memory://a",
        "/a::b",
        "s3://bucket/../other",
        "s3://me:secret@host/a",
    ):
        with pytest.raises(InvalidJob) as error:
            checked_target(refused)
        assert "secret" not in error.value.message
    for wrong in ("models", "https://host/"):
        with pytest.raises(InvalidSettings, match="export_roots"):
            Settings(export_roots=(wrong,))
