"""The formats of saved models: what their files are called, and which of a version's files is the one that predicts."""

import re
from collections.abc import Mapping
from typing import Literal

from ..errors import InvalidJob
from .manifest import Artifact, ModelVersion

ModelFormat = Literal["keras", "savedmodel", "litert", "onnx"]
FILE_NAMES: Mapping[ModelFormat, str] = {
    "keras": "model.keras",
    "savedmodel": "savedmodel.zip",
    "litert": "model.tflite",
    "onnx": "model.onnx",
}
"""What a version's file of a format is called. A SavedModel, which is a folder, is kept as a zip of what is in it."""
PREPROCESSING = "preprocessing"
"""The name of the file that prepares rows for the one that predicts, where that does not do it itself."""

# In order of preference.
_PREDICTING = ("keras", "savedmodel", "litert", "onnx", "h5")
_SUFFIXES: Mapping[str, ModelFormat] = {
    ".keras": "keras",
    ".zip": "savedmodel",
    ".tar": "savedmodel",
    ".tar.gz": "savedmodel",
    ".tgz": "savedmodel",
    ".tflite": "litert",
    ".lite": "litert",
    ".onnx": "onnx",
}
_HDF5 = re.compile(r"\.(h5|hdf5)$")


def predicting_file(version: ModelVersion) -> tuple[str, Artifact]:
    """The format and the file of a version that predictions are computed from.

    Raises:
        InvalidJob: it has none.
    """
    for name in _PREDICTING:
        if name in version.files:
            return name, version.files[name]
    raise InvalidJob(
        f"{version.ref} has no file of a model ({', '.join(_PREDICTING)}), only "
        f"{', '.join(sorted(version.files)) or 'none at all'}; train or import it again"
    )


def served_bytes(version: ModelVersion) -> int:
    """The size of the files that predictions are computed from.

    Raises:
        InvalidJob: it has none.
    """
    files = [predicting_file(version)[1], *([version.files[PREPROCESSING]] if PREPROCESSING in version.files else [])]
    return sum(file.size for file in files)


def format_of_model(name: str) -> ModelFormat:
    """The format of a model's file by its name.

    Raises:
        InvalidJob: no format that is imported is called so.
    """
    lower = name.lower()
    for suffix, known in _SUFFIXES.items():
        if lower.endswith(suffix):
            return known
    if _HDF5.search(lower):
        raise InvalidJob(
            f"{name} is an .h5 file, and those are not imported, for there is no safe way to load one: convert it "
            "where you made it, by these two lines, and give model.keras: "
            f"model = keras.models.load_model({name.rpartition('/')[2]!r}, compile=False); model.save('model.keras')"
        )
    raise InvalidJob(
        f"{name} is no model that is known by its name; expected .keras, .tflite, .onnx, the folder of a SavedModel, "
        "or a .zip or .tar.gz of one; else say its format"
    )
