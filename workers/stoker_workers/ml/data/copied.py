"""A single file of any reference as a local one, by the rules of access to data."""

import os
import re
from itertools import takewhile
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from stoker.errors import InvalidJob
from stoker.models.access import Access, shown
from stoker.models.data import open_file, reading, split
from stoker.models.uploads import SCHEME as UPLOADS

from .copies import BLOCK_BYTES, write_copy
from .http import download
from .reach import regular
from .uploaded import uploaded


def local_file(ref: str, access: Access, scratch: Path) -> Path:
    """The path of a file; of one elsewhere, that of a copy with its suffix.

    Args:
        scratch: a folder for the copy.

    Raises:
        InvalidJob: it may not be read, is missing or too large.
        Unavailable: its file system cannot be reached.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        raise InvalidJob(f"{shown(ref)} is a sample set, not a file; give a path or a URL")
    with reading(ref):
        if scheme == "file":
            access.folder(Path(path).absolute(), ref)
            return Path(regular(Path(os.path.realpath(path)), ref))
        if scheme == UPLOADS:
            return Path(regular(uploaded(ref, access, scratch), ref))
        name = PurePosixPath(unquote(urlsplit(ref).path)).name
        target = scratch / re.sub(r"[^A-Za-z0-9._-]", "_", f"copy-{name[-100:]}")
        if scheme in ("http", "https"):
            download(ref, target, access)
            return target
        access.remote(ref)
        with open_file(ref) as file:
            blocks = takewhile(bool, iter(lambda: file.read(BLOCK_BYTES), None))
            write_copy(target, blocks, ref, None)
        return target
