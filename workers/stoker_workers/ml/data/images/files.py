"""Reading the files of pictures: each path that a table names passes the rules of access."""

import os
import tempfile
from pathlib import Path

from stoker.errors import InvalidJob
from stoker.models.access import Access, shown
from stoker.models.data import open_file, split
from stoker.models.pictures import BrokenPicture
from stoker.models.uploads import SCHEME as UPLOADS

from ..http import download
from ..reach import regular
from ..uploaded import is_uploaded, uploaded

MOST_BYTES = 256 << 20
"""A file that is larger is no picture of a size that is decoded."""


class PictureFiles:
    """The files that a table names: by URL, by absolute path, or by a path from the table's folder.

    Args:
        folder: the table's, as a path or a URL.
        scratch: a folder for copies from web servers.
    """

    def __init__(self, folder: str, access: Access, scratch: Path) -> None:
        self._folder = folder
        self._access = access
        self._scratch = scratch

    def __call__(self, name: str) -> bytes:
        """The content of one file.

        Raises:
            BrokenPicture: there is no such file in a folder that may be read.
            InvalidJob: it may not be read, is missing elsewhere, or is too large.
            Unavailable: its file system cannot be reached.
        """
        scheme, path = split(name)
        if scheme == "file" and "://" in self._folder and not path.startswith("/"):
            name = f"{self._folder.rstrip('/')}/{path}"
            scheme = split(name)[0]
        if scheme == "file":
            place = Path(self._folder, path)
            self._access.folder(place, name)
            if not place.exists():
                raise BrokenPicture(f"does not exist, seen from {self._folder}")
            return read_file(regular(Path(os.path.realpath(place)), name))
        if scheme == "sample":
            raise InvalidJob(f"{shown(name)} is a sample set, not a picture; name a file")
        if scheme == UPLOADS:
            if not is_uploaded(name, self._access):
                raise BrokenPicture(f"does not exist, seen from {self._folder}")
            return read_file(str(uploaded(name, self._access, self._scratch)))
        if scheme not in ("http", "https"):
            self._access.remote(name)
            return read_file(name)
        with tempfile.TemporaryDirectory(dir=self._scratch) as copies:
            copy = Path(copies, "picture")
            download(name, copy, self._access)
            return read_file(str(copy))


def read_file(url: str) -> bytes:
    """The content of a file that may be read.

    Raises:
        InvalidJob: it is missing, or too large.
        DependencyUnavailable: its host is away.
    """
    with open_file(url) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InvalidJob(f"{shown(url)} is larger than the {MOST_BYTES:,} bytes that a picture's file may have")
    return content
