"""Model files that mean harm: each is refused before a framework opens it. See docs/import.md."""

import io
import json
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flatbuffers
import h5py
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper
from tensorflow.core.protobuf import saved_model_pb2

from stoker.errors import InvalidJob
from stoker.kinds import Import, ImportResult
from stoker.models.access import Access
from stoker.models.archives import pack_savedmodel
from stoker.models.store import Store
from stoker_workers.kinds import import_model as importing
from stoker_workers.kinds.import_model import run as import_model
from stoker_workers.ml.importing import ports
from stoker_workers.ml.prediction import opening
from stoker_workers.ml.prediction.loading import load_saved
from stoker_workers.ml.prediction.runtime import litert
from stoker_workers.ml.run import Run

SECRET = "host-secret-3141"
# What opens a file of each framework, as the loader calls it.
OPENERS = [
    (keras.saving, "load_model"),
    (tf.saved_model, "load"),
    (ports, "Interpreter"),
    (litert, "Interpreter"),
    (onnxruntime, "InferenceSession"),
]
Write = Callable[[Path], Path]


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has computed cannot be forked; tests/security/test_confined.py forks as a worker does."""
    monkeypatch.setattr(importing, "apart", lambda work, run, _: work(run))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same small model in each format; nothing is wrong with it."""
    folder = tmp_path_factory.mktemp("whole")
    keras.utils.set_random_seed(0)
    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, bias_initializer="ones", name="y")(x))
    model.save(folder / "m.keras")
    model.export(folder / "exported", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "exported"))
    (folder / "m.tflite").write_bytes(converter.convert())
    (folder / "m.onnx").write_bytes(onnx_model().SerializeToString())
    return folder


def run_in(folder: Path) -> Run:
    """A run of an import, with what it needs."""
    (scratch := folder / "scratch").mkdir(parents=True)
    store = Store(str(folder / "store"))
    access = Access(["/"], store.url)
    return Run(job="job", store=store, scratch=scratch, builders=(), access=access, models=(), checkpoints=())


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Imports a file of which no framework may see anything; gives why it is refused."""

    def opened(*_: object, **__: object) -> None:
        pytest.fail("a framework has opened the file")

    def refuse(path: Path) -> str:
        for module, name in OPENERS:
            monkeypatch.setattr(module, name, opened)
        with pytest.raises(InvalidJob) as failure:
            import_model(Import(model="harm", source=str(path)), run_in(tmp_path / "run"))
        assert SECRET not in failure.value.message
        return failure.value.message

    return refuse


def onnx_model() -> onnx.ModelProto:
    weights = helper.make_tensor("w", TensorProto.FLOAT, (3, 2), np.arange(6, dtype=np.float32).tobytes(), raw=True)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 2))],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_the_samples_are_wrong_only_in_what_they_say(whole: Path, tmp_path: Path) -> None:
    pack_savedmodel(whole / "exported", tmp_path / "exported.zip")
    for path in (whole / "m.keras", whole / "m.tflite", whole / "m.onnx", tmp_path / "exported.zip"):
        assert import_model(Import(model="well", source=str(path)), run_in(tmp_path / path.suffix)).effects


# -- .keras: the config ------------------------------------------------------------------------------------------------


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of a zip with other members."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def with_config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path, Path], Path]:
    def write(whole: Path, folder: Path) -> Path:
        def replace(members: dict[str, bytes]) -> None:
            config = json.loads(members["config.json"])
            members["config.json"] = json.dumps(change(config) or config).encode()

        return rewritten(whole / "m.keras", folder / "m.keras", replace)

    return write


def layer(module: str, name: str, config: Any, **more: Any) -> Callable[[dict[str, Any]], None]:
    """Puts another class in place of the dense layer."""

    def change(whole: dict[str, Any]) -> None:
        whole["config"]["layers"][1] |= {"module": module, "class_name": name, "config": config, **more}

    return change


def nested(config: dict[str, Any]) -> dict[str, Any]:
    for _ in range(150):
        config = {"module": "keras.layers", "class_name": "TimeDistributed", "config": {"layer": config}}
    return {"module": "keras", "class_name": "Sequential", "config": {"layers": [config]}}


CONFIGS = {
    "a lambda": (layer("keras.layers", "Lambda", {"function": "x"}), "Lambda layer, which can run any code"),
    "a lambda as a value": (
        layer("builtins", "__lambda__", {"value": "x"}),
        "__lambda__ layer, which can run any code",
    ),
    "a saved model in a layer": (
        layer("keras.layers", "TFSMLayer", {"filepath": "/tmp"}),
        "TFSMLayer layer, which can run",
    ),
    "pickled torch": (layer("keras.layers", "TorchModuleWrapper", {"module": "x"}), "TorchModuleWrapper layer"),
    "a module of the system": (
        layer("os", "system", {"command": "true"}),
        "names os.system, which is not one of Keras'",
    ),
    "a function of a module": (layer("builtins", "function", "eval"), "names the function eval"),
    "a gadget within Keras": (layer("keras.saving", "load_model", {}), "names keras.saving.load_model"),
    "a custom class": (
        layer("shop.layers", "Dense", {}, registered_name="shop>Dense"),
        "classes of shop.layers, which this worker does not allow",
    ),
    "another name for a class": (
        layer("keras.layers", "Dense", {"units": 2}, registered_name="x>y"),
        "under the name x>y",
    ),
    "words from a file": (
        layer("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}),
        "reads a vocabulary from a file",
    ),
    "an array of objects": (
        layer("keras.layers", "Dense", {"units": {"class_name": "__numpy__", "config": {"value": [], "dtype": "O"}}}),
        "holds an array of dtype O",
    ),
    "a class as the model": (
        lambda config: config | {"class_name": "Dense", "module": "keras.layers"},
        "is no model of",
    ),
    "a text without end": (
        layer("keras.layers", "Dense", {"units": 2, "name": "n" * 20_000}),
        "holds a text of 20,000 characters",
    ),
    "depth without end": (nested, "nested more than 100 deep"),
    "a compiled part with code": (
        layer("keras.layers", "Dense", {"units": 2}, compile_config={"loss": {"module": "os", "class_name": "system"}}),
        "names os.system",
    ),
    "weights for which there is no room": (
        layer("keras.layers", "Embedding", {"input_dim": 10**9, "output_dim": 10**4, "name": "y"}),
        "declares 10,000,000,000,000 weights, and the file holds 8",
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_is_no_plain_network_is_refused(
    name: str, whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    change, told = CONFIGS[name]
    assert told in refused(with_config(change)(whole, tmp_path))


def test_a_registered_model_goes_by_the_same_door(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_config(layer("keras.layers", "Lambda", {"function": "x"}))(whole, tmp_path)
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(InvalidJob, match=r"m@1 cannot be loaded: .* Lambda layer"):
        load_saved(path, "m@1")
    with pytest.raises(InvalidJob, match=r"m@1 cannot be loaded: .* Lambda layer"):
        opening.open_model(path, "keras", None, "m@1")  # type: ignore[arg-type]  # no format but SavedModel needs it


# -- .keras: the members, and the weights ------------------------------------------------------------------------------


def swapped_names(config: bytes) -> bytes:
    return config.replace(b'"class_name"', b'"class_name": "Lambda", "class_name"', 1)


MEMBERS: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "a path out of the archive": (lambda members: members.update({"assets/../../x": b""}), "path may lead out of it"),
    "an absolute path": (lambda members: members.update({"/etc/x": b""}), "path may lead out of it"),
    "a path of Windows": (lambda members: members.update({"assets/..\\x": b""}), "path may lead out of it"),
    "a stranger": (lambda members: members.update({"x.py": b""}), "which no .keras file has"),
    "no config": (lambda members: members.pop("config.json"), "has no config.json"),
    "weights of another kind": (
        lambda members: members.update({"model.weights.npz": members.pop("model.weights.h5")}),
        "which no .keras file has",
    ),
    "a name twice in the config": (
        lambda members: members.update({"config.json": swapped_names(members["config.json"])}),
        "has a name twice",
    ),
    "a config of no JSON": (lambda members: members.update({"config.json": b"[" * 100_000}), "is no JSON"),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_an_archive_with_other_members_is_refused(
    name: str, whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    change, told = MEMBERS[name]
    assert told in refused(rewritten(whole / "m.keras", tmp_path / "m.keras", change))


def test_members_that_readers_see_differently_are_refused(
    whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    path = rewritten(whole / "m.keras", tmp_path / "m.keras", lambda _: None)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", b"{}")
    assert "has the member 'config.json' twice" in refused(path)


@pytest.mark.parametrize("kind", [0o120777, 0o020666, 0o010666])
def test_a_member_that_is_no_regular_file_is_refused(
    kind: int, whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    path = rewritten(whole / "m.keras", tmp_path / "m.keras", lambda _: None)
    link = zipfile.ZipInfo("assets/x")
    link.external_attr = kind << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "which is a link, a device or encrypted" in refused(path)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path, refused: Callable[[Path], str]) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("saved_model.pb", bytes(100))
        archive.writestr("variables/x", bytes(10))
        # The first one's bytes are those of the whole archive, which has no more than one of them.
        archive.infolist()[0].compress_size = archive.infolist()[0].file_size = 200
    assert "share their bytes" in refused(path)


def test_a_zip_that_begins_before_its_beginning_is_refused(tmp_path: Path, refused: Callable[[Path], str]) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("saved_model.pb", bytes(100))
    # The place of its only member, in the list behind it.
    content = bytearray(path.read_bytes())
    listed = content.index(b"PK\x01\x02")
    content[-6:-2] = struct.pack("<I", 2 * listed)
    path.write_bytes(content)
    assert "with members before its beginning" in refused(path)


@pytest.mark.parametrize(
    ("suffix", "told"), [("zip", "at most 3,000 bytes"), ("tar", "no room for one on this worker")]
)
def test_an_archive_for_which_there_is_no_room_is_refused(
    suffix: str, told: str, tmp_path: Path, refused: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(bytes(4_000))
    shutil.make_archive(str(tmp_path / "m"), suffix, tmp_path / "saved")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=6_000))
    assert told in refused(tmp_path / f"m.{suffix}")


def test_a_member_that_unpacks_to_much_more_is_refused(
    whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    path = rewritten(whole / "m.keras", tmp_path / "m.keras", lambda _: None)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/words.txt", bytes(64 << 20))
    assert "which no model does" in refused(path)


def external(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_text(SECRET)
    del file["layers/dense/vars/1"]
    file.create_dataset("layers/dense/vars/1", (2,), "f4", external=[(str(folder / "secret"), 0, 8)])


def virtual(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.zeros(2, "f4")
    del file["layers/dense/vars/1"]
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "x", (2,))
    file.create_virtual_dataset("layers/dense/vars/1", layout)


def external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.zeros(2, "f4")
    file["elsewhere"] = h5py.ExternalLink(str(folder / "other.h5"), "x")


def unwritten(file: h5py.File, _folder: Path) -> None:
    file.create_dataset("bomb", (1 << 40,), "f8", chunks=(1 << 16,))


def packed(file: h5py.File, _folder: Path) -> None:
    file.create_dataset("bomb", data=np.zeros(1 << 20, "f4"), compression="gzip")


WEIGHTS: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    "values in another file": (external, "in another file, which is never read"),
    "a view on another file": (virtual, "in another file, which is never read"),
    "a link to another file": (external_link, "has a ExternalLink at 'elsewhere'"),
    "a soft link": (
        lambda file, _: file.__setitem__("again", h5py.SoftLink("/layers")),
        "has a SoftLink at 'again'",
    ),
    "more than is stored": (unwritten, "claims 1,099,511,627,776 numbers"),
    "compressed": (packed, "compressed, which Keras never writes"),
    "complex numbers": (
        lambda file, _: file.create_dataset("x", data=np.zeros(2, np.complex64)),
        "weights are numbers",
    ),
    "texts": (lambda file, _: file.create_dataset("x", data=["text"]), "weights are numbers"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_no_plain_arrays_in_the_file_are_refused(
    name: str, whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    change, told = WEIGHTS[name]

    def replace(members: dict[str, bytes]) -> None:
        content = io.BytesIO(members["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            change(file, tmp_path)
        members["model.weights.h5"] = content.getvalue()

    assert told in refused(rewritten(whole / "m.keras", tmp_path / "m.keras", replace))


def test_weights_that_name_what_is_not_there_are_refused(
    whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    def replace(members: dict[str, bytes]) -> None:
        content = members["model.weights.h5"]
        with h5py.File(io.BytesIO(content)) as file:
            place = struct.pack("<Q", h5py.h5o.get_info(file["layers/dense/vars/1"].id).addr)
        members["model.weights.h5"] = content.replace(place, struct.pack("<Q", len(content) - 8))

    assert "it is damaged" in refused(rewritten(whole / "m.keras", tmp_path / "m.keras", replace))


def test_hard_links_in_a_circle_come_to_an_end(whole: Path, tmp_path: Path, refused: Callable[[Path], str]) -> None:
    def replace(members: dict[str, bytes]) -> None:
        content = io.BytesIO(members["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            file["layers/dense/again"] = file["layers"]
            file["words"] = file.create_dataset("x", data=["text"])
        members["model.weights.h5"] = content.getvalue()

    assert "weights are numbers" in refused(rewritten(whole / "m.keras", tmp_path / "m.keras", replace))


def test_an_h5_file_is_refused_at_the_door_with_what_converts_it() -> None:
    with pytest.raises(
        InvalidJob, match=r"no safe way .*keras\.models\.load_model\('old\.h5'.*model\.save\('model\.ker"
    ):
        Import(model="old", source="/tmp/old.h5")


# -- SavedModel --------------------------------------------------------------------------------------------------------


def graph_of(folder: Path, whole: Path, change: Callable[[Any], None]) -> Path:
    """A zip of a SavedModel whose graph is changed."""
    saved = saved_model_pb2.SavedModel.FromString((whole / "exported" / "saved_model.pb").read_bytes())
    change(saved.meta_graphs[0])
    with zipfile.ZipFile(folder / "m.zip", "w") as archive:
        archive.writestr("saved_model.pb", saved.SerializeToString())
        for path in (whole / "exported" / "variables").iterdir():
            archive.write(path, f"variables/{path.name}")
    return folder / "m.zip"


def predicting(graph: Any) -> Any:
    """A function of the graph that predictions run."""
    saver = ("save", "restore")
    return next(
        each for each in graph.graph_def.library.function if not any(word in each.signature.name for word in saver)
    )


def operation(name: str) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        predicting(graph).node_def.add(name="harm", op=name)

    return change


def at_load(name: str) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        graph.graph_def.node.add(name="harm", op=name)
        graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "harm:0"

    return change


def in_a_branch(graph: Any) -> None:
    hidden = graph.graph_def.library.function.add()
    hidden.signature.name = "branch"
    hidden.node_def.add(name="harm", op="ReadFile")
    node = predicting(graph).node_def.add(name="if", op="If")
    node.attr["then_branch"].func.name = "branch"


def saving_while_predicting(graph: Any) -> None:
    saves = next(
        each for each in graph.graph_def.library.function if any(node.op == "SaveV2" for node in each.node_def)
    )
    predicting(graph).node_def.add(name="harm", op="PartitionedCall").attr["f"].func.name = saves.signature.name


def named_as_an_operation(graph: Any) -> None:
    graph.graph_def.library.function.add().signature.name = "ReadFile"


def huge_constant(graph: Any) -> None:
    tensor = predicting(graph).node_def.add(name="harm", op="Const").attr["value"].tensor
    tensor.dtype = tf.float32.as_datatype_enum
    tensor.tensor_shape.dim.add(size=1 << 40)
    tensor.float_val.append(1)


def huge_variable(graph: Any) -> None:
    variable = next(node.variable for node in graph.object_graph_def.nodes if node.WhichOneof("kind") == "variable")
    variable.shape.dim[0].size = 1 << 40


def asset_elsewhere(graph: Any) -> None:
    graph.asset_file_def.add(filename="../../etc/passwd")


HARMFUL = (
    "ReadFile WriteFile MatchingFiles PyFunc EagerPyFunc PyFuncStateless PrintV2 ImmutableConst TFRecordDataset SaveV2 "
    "InitializeTableFromTextFileV2 RestoreV2 RemoteCall Abort NobodysOp"
)


def calls_itself(graph: Any) -> None:
    again = graph.graph_def.library.function.add()
    again.signature.name = "again"
    again.node_def.add(name="more", op="PartitionedCall").attr["f"].func.name = "again"


def calls_twice_each(graph: Any) -> None:
    for at in range(30):
        made = graph.graph_def.library.function.add()
        made.signature.name = f"f{at}"
        for name in "ab" if at else "":
            made.node_def.add(name=name, op="PartitionedCall").attr["f"].func.name = f"f{at - 1}"


def one_name_twice(graph: Any) -> None:
    graph.graph_def.library.function.add().CopyFrom(predicting(graph))


GRAPHS: dict[str, tuple[Callable[[Any], None], str]] = {
    **{name: (operation(name), f"has the operation {name}") for name in HARMFUL.split()},
    "when it is loaded": (at_load("ReadFile"), "has the operation ReadFile"),
    "in a branch": (in_a_branch, "has the operation ReadFile"),
    "by the functions that save": (saving_while_predicting, "saves or restores files while it predicts"),
    "in a function named as an operation": (named_as_an_operation, "a function called 'ReadFile', as an operation is"),
    "a function that calls itself": (calls_itself, "has functions that call themselves"),
    "functions that call each other twice, 30 times": (calls_twice_each, "has more than 1,000,000 operators"),
    "two functions of one name": (one_name_twice, "has two functions of one name"),
    "a huge constant": (huge_constant, "claims 4,398,046,511,104 bytes for the constant"),
    "a huge variable": (huge_variable, "bytes of variables and holds"),
    "an asset elsewhere": (asset_elsewhere, "names the asset '../../etc/passwd'"),
    "TensorFlow 1": (lambda graph: graph.ClearField("object_graph_def"), "written by TensorFlow 1"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_does_more_than_compute_is_refused(
    name: str, whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    change, told = GRAPHS[name]
    assert told in refused(graph_of(tmp_path, whole, change))


def tar_member(name: str, **fields: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


TARS = {
    "a link": (tar_member("saved_model.pb", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link or a device"),
    "a hard link": (tar_member("saved_model.pb", type=tarfile.LNKTYPE, linkname="x"), "is a link or a device"),
    "a device": (tar_member("saved_model.pb", type=tarfile.CHRTYPE), "is a link or a device"),
    "a path out of it": (tar_member("../saved_model.pb"), "path may lead out of it"),
    "an absolute path": (tar_member("/tmp/saved_model.pb"), "path may lead out of it"),
}


@pytest.mark.parametrize("name", TARS)
def test_a_tar_with_more_than_files_below_it_is_refused(
    name: str, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    member, told = TARS[name]
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as tar:
        tar.addfile(member)
    assert told in refused(tmp_path / "m.tar.gz")


def test_a_tar_that_unpacks_to_much_more_is_refused(tmp_path: Path, refused: Callable[[Path], str]) -> None:
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as tar:
        tar.addfile(tar_member("saved_model.pb", size=64 << 20), io.BytesIO(bytes(64 << 20)))
    assert "no model does" in refused(tmp_path / "m.tar.gz")


# -- ONNX --------------------------------------------------------------------------------------------------------------


def elsewhere(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def elsewhere_in_a_branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [])
    tensor = helper.make_tensor("t", TensorProto.FLOAT, (1,), [0.0])
    tensor.external_data.add(key="location", value="../secret")
    inner.initializer.append(tensor)
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=inner))


def elsewhere_in_a_constant(model: onnx.ModelProto) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    model.graph.node.append(helper.make_node("Constant", [], ["z"], value=tensor))


def with_function(model: onnx.ModelProto, *functions: onnx.FunctionProto) -> None:
    """Lets the first of some functions compute the output."""
    model.functions.extend(functions)
    model.opset_import.append(helper.make_opsetid("shop", 1))
    model.graph.node[0].CopyFrom(helper.make_node(functions[0].name, ["x"], ["y"], domain="shop"))


def function(name: str, *called: str) -> onnx.FunctionProto:
    nodes = [helper.make_node(each, ["x"], ["y"], domain="shop") for each in called]
    return helper.make_function("shop", name, ["x"], ["y"], nodes, [helper.make_opsetid("shop", 1)])


def elsewhere_in_a_default(model: onnx.ModelProto) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    made = function("Made")
    made.attribute_proto.append(helper.make_attribute("weights", tensor))
    with_function(model, made)


def code_in_a_default(model: onnx.ModelProto) -> None:
    node = helper.make_node("PyOp", ["x"], ["z"], domain="com.microsoft")
    made = function("Made")
    made.attribute_proto.append(helper.make_attribute("branch", helper.make_graph([node], "inner", [], [])))
    with_function(model, made)


def laughing(model: onnx.ModelProto) -> None:
    with_function(model, *(function(f"F{at}", f"F{at - 1}", f"F{at - 1}") for at in range(30, 0, -1)), function("F0"))


ONNX: dict[str, tuple[Callable[[onnx.ModelProto], Any], str]] = {
    "weights elsewhere by default": (elsewhere_in_a_default, "in another file, which is never read"),
    "code by default": (code_in_a_default, "which can run any code"),
    "a function that calls itself": (
        lambda model: with_function(model, function("Again", "Other"), function("Other", "Again")),
        "functions that call themselves",
    ),
    "functions that call each other twice, 30 times": (laughing, "has more than 1,000,000 operators"),
    "a name without end": (
        lambda model: model.opset_import.append(helper.make_opsetid("d" * 100_000, 1)),
        "dddd…, which ONNX Runtime has not",
    ),
    "weights elsewhere": (elsewhere, "in another file, which is never read"),
    "weights elsewhere in a branch": (elsewhere_in_a_branch, "in another file, which is never read"),
    "weights elsewhere in a constant": (elsewhere_in_a_constant, "in another file, which is never read"),
    "more than is stored": (
        lambda model: model.graph.initializer[0].dims.append(1 << 40),
        "claims 6,597,069,766,656 values",
    ),
    "a negative size": (lambda model: model.graph.initializer[0].dims.__setitem__(0, -3), "of a negative size"),
    "operators of somebody's": (
        lambda model: model.opset_import.append(helper.make_opsetid("shop.ops", 1)),
        "needs operators of 'shop.ops'",
    ),
    "code": (
        lambda model: model.graph.node.append(helper.make_node("PyOp", ["x"], ["z"], domain="com.microsoft")),
        "which can run any code",
    ),
    "no graph": (lambda model: model.ClearField("graph"), "has no graph"),
}


@pytest.mark.parametrize("name", ONNX)
def test_an_onnx_file_that_is_not_whole_is_refused(name: str, tmp_path: Path, refused: Callable[[Path], str]) -> None:
    change, told = ONNX[name]
    change(model := onnx_model())
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert told in refused(tmp_path / "m.onnx")


def test_a_file_that_onnx_runtime_takes_for_another_is_refused(tmp_path: Path, refused: Callable[[Path], str]) -> None:
    # An unknown field of a fixed size hides the mark of ONNX Runtime's own format.
    path = tmp_path / "m.onnx"
    path.write_bytes(bytes([0x08, 8, 0x79, 0]) + b"ORTM" + bytes(3) + onnx_model().SerializeToString())
    assert onnx.ModelProto.FromString(path.read_bytes()).graph.node
    assert "own format, which is not read" in refused(path)


def test_a_model_that_needs_a_memory_of_its_own_is_refused(tmp_path: Path) -> None:
    model = onnx_model()
    model.graph.initializer.append(helper.make_tensor("size", TensorProto.INT64, (1,), [1 << 40]))
    for node in (
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["most"]),
        helper.make_node("Add", ["z", "most"], ["y"]),
    ):
        model.graph.node.append(node)
    model.graph.node[0].output[0] = "z"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidJob, match="more memory for 4 rows"):
        import_model(Import(model="harm", source=str(tmp_path / "m.onnx")), run_in(tmp_path / "run"))


def test_a_model_whose_weights_are_lost_is_told(tmp_path: Path) -> None:
    model = onnx_model()
    model.graph.initializer[0].raw_data = np.full(6, np.nan, np.float32).tobytes()
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    outcome = import_model(Import(model="nan", source=str(tmp_path / "m.onnx")), run_in(tmp_path / "run"))
    assert isinstance(outcome.result, ImportResult)
    assert any("NaN or infinite for all made-up rows" in note for note in outcome.result.notes)


@pytest.mark.parametrize("name", ["n" * 300, "\x1b[31m"])
def test_a_model_with_inputs_that_nobody_can_name_is_refused(name: str, tmp_path: Path) -> None:
    model = onnx_model()
    model.graph.input[0].name = model.graph.node[0].input[0] = name
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidJob, match="characters that can be printed"):
        import_model(Import(model="harm", source=str(tmp_path / "m.onnx")), run_in(tmp_path / "run"))


def test_an_import_does_not_last_for_ever() -> None:
    assert Import(model="m", source="/m.onnx").timeout == 3_600
    assert Import(model="m", source="/m.onnx", timeout=None).timeout is None


# -- LiteRT ------------------------------------------------------------------------------------------------------------


def litert_with(folder: Path, whole: Path, change: Callable[[Any], None]) -> Path:
    """The .tflite, its tables changed and packed again."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs((whole / "m.tflite").read_bytes(), 0))
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    (folder / "m.tflite").write_bytes(bytes(builder.Output()))
    return folder / "m.tflite"


def own_operator(model: Any) -> None:
    model.operatorCodes[0].customCode = b"NobodysOp"


def flex_operator(model: Any) -> None:
    model.operatorCodes[0].customCode = b"FlexReadFile"


def larger(model: Any) -> None:
    weights = next(each for each in model.subgraphs[0].tensors if model.buffers[each.buffer].data is not None)
    weights.shape = [1 << 20, 1 << 20]


def behind_the_end(model: Any) -> None:
    model.buffers[1].data = None
    model.buffers[1].offset, model.buffers[1].size = 1 << 30, 1 << 30


def nowhere(model: Any) -> None:
    model.subgraphs[0].operators[0].inputs = [9_999]


def many_axes(model: Any) -> None:
    model.subgraphs[0].tensors[0].shape = [1] * 100_000


def many_inputs(model: Any) -> None:
    model.subgraphs[0].operators[0].inputs = np.zeros(1_000_001, np.int32)


LITERT: dict[str, tuple[Callable[[Any], None], str]] = {
    "an operator of somebody's": (own_operator, "needs 'NobodysOp', an operator of somebody's"),
    "an operator of TensorFlow": (flex_operator, "needs 'FlexReadFile', TensorFlow's own operators"),
    "more than is stored": (larger, "claims 4,398,046,511,104 bytes"),
    "weights behind the end": (behind_the_end, "lies behind its end"),
    "a tensor that is not there": (nowhere, "on a tensor that is not there"),
    "a tensor of many axes": (many_axes, "has a tensor of 100,000 axes"),
    "an operator on many tensors": (many_inputs, "has more than 1,000,000 parts"),
}


@pytest.mark.parametrize("name", LITERT)
def test_a_litert_file_that_is_not_whole_is_refused(
    name: str, whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    change, told = LITERT[name]
    assert told in refused(litert_with(tmp_path, whole, change))


@pytest.mark.parametrize("cut", [0, 4, 8, 30, 100, 300])
def test_a_litert_file_that_is_cut_off_or_another_is_refused(
    cut: int, whole: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    content = (whole / "m.tflite").read_bytes()
    # Its first offset leads out of the file.
    content = content[:cut] if cut else struct.pack("<I", 1 << 30) + content[4:]
    (tmp_path / "m.tflite").write_bytes(content)
    assert "LiteRT file" in refused(tmp_path / "m.tflite")
