"""From a data reference to files that may be read: every access to data passes here."""

import os
import stat
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from stoker.errors import InvalidJob
from stoker.models.access import Access, shown
from stoker.models.data import GLOB, Location, format_of, locate, split

from .http import download


def reach(ref: str, access: Access, scratch: Path) -> Location:
    """The files of a reference: local ones by their real paths, those of web servers as copies.

    Args:
        scratch: a folder for the copies.

    Raises:
        InvalidJob: the reference is malformed, may not be read, or names no file.
        Unavailable: its file system cannot be reached.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        return locate(ref)
    if scheme == "file":
        return _local(ref, path, access)
    if scheme in ("http", "https"):
        return _copied(ref, access, scratch)
    access.remote(ref)
    return locate(ref)


def _local(ref: str, path: str, access: Access) -> Location:
    plain = Path(path).absolute()
    # A pattern is expanded only in an allowed folder; its matches are checked again, because they may be links.
    fixed = next((folder for folder in (plain, *plain.parents) if not GLOB.intersection(str(folder))), plain)
    access.folder(fixed, ref)
    location = locate(str(plain))
    for match in location.urls:
        access.folder(Path(match), ref)
    return Location(
        None, location.format, tuple(_regular(Path(os.path.realpath(match)), ref) for match in location.urls)
    )


def _regular(path: Path, ref: str) -> str:
    if not stat.S_ISREG(path.stat().st_mode):
        raise InvalidJob(f"{shown(ref)} is a pipe, a device or a socket; name a file")
    path.open("rb").close()
    return str(path)


def _copied(ref: str, access: Access, scratch: Path) -> Location:
    data_format = format_of(ref)
    folder = scratch / "downloads"
    folder.mkdir(exist_ok=True)
    name = PurePosixPath(unquote(urlsplit(ref).path)).stem[-100:] or "data"
    target = folder / f"{len(list(folder.iterdir()))}-{name}.{data_format}"
    download(ref, target, access)
    return Location(None, data_format, (str(target),))
