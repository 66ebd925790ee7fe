"""The `Export` job: a version as files that other programs load, without Stoker."""

import os
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ..errors import InvalidJob
from ..models.exported import ExportedFile, ExportFormat, ExportPart
from ..models.manifest import Artifact, ModelName, ModelRef, ModelVersion
from ..models.model_files import PREPROCESSING, predicting_file
from ..models.targets import checked_target
from .accepts import Accepts
from .base import JobSpec
from .data import Data, OptionalDataRef
from .kind import Kind, SubmitChecks, preflight_for, with_fields
from .result import JobResult, Shown

_KERAS = ("keras", "h5")


def _path(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _compress(value: Any) -> Any:
    return None if value is False else value


_Target = Annotated[str, Field(min_length=1, max_length=4096)]


class Export(JobSpec["ExportResult"]):
    """Write a version as files that other programs load as they are.

    The model is converted in a process of its own, and what comes of it must compute the same as the version, on rows
    of `data`. An export appears whole or not at all, as a folder `<to>/<name>/<version>`, which TensorFlow Serving and
    Triton read so; `export.json` in it lists its files, inputs and outputs. What is there already is never overwritten.

    Attributes:
        model: a model reference.
        format: "savedmodel", "litert", "onnx", "keras" or "h5".
        to: a folder of the worker's machine, or a URL: a bucket, or what the worker's setting `export_roots` names.
            None puts the files into the store, among the job's.
        name: what the folder is called; None for the model's name.
        compress: "zstd" compresses the model's file to `….zst`, and a SavedModel, which is a folder, to
            `savedmodel.tar.zst`.
        part: "network" leaves out what prepares rows, and has it beside it as `preprocessing.keras`: for a format that
            cannot hold that.
        data: rows to compare the outputs of; None takes what the model has learned from where it takes texts, else
            rows that are made up from the ranges of its inputs.
        rows: how many of them.
        tolerance: by how much an output may differ, as a share of the largest value of that output.
    """

    kind: Literal["export"] = "export"
    model: ModelRef
    format: ExportFormat
    to: Accepts[Annotated[_Target | None, BeforeValidator(_path)], os.PathLike[str]] = Field(
        default=None, validate_default=True
    )
    name: ModelName | None = None
    compress: Accepts[Annotated[Literal["zstd"] | None, BeforeValidator(_compress)], Literal[False]] = Field(
        default=None, validate_default=True
    )
    part: ExportPart = "model"
    data: OptionalDataRef = Field(default=None, validate_default=True)
    rows: int = Field(default=256, ge=1, le=100_000)
    tolerance: float = Field(default=1e-4, ge=0, le=1)


class ExportResult(JobResult):
    """What an export gives.

    Attributes:
        model: the exact reference of the version.
        format, part, compress: as the job asked for them.
        where: the folder that was written, a path or a URL; empty where the files are in the store.
        node: the machine whose folder that is; empty for a URL and the store.
        written: the files of the folder.
        rows: how many rows the export and the version have computed alike; `rows_of` says which.
        difference: the largest difference of an output between both, as a share of that output's largest value.
        tolerance: how large it might have been.
        notes: what else is to be known, in sentences.
        files: where they are in the store: "model", "manifest", and "preprocessing" if there is one.
    """

    kind: Literal["export"] = "export"
    model: str
    format: ExportFormat
    part: ExportPart = "model"
    compress: str | None = None
    where: str = ""
    node: str = ""
    written: tuple[ExportedFile, ...] = ()
    rows: int
    rows_of: str
    difference: float
    tolerance: float
    notes: tuple[str, ...] = ()
    files: dict[str, Artifact] = Field(default_factory=dict)

    def shown(self) -> Shown:
        place = f" in {self.where}" if self.where else ""
        of = f" of {self.node}" if self.node else ""
        return Shown(
            self.model,
            f"as {self.format}{place}{of}; computes the same within {self.difference:.2g} of the largest output, on "
            f"{self.rows:,} rows {self.rows_of}",
            table=(
                ("file", "bytes", "SHA-256"),
                *((each.path, f"{each.bytes:,}", each.sha256) for each in self.written),
            ),
            notes=self.notes,
            files=self.files,
        )


def require_exportable(version: ModelVersion, spec: Export) -> None:
    """Refuse a version of which there is no road to a format.

    Raises:
        InvalidJob: says what works instead.
    """
    kept, _ = predicting_file(version)
    origin = version.parent if version.optimized and version.parent else None
    instead = f"export {origin}, which it was made of" if origin else f"export it as {kept}, or its source"
    if PREPROCESSING in version.files:
        if (spec.format, spec.part) != ("litert", "network"):
            raise InvalidJob(
                f"{version.ref} is a network in litert beside a file that prepares its rows: give format='litert' and "
                f"part='network', which exports both as they are, or {instead}"
            )
        return
    if spec.part == "network" and kept not in _KERAS:
        raise InvalidJob(
            f"{version.ref} is a model in {kept}, whose network cannot be told from what prepares its rows: leave part "
            "out"
        )
    if spec.format in version.files and spec.part == "model":
        return
    if kept in _KERAS or (kept == "savedmodel" and spec.format not in _KERAS):
        return
    raise InvalidJob(f"{version.ref} is a model in {kept}, and no converter makes {spec.format} of that: {instead}")


def _check(spec: Export, checks: SubmitChecks) -> Export:
    version = checks.version(spec.model)
    if version is not None:
        require_exportable(version, spec)
    data: str | Data | None = spec.data
    if data is not None:
        data = preflight_for(spec.model, data, checks, labelled=False)
    return with_fields(spec, to=None if spec.to is None else checked_target(spec.to), data=data)


KIND = Kind(
    name="export",
    spec=Export,
    queue="batch",
    usual_s=20.0,
    checkpoints=lambda _: 0,
    summary=lambda spec: f"{spec.model}, {spec.format}{f' to {spec.to}' if spec.to else ''}",
    check=_check,
)
