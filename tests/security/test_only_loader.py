"""Models and weights are opened in the few places that check them first, and what is checked is what is loaded."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker_workers.ml.prediction import loading, opening
from stoker_workers.ml.prediction.loading import load_saved, load_weights
from stoker_workers.ml.prediction.one_file import one_file
from stoker_workers.ml.prediction.screening.keras_file import check_weights

ROOT = Path(__file__).parents[2]
ML = "workers/stoker_workers/ml"
# What opens a file of a model, of weights or of objects, by the last words of the call.
OPENS = {
    "load_model", "load_weights", "load_checkpoint", "saved_model.load", "h5py.File", "onnx.load", "onnx.load_model",
    "InferenceSession", "from_saved_model", "from_keras_model_file", "load_weights_only", "torch.load", "TFSMLayer",
    "deserialize_keras_object", "model_from_json", "model_from_yaml", "pickle.load", "pickle.loads", "joblib.load",
    "marshal.load", "marshal.loads", "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads",
    "SavedModel.FromString", "ModelProto.FromString", "load_from_saved_model", "restore_saved_model",
}  # fmt: skip
ALLOWED = {
    f"{ML}/prediction/loading.py": {"load_model", "load_weights", "deserialize_keras_object"},
    f"{ML}/prediction/opening.py": {"saved_model.load", "ModelProto.FromString"},
    f"{ML}/prediction/screening/keras_file.py": {"h5py.File"},
    f"{ML}/prediction/screening/hdf5.py": {"h5py.File"},
    f"{ML}/prediction/screening/onnx_file.py": {"ModelProto.FromString"},
    f"{ML}/prediction/screening/savedmodel.py": {"SavedModel.FromString"},
    f"{ML}/importing/archive.py": {"SavedModel.FromString"},  # checked; takes an optimizer out
    f"{ML}/prediction/runtime/onnx.py": {"InferenceSession"},  # of bytes
    f"{ML}/exporting/litert.py": {"from_saved_model"},  # that it has written itself
    f"{ML}/networks/keras_config.py": {"model_from_json"},  # of a config that was checked; reads no file
    f"{ML}/networks/pretrained.py": {"load_weights"},  # the loader's
}


def opened(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            words = ast.unparse(node.func).split(".")
            yield from {".".join(words[-1:]), ".".join(words[-2:])} & OPENS
            # An interpreter of LiteRT takes bytes that were checked, or a path.
            yield from (word.arg for word in node.keywords if word.arg == "model_path")
            yield from ("allow_pickle" for word in node.keywords if is_true(word, "allow_pickle"))


def is_true(word: ast.keyword, name: str) -> bool:
    return word.arg == name and not (isinstance(word.value, ast.Constant) and word.value.value is False)


def test_nothing_but_the_loader_opens_models_and_weights() -> None:
    found: dict[str, set[str]] = {}
    for path in [*(ROOT / "producer").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        if calls := set(opened(ast.parse(path.read_text()))):
            found[str(path.relative_to(ROOT))] = calls
    assert found == ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "keras.models.load_model(p)",
        "h5py.File(p)",
        "tf.saved_model.load(p)",
        "onnx.load(p)",
        "np.load(p, allow_pickle=yes)",
    ],
)
def test_a_way_around_the_loader_would_be_found(code: str) -> None:
    assert list(opened(ast.parse(code)))


def network(value: float) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.layers[0].kernel.assign(np.full((2, 1), value))
    return model


def swapping(path: Path, other: Path, check: Callable[..., object]) -> Callable[..., object]:
    """A check behind whose back somebody puts another file in place of what it has checked."""

    def checked(*arguments: object, **named: object) -> object:
        result = check(*arguments, **named)
        other.replace(path)
        return result

    return checked


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_model_that_is_swapped_between_check_and_load_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path, other = tmp_path / f"model{suffix}", tmp_path / f"other{suffix}"
    network(1.0).save(path)
    network(666.0).save(other)
    name = "check_h5" if suffix == ".h5" else "check_keras"
    monkeypatch.setattr(loading, name, swapping(path, other, getattr(loading, name)))
    loaded = load_saved(path, "m@1")
    assert not other.exists()
    assert loaded(np.ones((1, 2), np.float32)).numpy().item() == 2.0


def test_weights_that_are_swapped_between_check_and_load_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "m.weights.h5", tmp_path / "o.weights.h5"
    network(1.0).save_weights(path)
    network(666.0).save_weights(other)
    monkeypatch.setattr(loading, "check_weights", swapping(path, other, check_weights))
    load_weights(taking := network(0.0), path, "the weights")
    assert taking.layers[0].kernel.numpy().ravel().tolist() == [1.0, 1.0]


@pytest.mark.parametrize("file_format", ["onnx", "litert"])
def test_bytes_that_are_swapped_between_check_and_load_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    path, other = tmp_path / "model", tmp_path / "other"
    path.write_bytes(b"checked")
    other.write_bytes(b"swapped")
    monkeypatch.setattr(opening, f"check_{file_format}", swapping(path, other, lambda *_: None))
    content = opening.open_model(path, file_format, None, "m@1")  # type: ignore[arg-type]
    assert isinstance(content, opening.Content)
    assert content.data == b"checked"


def test_one_file_stays_the_same_behind_links_and_is_private(tmp_path: Path) -> None:
    (real := tmp_path / "real").write_bytes(b"real")
    (other := tmp_path / "other").write_bytes(b"other")
    (link := tmp_path / "link").symlink_to(real)
    with one_file(link) as own:
        link.unlink()
        link.symlink_to(other)
        other.replace(real)
        assert own.read_bytes() == b"real"
        assert own.parent.stat().st_mode & 0o777 == 0o700
    assert not own.exists()
    with pytest.raises(FileNotFoundError), one_file(tmp_path / "none"):
        pass
    with pytest.raises(InvalidJob, match="m@1 cannot be loaded"):
        load_saved(tmp_path / "none.keras", "m@1")
