"""Executes `Import`: checks a model's file, opens it, tries it, and registers it."""

import shutil
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
from pydantic import BaseModel, ConfigDict

from stoker.errors import InvalidJob, Unavailable
from stoker.kinds import Import, ImportResult
from stoker.models.archives import pack_savedmodel
from stoker.models.effects import Register
from stoker.models.inputs import Inputs
from stoker.models.manifest import Artifact, ModelManifest
from stoker.models.model_files import FILE_NAMES
from stoker.models.signature import Signature
from stoker.models.store import Missing
from stoker.outages import Dependency, needing

from ..ml.custom import model_modules
from ..ml.data.copied import local_file
from ..ml.importing.archive import drop_optimizer, unpacked
from ..ml.importing.meaning import meant
from ..ml.importing.ports import Ports, exported_ports, keras_ports, litert_ports, onnx_ports
from ..ml.importing.signature import drafted, said_of
from ..ml.importing.trial import tried
from ..ml.networks.activation import output_activation
from ..ml.optimisation.apart import Crashed, Distrusted, apart
from ..ml.prediction.loading import load_foreign, loading
from ..ml.prediction.one_file import one_file
from ..ml.prediction.opening import Content, Model, load_exported, parameters_of, reference_engine, tensorflow_why
from ..ml.prediction.screening.litert_file import check_litert
from ..ml.prediction.screening.onnx_file import check_onnx
from ..ml.prediction.screening.savedmodel import check_savedmodel
from ..ml.progress import obey_stop
from ..ml.run import Outcome, Run
from ..ml.writing import write_result
from ..node.confined import confine

# Of the trial; more rows take several calls.
_MAX_BATCH = 8
# A SavedModel as it is registered, in the job's folder.
_PACKED = "packed.zip"
_REMEDY = "save it again, by versions of its framework like those of the workers"


def run(spec: Import, run: Run) -> Outcome:
    """Make a version of the spec's file.

    Raises:
        InvalidJob: the file is refused, cannot be loaded, or is not as the spec says.
        Stopped: a stop was asked for.
    """
    with one_file(_fetched(spec, run)) as path:
        obey_stop(run)
        examined = _examined_apart(spec, path, run)
        run.say(*examined.notes)
        whole = _regular(run.scratch / _PACKED if spec.file_format == "savedmodel" else path)
        file = write_result(run, partial(run.store.put_file, whole, FILE_NAMES[spec.file_format]))
    manifest = ModelManifest(
        name=spec.model,
        signature=examined.signature,
        metrics=spec.metrics,
        files={spec.file_format: file},
        parameters=examined.parameters,
        job=run.job,
        data="",
        task_why="; ".join(examined.notes),
        source=spec.source_name,
        modules=examined.modules,
        tensorflow_why=examined.tensorflow_why,
    )
    result = ImportResult(
        model="", format=spec.file_format, parameters=examined.parameters, notes=tuple(examined.notes)
    )
    return Outcome(result, (Register(manifest=manifest, alias=spec.alias),))


class _Examined(BaseModel):
    """What is to be known of a model, to register it: see `ModelManifest`."""

    model_config = ConfigDict(frozen=True)

    signature: Signature
    parameters: int
    notes: list[str]
    modules: dict[str, str]
    tensorflow_why: str


def _examined_apart(spec: Import, path: Path, run: Run) -> _Examined:
    """Check, open and try a model, in a process of its own that can do little else."""
    confined = Distrusted(_Examined, partial(confine, run.scratch, path.stat().st_size))
    try:
        return apart(lambda own: _examined(spec, path, own), run, confined)
    except Crashed as crash:
        what = spec.source_name.rpartition("/")[2]
        if crash.was_killed:
            raise Unavailable(f"the process that opened {what} {crash}, as where memory is short") from crash
        raise InvalidJob(f"{what} cannot be loaded: the process that opened it {crash}; {_REMEDY}") from crash


def _examined(spec: Import, path: Path, run: Run) -> _Examined:
    opened = _opened(spec, path, run)
    obey_stop(run)
    signature, notes, tensorflow = _understood(spec, opened)
    return _Examined(
        signature=signature,
        parameters=parameters_of(opened.model),
        notes=notes,
        modules=model_modules(opened.model) if isinstance(opened.model, keras.Model) else {},
        tensorflow_why=tensorflow,
    )


def _regular(path: Path) -> Path:
    """A file that a process has left which is not trusted: no link to something that only this one can read."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise InvalidJob("the process that opened the model has put something else in its file's place; do not use it")
    return path


def _fetched(spec: Import, run: Run) -> Path:
    """A copy of the file that nobody else can change, between the checks and the loading of it."""
    target = run.scratch / FILE_NAMES[spec.file_format]
    if not isinstance(spec.source, Artifact):
        source = local_file(spec.source, run.access, run.scratch)
        with needing(Dependency.DISK, f"the folder {run.scratch}"):
            shutil.copyfile(source, target)
        return target
    try:
        return run.store.fetch(spec.source, run.scratch).rename(target)
    except Missing as error:
        raise InvalidJob(
            f"the store of this worker has no {spec.source.name}, which the client has put into its own: give both the "
            f"same STOKER_STORE_URL ({error.message})"
        ) from error


@dataclass(frozen=True)
class _Opened:
    """A model that was checked and loaded.

    Attributes:
        entry: which function of a SavedModel it is.
    """

    model: Model
    ports: Ports
    entry: str | None = None


def _opened(spec: Import, path: Path, run: Run) -> _Opened:
    """Check a file, and only then have a framework open it."""
    what = spec.source_name.rpartition("/")[2]
    with loading(what, _REMEDY):
        match spec.file_format:
            case "keras":
                model = load_foreign(path, what, run.custom_objects)
                return _Opened(model, keras_ports(model, what))
            case "litert":
                check_litert(path, what)
                content = Content("litert", path.read_bytes())
                return _Opened(content, litert_ports(content.data))
            case "onnx":
                check_onnx(path, what)
                content = Content("onnx", path.read_bytes())
                return _Opened(content, onnx_ports(content.data))
            case "savedmodel":
                (target := run.scratch / "unpacked").mkdir()
                folder = unpacked(path, target, what)
                ports, entry = exported_ports(check_savedmodel(folder, what), spec.entry, what)
                if drop_optimizer(folder):
                    run.say("what an optimizer of Keras 2 has kept is left out, for no prediction needs it")
                pack_savedmodel(folder, run.scratch / _PACKED)
                return _Opened(load_exported(folder, entry), ports, entry)


def _understood(spec: Import, opened: _Opened) -> tuple[Signature, list[str], str]:
    """The model's whole signature, once it has been tried, what was taken for what, and why TensorFlow computes it."""
    draft, notes = drafted(spec, opened.ports, opened.entry)
    names = [each.name for each in draft.outputs]
    with loading(spec.source_name, _REMEDY):
        engine = reference_engine(opened.model, draft, _MAX_BATCH)
        rows, said = tried(engine, Inputs(draft, spec.model), names)
        tensorflow = tensorflow_why(opened.model, engine, takes_made_up=rows is not None)
    notes += said
    parts: dict[str, Signature] = {}
    for each, output in zip(said_of(spec, opened.ports.outputs), draft.outputs, strict=True):
        activation = _activation(opened, output.own_name)
        parts[output.name], guessed = meant(each, output, rows[output.name] if rows else None, activation)
        notes += guessed
    outputs = tuple(part.outputs[0] for part in parts.values())
    if len(parts) > 1:
        return draft.model_copy(update={"outputs": outputs, "parts": parts}), notes, tensorflow
    [only] = parts.values()
    update = {"inputs": draft.inputs, "batch": draft.batch, "entry": draft.entry}
    return only.model_copy(update=update), notes, tensorflow


def _activation(opened: _Opened, name: str) -> str | None:
    """The last activation of an output of a Keras model; None for others."""
    if not isinstance(opened.model, keras.Model):
        return None
    places = [port.name for port in opened.ports.outputs]
    return output_activation(opened.model, places.index(name))
