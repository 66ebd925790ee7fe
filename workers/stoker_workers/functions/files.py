"""Files that a function keeps."""

import zipfile
from collections.abc import Collection
from functools import partial
from pathlib import Path, PurePath

from pydantic import ValidationError

from stoker.errors import InvalidArgument
from stoker.kinds.problems import short
from stoker.models.manifest import Artifact
from stoker.terminal.printable import encodable

from ..ml.prediction.screening.members import safe_path
from ..ml.run import Run
from ..ml.writing import write_result

# The ledger keeps their list.
_LONGEST_NAME, _MOST_FILES = 200, 1_000


def check_name(name: str, known: Collection[str]) -> None:
    """Check the name of an artifact beside those that there are.

    Raises:
        InvalidArgument: nobody could read it, or there are too many.
    """
    if not (isinstance(name, str) and len(name) <= _LONGEST_NAME and name.isprintable() and safe_path(name)):
        raise InvalidArgument(
            f"{short(name)} cannot be the name of an artifact: expected one such as 'logs' or 'logs/train', of at "
            f"most {_LONGEST_NAME} characters that can be printed"
        )
    if name not in known and len(known) >= _MOST_FILES:
        raise InvalidArgument(
            f"a job's artifacts cannot be more than {_MOST_FILES:,}: put files into a folder, and keep that as one"
        )


def pack(path: Path, file: zipfile.ZipFile, within: PurePath) -> None:
    """Write a file, or a folder with all that is in it, into an archive; links are written as what they lead to.

    Raises:
        InvalidArgument: there is something in it that is neither a file nor a folder, or has a name in no UTF-8.
    """
    for each in [path, *(sorted(path.rglob("*")) if path.is_dir() else ())]:
        if not (each.is_file() or each.is_dir()) or encodable(str(each)) != str(each):
            raise InvalidArgument(
                f"{short(str(each))} cannot be kept: it is neither a file nor a folder, or its name is no UTF-8; take "
                "it out"
            )
        file.write(each, within / each.relative_to(path))


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
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as file:
            pack(path, file, PurePath())
        return write_result(run, partial(run.store.put_file, archive, name))
    finally:
        archive.unlink(missing_ok=True)
