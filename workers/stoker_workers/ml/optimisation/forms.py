"""What a form is given, and what it gives."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import keras
from pydantic import BaseModel, ConfigDict, Field

from stoker.errors import InvalidJob
from stoker.kinds import Optimize
from stoker.models.learned_from import LearnedFrom
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.model_files import predicting_file
from stoker.models.signature import Signature

from ..prediction.loading import load_saved
from ..run import Run


class Made(BaseModel):
    """A form of a model, which is not in the store yet.

    Attributes:
        files: by format, as a version has them: "keras", or "litert" and, where that takes prepared rows,
            "preprocessing". They lie in `Given.folder`, each under the name that it will have in the store.
        signature: that of the version; for "litert" with the file's own names of inputs and outputs.
        parameters: how many numbers it has learned.
        words: what was done, in a sentence.
        figures: what was done, in numbers, by name.
        learned_from: what it was trained on; None where that is what the version was.
        split: which rows it was validated on, in words, if it was trained.
        modules: the author's modules that it is made of, as a manifest has them; None for those of the version.
        tensorflow_why: as a manifest has it.
    """

    model_config = ConfigDict(frozen=True)

    files: Mapping[str, Path]
    signature: Signature
    parameters: int
    words: str
    figures: Mapping[str, float] = Field(default_factory=dict)
    learned_from: LearnedFrom | None = None
    split: str = ""
    modules: Mapping[str, str] | None = None
    tensorflow_why: str = ""


class Given:
    """What a form is made of.

    Args:
        folder: an empty one, for files.

    Attributes:
        spec: the job's; its fields say how.
        version: the version that the form is made of.
        run: for events, stops, data; its `scratch` is for temporary files.
    """

    def __init__(self, spec: Optimize, version: ModelVersion, run: Run, folder: Path) -> None:
        self.spec = spec
        self.version = version
        self.run = run
        self.folder = folder

    def under(self, run: Run) -> "Given":
        """The same in another process, which has a run of its own."""
        return Given(self.spec, self.version, run, self.folder)

    @cached_property
    def model(self) -> keras.Model:
        """The whole model, from raw rows to answers.

        Raises:
            InvalidJob: the version has none of Keras, or it cannot be loaded.
        """
        path = self.run.store.fetch(self.require_keras(), self.run.scratch)
        try:
            return load_saved(path, self.version.ref, self.run.custom_objects)
        finally:
            path.unlink()

    def require_keras(self) -> Artifact:
        """The file of the version's model.

        Raises:
            InvalidJob: it is none of Keras.
        """
        file_format, file = predicting_file(self.version)
        if file_format not in ("keras", "h5"):
            parent = f", such as {self.version.parent}, which it was made of" if self.version.optimized else ""
            raise InvalidJob(
                f"{self.version.ref} is a model in {file_format}, and nothing is made of one: name a version with a "
                f".keras file{parent}"
            )
        return file


Make: TypeAlias = Callable[[Given], Made]
"""Makes a form.

Raises:
    InvalidJob: it cannot be made of this model; says of which layer, and what works instead.
    Stopped: a stop was asked for.
"""
