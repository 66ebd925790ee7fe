"""What is checked of a .keras or .h5 file before Keras opens it."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py

from stoker.errors import InvalidJob
from stoker.kinds.problems import short
from stoker.kinds.training.keras_objects import VALUES
from stoker.kinds.training.keras_screen import check_saved_config

from .hdf5 import check_hdf5
from .members import DAMAGED, checked_members
from .screen import screen

_CONFIG, _METADATA, _WEIGHTS, _ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets/"
_LARGEST_CONFIG = 64 << 20


@screen
def check_keras(path: Path, what: str) -> tuple[dict[str, Any], int]:
    """Check a .keras file; gives its config, without what it was compiled with, and how many numbers its weights are.

    Raises:
        InvalidJob: it is none, names other classes than Keras' own, or has weights elsewhere than in itself.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # Twice, for tables of words may be packed well.
            members = checked_members(archive, what, most_bytes=2 * path.stat().st_size + (1 << 30))
            for name in members:
                if name not in (_CONFIG, _METADATA, _WEIGHTS) and not name.startswith(_ASSETS):
                    raise InvalidJob(
                        f"{what} has the member {short(name)}, which no .keras file has; save the model again"
                    )
            if lacking := [name for name in (_CONFIG, _WEIGHTS) if name not in members]:
                raise InvalidJob(
                    f"{what} has no {' and no '.join(lacking)}: it is no .keras file of Keras 3; save the model again"
                )
            if members[_CONFIG].file_size > _LARGEST_CONFIG:
                raise InvalidJob(f"the config in {what} is larger than {_LARGEST_CONFIG:,} bytes; no model's is")
            config = parsed_config(archive.read(members[_CONFIG]), f"the config in {what}")
            check_saved_config(config, f"the config in {what}")
            # It is loaded without it.
            config.pop("compile_config", None)
            with archive.open(members[_WEIGHTS]) as packed, tempfile.TemporaryFile(dir=path.parent) as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
                return config, check_hdf5(plain, f"{_WEIGHTS} in {what}")
    except DAMAGED as error:
        raise InvalidJob(
            f"{what} is no .keras file, or a damaged one ({short(str(error))}); save the model again"
        ) from error


@screen
def check_h5(path: Path, what: str) -> dict[str, Any]:
    """Check an .h5 file of a whole model, which only Stoker's own trainings have written; gives its config.

    Raises:
        InvalidJob: as `check_keras`.
    """
    with path.open("rb") as file:
        check_hdf5(file, what, texts=True)
        with h5py.File(file, "r") as root:
            text = root.attrs.get("model_config")
    if not isinstance(text, str | bytes):
        raise InvalidJob(f"{what} has no config of a model: it holds weights alone; save the whole model")
    config = parsed_config(text, f"the config in {what}")
    named: dict[str, Any] = _with_modules(config, 0)
    check_saved_config(named, f"the config in {what}")
    return named


_MODULES = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
_DEEPEST = 200


def _with_modules(value: Any, depth: int) -> Any:
    """A config with the modules of layers and models, which this format leaves out: Keras looks among its own."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        return [_with_modules(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    named = {key: _with_modules(each, depth + 1) for key, each in value.items()}
    if "class_name" in value and "module" not in value and value["class_name"] not in VALUES:
        named["module"] = _MODULES.get(str(value["class_name"]), "keras.layers")
    return named


@screen
def check_weights(path: Path, what: str) -> None:
    """Check an .h5 file of weights alone.

    Raises:
        InvalidJob: it has arrays elsewhere than in itself.
    """
    with path.open("rb") as file:
        check_hdf5(file, what, texts=True)


def parsed_config(text: str | bytes, what: str) -> dict[str, Any]:
    """A config from JSON.

    Raises:
        InvalidJob: it is none, or has a name twice: then readers differ in which they take.
    """

    def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        listed = list(pairs)
        unique = dict(listed)
        if len(unique) < len(listed):
            raise InvalidJob(f"{what} has a name twice; save the model again")
        return unique

    try:
        config = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InvalidJob(f"{what} is no JSON: {error}; save the model again") from error
    if not isinstance(config, dict):
        raise InvalidJob(f"{what} is no JSON object; save the model again")
    return config
