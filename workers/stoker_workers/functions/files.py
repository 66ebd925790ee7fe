"""Files that a function keeps."""

import zipfile
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from stoker.errors import InvalidArgument
from stoker.models.manifest import Artifact

from ..ml.run import Run
from ..ml.writing import write_result


def stored(path: Path, run: Run) -> Artifact:
    """Put a file, or a folder as a zip, into the store.

    Raises:
        InvalidArgument: it does not exist, or its name is none that the store has.
        Stopped: the store is away, and a stop was requested meanwhile.
    """
    if not path.exists():
        raise InvalidArgument(f"{path} cannot be an artifact: it does not exist; write it first")
    name = path.name if path.is_file() else f"{path.name}.zip"
    try:
        Artifact(name=name, digest="0" * 64, size=0)
    except ValidationError:
        raise InvalidArgument(
            f"{name!r} cannot be the name of an artifact: expected letters, digits and . _ -, at most 128, and a "
            "letter or digit first; call the file otherwise"
        ) from None
    if path.is_file():
        return write_result(run, partial(run.store.put_file, path))
    archive = run.scratch / f"{path.name}.artifact"
    try:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for each in sorted(path.rglob("*")):
                file.write(each, each.relative_to(path))
        return write_result(run, partial(run.store.put_file, archive, name))
    finally:
        archive.unlink(missing_ok=True)
