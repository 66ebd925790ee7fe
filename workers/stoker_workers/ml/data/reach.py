"""From a data reference to files that may be read: every access to data passes here."""

import os
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from stoker.errors import InvalidJob
from stoker.models.access import Access, shown
from stoker.models.data import GLOB, Location, locate, named_format, split, unknown_format
from stoker.models.formats import Format
from stoker.models.uploads import SCHEME as UPLOADS

from .http import download
from .uploaded import uploaded


def reach(ref: str, access: Access, scratch: Path, data_format: Format | None = None) -> Location:
    """The files of a reference: local ones by their real paths, those of web servers and uploads as copies.

    Args:
        data_format: of the files; None reads it off their names.
        scratch: a folder for the copies.

    Raises:
        InvalidJob: the reference is malformed, may not be read, or names no file.
        Unavailable: its file system cannot be reached.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        return locate(ref)
    if scheme == "file":
        return _local(ref, path, access, data_format)
    if scheme == UPLOADS:
        return locate(str(uploaded(ref, access, scratch)), data_format)
    if scheme in ("http", "https"):
        return _copied(ref, access, scratch, data_format)
    access.remote(ref)
    return locate(ref, data_format)


def _local(ref: str, path: str, access: Access, data_format: Format | None) -> Location:
    plain = Path(path).absolute()
    # A pattern is expanded only in an allowed folder; its matches are checked again, because they may be links.
    fixed = next((folder for folder in (plain, *plain.parents) if not GLOB.intersection(str(folder))), plain)
    access.folder(fixed, ref)
    location = locate(str(plain), data_format)
    for match in location.urls:
        access.folder(Path(match), ref)
    urls = tuple(regular(Path(os.path.realpath(match)), ref) for match in location.urls)
    return replace(location, urls=urls)


def regular(path: Path, ref: str) -> str:
    """A path of a file, rather than of a pipe or a device, that may be opened.

    Raises:
        InvalidJob: it is of another thing.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise InvalidJob(f"{shown(ref)} is a pipe, a device or a socket; name a file")
    path.open("rb").close()
    return str(path)


def _copied(ref: str, access: Access, scratch: Path, data_format: Format | None) -> Location:
    data_format = data_format or named_format(ref)
    if data_format is None:
        raise unknown_format(ref)
    folder = scratch / "downloads"
    folder.mkdir(exist_ok=True)
    name = PurePosixPath(unquote(urlsplit(ref).path)).stem[-100:] or "data"
    target = folder / f"{len(list(folder.iterdir()))}-{name}.{data_format}"
    download(ref, target, access)
    return Location(None, data_format, (str(target),), names=(name,) if data_format == "images" else ())
