"""What apps have put into the store: references `store://<digest>/<name>`, and what is listed there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from ..errors import InvalidJob
from .access import Unsafe, shown
from .described import Described

SCHEME = "store"
FOLDER = ".folder"
"""How the name of an uploaded folder ends; that of a file never does."""
GLOB = frozenset("*?[")
COPIES = "uploads"
"""The folder below a job's scratch folder that has uploads by digest and name."""
_COPY = re.compile(rf"/[^\s'\"]*/{COPIES}/(?=[0-9a-f]{{64}}/)")
_LONGEST_NAME, _LONGEST_SUFFIX = 128, 32
_REF = re.compile(r"store://(?P<digest>[0-9a-f]{64})/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,127})(?:/(?P<below>.*))?")
_SUFFIXES_ONLY = re.compile(r"^[._-]+((?:\.[A-Za-z0-9]+){1,2})$")

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class UploadRef:
    """A reference to what was uploaded.

    Attributes:
        digest: SHA-256 of the file, or of the list of a folder's files.
        name: for people, and with its suffix for the format.
        below: the path or the pattern of files in a folder; empty for all of it.
    """

    digest: str
    name: str
    below: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, or in one."""
        return self.name.endswith(FOLDER)

    @property
    def whole(self) -> str:
        """The reference of the whole upload."""
        return f"{SCHEME}://{self.digest}/{self.name}"


class FolderFile(Described):
    """A file of an uploaded folder.

    Attributes:
        path: below the folder, with / between its parts.
        digest: SHA-256 of its bytes.
        size: bytes.
    """

    path: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    digest: Digest
    size: int = Field(ge=0)


class FolderFiles(Described):
    """The files of an uploaded folder, by path. What it says is an app's: paths are checked, for they become files."""

    files: tuple[FolderFile, ...]

    @model_validator(mode="after")
    def _stays_within(self) -> Self:
        paths = {file.path for file in self.files}
        for path in paths:
            if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
                raise ValueError(f"{shown(path)!r} is no path below a folder")
            if any(str(parent) in paths for parent in PurePosixPath(path).parents):
                raise ValueError(f"{shown(path)!r} is below a file")
        if len(paths) < len(self.files):
            raise ValueError("two files have one path")
        return self

    def matching(self, below: str) -> tuple[FolderFile, ...]:
        """The files at or below a path, or those that a pattern matches; all for an empty one."""
        if not below:
            return self.files
        if GLOB.intersection(below):
            # Heavy for a program that only builds specs.
            from fsspec.utils import glob_translate

            pattern = re.compile(glob_translate(below))
            return tuple(file for file in self.files if pattern.match(file.path))
        return tuple(file for file in self.files if file.path == below or file.path.startswith(f"{below}/"))


class Pieces(Described):
    """The pieces of a long file, in order.

    Attributes:
        pieces: the digest of each.
        size: bytes of the whole file.
    """

    pieces: tuple[Digest, ...]
    size: int = Field(ge=0)


def parse_upload(ref: str) -> UploadRef:
    """Take a reference apart.

    Raises:
        InvalidJob: it is malformed.
    """
    match = _REF.fullmatch(ref)
    if not match:
        raise Unsafe(
            f"{shown(ref)} is no reference to an upload; expected store://<64 hex digits>/<name>, as client.upload "
            "gives it"
        )
    below = (match["below"] or "").strip("/")
    upload = UploadRef(match["digest"], match["name"], normpath(below) if below else "")
    if below and not upload.is_folder:
        raise InvalidJob(
            f"{shown(upload.whole)} is one file, and has no {shown(below)!r} in it; upload the folder of both, and "
            "name it in that"
        )
    if upload.below.split("/")[0] == "..":
        raise Unsafe(f"{shown(ref)} leads out of the uploaded folder; name a file in it")
    return upload


def unknown_upload(ref: str) -> str:
    """What is said of a reference that nobody has uploaded, or whose time is over."""
    return (
        f"there is no {shown(ref)}: it was never uploaded to this server, or was kept as long as it was to be; upload "
        "it again by client.upload or `stoker files put`"
    )


def vanished_upload(ref: str) -> str:
    """What is said of a reference whose bytes, or a part of them, are no longer in the store."""
    return (
        f"{shown(ref)} was uploaded, but its bytes are gone from the store; restore them from a backup, or upload it "
        "again by client.upload or `stoker files put`"
    )


def by_reference(message: str) -> str:
    """A message that names uploads by their references, instead of the paths that a job reads them at."""
    return _COPY.sub(f"{SCHEME}://", message)


def upload_name(name: str, *, is_folder: bool) -> str:
    """A name as references have it: what is none of `A-Z a-z 0-9 . _ -` becomes `_`, and its suffix stays."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    # Of a name in other letters only the suffix is left.
    plain = _SUFFIXES_ONLY.sub(r"data\1", plain).lstrip("._-") or "data"
    if is_folder:
        return plain.removesuffix(FOLDER)[: _LONGEST_NAME - len(FOLDER)] + FOLDER
    if plain.endswith(FOLDER):
        plain = f"{plain.removesuffix(FOLDER)}_folder"
    suffixes = "".join(PurePosixPath(plain).suffixes[-2:])[-_LONGEST_SUFFIX:]
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - len(suffixes)] + suffixes


def folder_of_files(files: Sequence[FolderFile]) -> bytes:
    """The list of a folder's files as it is stored: the same for the same files."""
    return FolderFiles(files=tuple(sorted(files, key=lambda file: file.path))).model_dump_json().encode()
