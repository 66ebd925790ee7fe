"""Arrays x and y from .npz files."""

import zipfile
from collections.abc import Sequence

import fsspec
import numpy as np

from stoker.errors import InvalidJob

from .source import Arrays, Values


def load_arrays(urls: Sequence[str]) -> Arrays:
    """The arrays x and, where there is one, y of all files, joined along the rows.

    Raises:
        InvalidJob: a file is no .npz, holds Python objects, or does not fit the others.
    """
    parts = [_load(url) for url in urls]
    names = list(parts[0])
    for url, part in zip(urls, parts, strict=True):
        for name in names:
            if name not in part or part[name].shape[1:] != parts[0][name].shape[1:]:
                raise InvalidJob(f"{url} does not fit {urls[0]}: array {name} is missing or has rows of another shape")
    if len(parts) == 1:
        return Arrays(parts[0], urls[0])
    return Arrays({name: np.concatenate([part[name] for part in parts]) for name in names}, urls[0])


def _load(url: str) -> dict[str, Values]:
    try:
        with fsspec.open(url, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if "x" not in archive:
                raise InvalidJob(f"{url} has no array x; save it with x=… and y=…")
            arrays = {name: np.asarray(archive[name]) for name in ("x", "y") if name in archive}
    except InvalidJob:
        raise
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise InvalidJob(f"{url} cannot be read as .npz: {error}; write plain arrays with numpy.savez") from error
    for name, array in arrays.items():
        if not array.shape:
            raise InvalidJob(f"array {name} of {url} is a single value; expected one entry per row")
    return arrays
