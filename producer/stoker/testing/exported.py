"""A made-up export: files of the right names, which hold no model."""

import hashlib
import io
import tarfile
from datetime import UTC, datetime

from ..kinds import Export, ExportResult
from ..models.exported import EXPORTED_AS, MANIFEST, ExportedFile, ExportedTensor, ExportManifest
from ..models.manifest import Artifact, ModelVersion
from ..models.signature import TensorSpec
from ..models.store import Store

_CONTENT = b"made up"


def exported(spec: Export, version: ModelVersion, job_id: str, rows: int, store: Store) -> ExportResult:
    """The result of an export, with its files in the store, or said to be where the job wants them."""
    name = spec.name or version.name
    packs = spec.format == "savedmodel" and not spec.compress
    path = "saved_model.pb" if packs else f"{EXPORTED_AS[spec.format]}{'.zst' if spec.compress else ''}"
    listed = ExportedFile(path=path, sha256=hashlib.sha256(_CONTENT).hexdigest(), bytes=len(_CONTENT))
    result = ExportResult(
        model=version.ref, format=spec.format, part=spec.part, compress=spec.compress, written=(listed,), rows=rows,
        rows_of="made up", difference=0.0, tolerance=spec.tolerance,
    )  # fmt: skip
    if spec.to:
        return result.model_copy(update={"where": f"{spec.to}/{name}/{version.version}"})
    manifest = ExportManifest(
        **{field: getattr(result, field) for field in ("model", "format", "part", "compress", "rows", "rows_of")},
        digest=listed.sha256, files=(listed,), inputs=tuple(map(_tensor, version.signature.inputs)),
        outputs=tuple(map(_tensor, version.signature.outputs)), batch=None, signature=version.signature,
        difference=0.0, tolerance=spec.tolerance, notes=(), job=job_id, written_at=datetime.now(UTC),
    )  # fmt: skip
    files = {
        "model": _tar(f"{name}/{version.version}/{path}", store) if packs else store.put_bytes(_CONTENT, path),
        "manifest": store.put_bytes(manifest.model_dump_json(indent=1).encode(), MANIFEST),
    }
    return result.model_copy(update={"files": files})


def _tar(path: str, store: Store) -> Artifact:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        member = tarfile.TarInfo(path)
        member.size = len(_CONTENT)
        tar.addfile(member, io.BytesIO(_CONTENT))
    return store.put_bytes(content.getvalue(), EXPORTED_AS["savedmodel"])


def _tensor(spec: TensorSpec) -> ExportedTensor:
    return ExportedTensor(
        name=spec.own_name, meaning=spec.name, dtype=spec.dtype, shape=spec.shape, columns=spec.columns
    )
