"""What an export says of itself, in a file beside the model: `export.json`."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from .described import Described
from .signature import Signature

MANIFEST = "export.json"
"""The file in an export's folder that lists all others; it is written last."""

ExportFormat = Literal["savedmodel", "litert", "onnx", "keras", "h5"]
EXPORTED_AS: Mapping[ExportFormat, str] = MappingProxyType(
    {
        "savedmodel": "savedmodel.tar",
        "litert": "model.tflite",
        "onnx": "model.onnx",
        "keras": "model.keras",
        "h5": "model.h5",
    }
)
"""What the model's file is called; a SavedModel is a folder, and where it has to be one file, a tar of that."""
ExportPart = Literal["model", "network"]


class ExportedFile(Described):
    """A file of an export.

    Attributes:
        path: within the export's folder.
        sha256: of its bytes, in hex.
        bytes: its size.
    """

    path: str
    sha256: str
    bytes: int


class ExportedTensor(Described):
    """An input or output of an exported file.

    Attributes:
        name: what it is called where the file is called: in the serving signature of a SavedModel or LiteRT file, in an
            ONNX file.
        meaning: the same in the registry's signature; of a network alone, what prepares rows gives it.
        dtype: a numpy dtype name, or "string".
        shape: of a row; None where it may vary.
        columns: the columns of data that its last axis is, in order.
    """

    name: str
    meaning: str
    dtype: str
    shape: tuple[int | None, ...]
    columns: tuple[str, ...] = ()


class ExportManifest(Described):
    """An export, as the file `export.json` in its folder describes it.

    Attributes:
        model: the exact reference of the version.
        digest: SHA-256 of the registry's file that it was made of.
        format, part, compress: as the job asked for them.
        files: all files of the folder but this one.
        inputs, outputs: what the file takes and gives, in order.
        batch: how many rows each call takes, if that is fixed; else None, for any number.
        signature: the version's, with classes, columns and ranges.
        rows: how many rows the export and the version have computed alike, and `rows_of` which.
        difference: the largest difference of an output between both, as a share of the output's largest value.
        tolerance: how large it might have been.
        notes: what else is to be known, in sentences.
        job: the job that wrote it.
        written_at: when, in UTC.
    """

    model: str
    digest: str
    format: ExportFormat
    part: ExportPart
    compress: str | None
    files: tuple[ExportedFile, ...]
    inputs: tuple[ExportedTensor, ...]
    outputs: tuple[ExportedTensor, ...]
    batch: int | None
    signature: Signature
    rows: int
    rows_of: str
    difference: float
    tolerance: float
    notes: tuple[str, ...]
    job: str
    written_at: datetime

    def is_of(self, other: "ExportManifest") -> bool:
        """Whether both are exports of one version's file in one form."""
        return all(
            getattr(self, field) == getattr(other, field) for field in ("model", "digest", "format", "part", "compress")
        )
