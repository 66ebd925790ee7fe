"""Executes `Export`: a version becomes files for other programs, is compared with itself, and placed."""

import platform
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from stoker.kinds import Export, ExportResult
from stoker.kinds.export import require_exportable
from stoker.models.export_folder import digest_of, look_at, place
from stoker.models.exported import MANIFEST, ExportedFile, ExportedTensor, ExportManifest
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.model_files import PREPROCESSING, predicting_file
from stoker.models.signature import TensorSpec

from ..ml.exporting.built import Built
from ..ml.exporting.comparing import Compared, compare
from ..ml.exporting.making import make
from ..ml.exporting.packing import compressed, packed
from ..ml.progress import obey_stop
from ..ml.run import Outcome, Run
from ..ml.writing import write_result


def run(spec: Export, run: Run) -> Outcome:
    """Make the spec's export, compare it with the version, and place it.

    Raises:
        InvalidJob: it cannot be made, computes something else, or its place cannot be written to.
        Stopped: a stop was asked for.
        Unavailable: the place is away.
    """
    [version] = run.models
    require_exportable(version, spec)
    name = spec.name or version.name
    # Before anything is computed that could not be written.
    where = None if spec.to is None else run.targets.folder(spec.to, name, version.version)
    if where is not None:
        look_at(where)
    (folder := run.scratch / "export").mkdir()
    built = make(spec, version, run, folder)
    run.say(f"made {spec.format} of {version.ref}: {sum(each.bytes for each in _files(folder)):,} bytes", *built.notes)
    compared = compare(spec, version, built, run)
    run.say(
        f"it computes the same on {compared.rows:,} rows {compared.rows_of}: within {compared.difference:.2g} of the "
        f"largest output, and {spec.tolerance:g} is allowed"
    )
    model = built.path
    within = f"{name}/{version.version}"
    if spec.compress:
        model = packed(folder, within, run) if spec.format == "savedmodel" else model
        model = compressed(model, run)
    manifest = _manifest(spec, version, built, compared, run)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1))
    obey_stop(run)
    if where is not None:
        placed = place(folder, where, manifest, partial(obey_stop, run))
        of = "" if "://" in where else f" of {platform.node()}"
        run.say(f"{where}{of} has it{'' if placed is manifest else ' already, whole; it is left as it is'}")
        return Outcome(_result(spec, placed, {}, where))
    if spec.format == "savedmodel" and not spec.compress:
        (folder / MANIFEST).rename(run.scratch / MANIFEST)
        model = packed(folder, within, run)
        (run.scratch / MANIFEST).rename(folder / MANIFEST)
    return Outcome(_result(spec, manifest, _stored(model, built, folder, run), ""))


def _stored(model: Path, built: Built, folder: Path, run: Run) -> dict[str, Artifact]:
    paths = {"model": model, "manifest": folder / MANIFEST, **({PREPROCESSING: built.front} if built.front else {})}
    return {what: write_result(run, partial(run.store.put_file, path)) for what, path in paths.items()}


def _files(folder: Path) -> list[ExportedFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        ExportedFile(path=path.relative_to(folder).as_posix(), sha256=digest_of(path), bytes=path.stat().st_size)
        for path in paths
    ]


def _manifest(spec: Export, version: ModelVersion, built: Built, compared: Compared, run: Run) -> ExportManifest:
    signature = built.signature
    return ExportManifest(
        model=version.ref,
        digest=(version.files.get(spec.format) or predicting_file(version)[1]).digest,
        format=spec.format,
        part=spec.part,
        compress=spec.compress,
        files=tuple(_files(built.folder)),
        inputs=tuple(map(_tensor, signature.inputs)),
        outputs=tuple(map(_tensor, signature.outputs)),
        batch=signature.batch,
        signature=version.signature,
        rows=compared.rows,
        rows_of=compared.rows_of,
        difference=compared.difference,
        tolerance=spec.tolerance,
        notes=built.notes,
        job=run.job,
        written_at=datetime.now(UTC),
    )


def _tensor(spec: TensorSpec) -> ExportedTensor:
    return ExportedTensor(
        name=spec.own_name, meaning=spec.name, dtype=spec.dtype, shape=spec.shape, columns=spec.columns
    )


def _result(spec: Export, manifest: ExportManifest, files: dict[str, Artifact], where: str) -> ExportResult:
    return ExportResult(
        model=manifest.model,
        format=spec.format,
        part=spec.part,
        compress=spec.compress,
        where=where,
        node=platform.node() if where and "://" not in where else "",
        written=manifest.files,
        rows=manifest.rows,
        rows_of=manifest.rows_of,
        difference=manifest.difference,
        tolerance=manifest.tolerance,
        notes=manifest.notes,
        files=files,
    )
