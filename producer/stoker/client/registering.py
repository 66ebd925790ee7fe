"""Registering a model that was made elsewhere: its file is brought where workers read it, and imported by a job."""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from ..errors import InvalidArgument
from ..kinds import Import, ImportedInput, ImportedOutput
from ..kinds.problems import short
from ..kinds.training.outputs import TargetTask
from ..models.archives import pack_savedmodel
from ..models.encryption import StorePlace
from ..models.manifest import Artifact
from ..models.model_files import FILE_NAMES, ModelFormat
from ..models.store import Store
from ..redis.calls import Steps
from . import stores

ModelPath = str | os.PathLike[str]


class Said(TypedDict, total=False):
    """What the caller says of a model, rather than leaves to be read off its file; see `stoker.Import`.

    Attributes:
        metrics: what its author has measured, by name.
        classes: the label of each unit of its output, in order.
        inputs: by the name in the model: columns of data, another name, or more. A list of columns alone is that of the
            only input.
        outputs: those to be served: names, or by the name in the model another name or more.
        task, target, logits: what its output means, where that is not to be guessed.
        format: where the file's name does not tell.
        entry: which function of a SavedModel is served.
        modules: where functions of yours are registered that are activations in a .keras file.
        alias: what shall point at the new version, besides its number.
    """

    metrics: Mapping[str, float]
    classes: Sequence[str]
    inputs: Sequence[str] | Mapping[str, ImportedInput | str | Sequence[str]]
    outputs: Sequence[str] | Mapping[str, ImportedOutput | str]
    task: TargetTask | None
    target: str | None
    logits: bool | None
    format: ModelFormat | None
    entry: str | None
    modules: Sequence[str]
    alias: str | None


def import_spec(name: str, source: ModelPath, said: Said) -> Import:
    """The job that imports a file, which still lies where the caller has it.

    Raises:
        InvalidArgument, InvalidJob: an argument is wrong, or there is no such file.
    """
    if not isinstance(source, str | os.PathLike):
        raise InvalidArgument(f"source is the path or the URL of a model's file, got {short(source)}")
    place = os.fspath(source)
    fields: dict[str, object] = {"model": name, "source": place, **said}
    if not is_remote(place):
        path = Path(place).expanduser()
        if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a name is too long
            raise InvalidArgument(f"there is no {short(str(path))}; check the path")
        if path.is_dir():
            fields.setdefault("format", "savedmodel")
    return Import.model_validate(fields)


def uploaded(spec: Import, place: StorePlace) -> Steps[Import]:
    """The job with its file in the store; one that names a URL stays as it is. Between its calls it writes there.

    Raises:
        InvalidJob: it is no model's file, or the folder is no SavedModel.
        Unavailable: the store is away, or a folder that is not mounted here.
    """
    if isinstance(spec.source, Artifact) or is_remote(spec.source):
        return spec
    path = Path(spec.source).expanduser()
    store = Store(place)
    yield from stores.require(store)
    if not path.is_dir():
        return _stored(spec, path, store.put_file(path, _stored_name(path, spec)))
    with tempfile.TemporaryDirectory(prefix="stoker-") as folder:
        packed = Path(folder) / FILE_NAMES["savedmodel"]
        pack_savedmodel(path, packed)
        return _stored(spec, path, store.put_file(packed))


def _stored(spec: Import, path: Path, file: Artifact) -> Import:
    return spec.model_copy(update={"source": file, "origin": spec.origin or path.resolve().name[-200:]})


def _stored_name(path: Path, spec: Import) -> str:
    """As a version's file is called, so that the store keeps it once; an archive is unpacked and says how."""
    if spec.file_format != "savedmodel":
        return FILE_NAMES[spec.file_format]
    suffix = re.search(r"(\.tar)?\.[a-z]+$", path.name.lower())
    return f"savedmodel{suffix[0] if suffix else '.zip'}"


def is_remote(place: str) -> bool:
    """Whether it is a URL, which workers read themselves."""
    return "://" in place and not place.startswith(("file://", "local://"))
