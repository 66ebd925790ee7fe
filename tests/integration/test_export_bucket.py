"""An export in a bucket, where there are no folders to move."""

from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from stoker.errors import InvalidJob
from stoker.models.export_folder import digest_of, place
from stoker.models.exported import MANIFEST, ExportedFile, ExportManifest
from stoker.models.signature import Signature


@pytest.mark.slow
def test_an_export_in_a_bucket_is_whole_once_its_manifest_is_there(s3: str, tmp_path: Path) -> None:
    where = f"{s3}/models/digits/3"
    (tmp_path / "model.onnx").write_bytes(b"model")
    listed = ExportedFile(path="model.onnx", sha256=digest_of(tmp_path / "model.onnx"), bytes=5)
    manifest = ExportManifest(
        model="digits@3", digest="0" * 64, format="onnx", part="model", compress=None, files=(listed,), inputs=(),
        outputs=(), batch=None, signature=Signature(inputs=(), outputs=(), task="regression"), rows=1, rows_of="",
        difference=0.0, tolerance=0.0, notes=(), job="job", written_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    (tmp_path / MANIFEST).write_text(manifest.model_dump_json())
    steps = iter(range(2))
    with pytest.raises(StopIteration):
        place(tmp_path, where, manifest, lambda: (next(steps), next(steps), None)[-1])
    bucket = fsspec.filesystem("s3")
    other = manifest.model_copy(update={"job": "another"})
    with pytest.raises(InvalidJob, match="no whole export"):
        place(tmp_path, where, other, lambda: None)
    assert place(tmp_path, where, manifest, lambda: None) is manifest
    bucket.invalidate_cache()
    assert sorted(path.rpartition("/")[2] for path in bucket.find(where)) == [MANIFEST, "model.onnx"]
    assert place(tmp_path, where, other, lambda: None) == manifest
