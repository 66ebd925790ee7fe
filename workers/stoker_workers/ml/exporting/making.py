"""Making an export of a version: its own file where it has one, else a conversion."""

import shutil
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras

from stoker.errors import InvalidJob
from stoker.kinds import Export
from stoker.models.exported import EXPORTED_AS
from stoker.models.manifest import ModelVersion
from stoker.models.model_files import PREPROCESSING
from stoker.models.signature import Signature

from ..custom import model_modules
from ..optimisation.apart import ConversionFailed, Crashed, apart
from ..optimisation.litert import simplify
from ..optimisation.stages import Stages, staged, unstaged
from ..prediction.opening import open_version, unpacked_savedmodel
from ..prediction.runtime import Exported
from ..prediction.screening.savedmodel import check_savedmodel
from ..run import Run
from . import litert, onnx, savedmodel
from .built import Built
from .named_graph import SERVING, NamedGraph, layer_at, named_graph, operations

_FRONT = f"{PREPROCESSING}.keras"
_WRITE: Mapping[str, Callable[[NamedGraph, Path], None]] = MappingProxyType(
    {"savedmodel": savedmodel.write, "litert": litert.write, "onnx": onnx.write}
)
_ROADS = "format='savedmodel' and format='keras' hold all of it, and part='network' leaves out what prepares its rows"
_NO_TEXT = "LiteRT has no texts"


def make(spec: Export, version: ModelVersion, run: Run, folder: Path) -> Built:
    """Make an export in an empty folder, in a process of its own: converters may crash, and leak.

    It comes before all else that computes in this process.

    Raises:
        InvalidJob: it cannot be made of this model; says of which layer, and what works instead.
        Stopped: a stop was asked for.
    """
    try:
        return apart(lambda own: _Making(spec, version, own, folder).built(), run)
    except (Crashed, ConversionFailed) as error:
        did = f"its converter {error}" if isinstance(error, Crashed) else str(error)
        roads = _ROADS if spec.part == "model" else "format='savedmodel' and format='keras' hold any network"
        raise InvalidJob(f"{version.ref} cannot be exported as {spec.format}: {did}; {roads}") from error


class _Making:
    """The making of one export."""

    def __init__(self, spec: Export, version: ModelVersion, run: Run, folder: Path) -> None:
        self._spec = spec
        self._version = version
        self._run = run
        self._folder = folder
        self._path = folder if spec.format == "savedmodel" else folder / EXPORTED_AS[spec.format]

    def built(self) -> Built:
        spec, version = self._spec, self._version
        if spec.format in version.files and (spec.part == "model" or PREPROCESSING in version.files):
            entry = version.signature.entry
            if entry in (None, SERVING):
                return self._copied()
        if spec.format == "litert" and spec.part == "model":
            self._require_no_texts()
        stages = self._stages
        if spec.format in _WRITE:
            signature = self._converted(stages)
        else:
            signature = stages.signature
            self._saved(stages.network)
        front = None
        if stages.front:
            front = self._folder / _FRONT
            stages.front.save(front)
        return self._as_built(signature, front, stages)

    @cached_property
    def _model(self) -> Any:
        return open_version(self._version, self._run.store, self._run.scratch, self._run.custom_objects)

    @cached_property
    def _stages(self) -> Stages:
        if self._spec.part == "model":
            return unstaged(self._model, self._version)
        return staged(self._model, self._version)

    def _copied(self) -> Built:
        """The registry's own files, as they are."""
        version, spec = self._version, self._spec
        path = self._run.store.fetch(version.files[spec.format], self._run.scratch)
        if spec.format == "savedmodel":
            with unpacked_savedmodel(path, path.name) as unpacked:
                check_savedmodel(unpacked, path.name)
                shutil.copytree(unpacked, self._folder, dirs_exist_ok=True)
            path.unlink()
        else:
            path.rename(self._path)
        front = None
        if PREPROCESSING in version.files:
            front = self._run.store.fetch(version.files[PREPROCESSING], self._folder)
        notes = _needs(version.modules) if spec.format == "keras" else ()
        signature = version.signature
        return Built(self._folder, self._path, spec.format, signature, front, signature, is_copy=True, notes=notes)

    def _converted(self, stages: Stages) -> Signature:
        """Convert a network; gives what it takes and gives, by the names in its file."""
        model = stages.network
        if self._spec.format != "savedmodel" and isinstance(model, keras.Model):
            simplify(model)
        graph = named_graph(model, stages.signature)
        try:
            _WRITE[self._spec.format](graph, self._path)
        except ConversionFailed as error:
            layer = layer_at((str(error), str(error.__cause__ or "")), model)
            raise ConversionFailed(f"{error}{f', which layer {layer} needs' if layer else ''}") from error
        return graph.signature

    def _saved(self, model: Any) -> None:
        """Save a Keras model as a file of Keras."""
        if self._spec.format == "h5":
            self._require_h5(model)
        model.save(self._path)

    def _as_built(self, signature: Signature, front: Path | None, stages: Stages) -> Built:
        notes: tuple[str, ...] = ()
        if self._spec.part == "network" and front is None:
            notes += ("nothing prepares its rows: the network is the whole model",)
        if front or (not isinstance(self._model, Exported) and self._spec.format in ("keras", "h5")):
            notes += _needs(self._version.modules)
        return Built(self._folder, self._path, self._spec.format, signature, front, stages.front_signature, notes=notes)

    def _require_no_texts(self) -> None:
        if texts := [spec for spec in self._version.signature.inputs if spec.dtype == "string"]:
            columns = ", ".join(name for spec in texts for name in spec.columns or (spec.name,))
            layer = next(
                (
                    f", which layer {operation.name!r} ({type(operation).__name__}) takes"
                    for operation in (operations(self._model) if isinstance(self._model, keras.Model) else ())
                    if isinstance(operation, keras.layers.StringLookup | keras.layers.TextVectorization)
                ),
                "",
            )
            raise ConversionFailed(f"{_NO_TEXT}, and it takes {columns} as such{layer}")

    def _require_h5(self, model: keras.Model) -> None:
        if modules := model_modules(model):
            named = ", ".join(modules)
            raise ConversionFailed(f".h5 does not say where classes of yours are, and it has some of {named}")
        plain = [each for each in operations(model) if not isinstance(each, keras.layers.Layer)]
        if plain:
            raise ConversionFailed(
                f".h5 holds layers alone, and it computes by operations such as {plain[0].name!r} "
                f"({type(plain[0]).__name__})"
            )


def _needs(modules: Mapping[str, str]) -> tuple[str, ...]:
    if not modules:
        return ()
    named = ", ".join(f"{module} ({made_with})" if made_with else module for module, made_with in modules.items())
    return (f"to be loaded, it needs classes of yours: {named}",)
