"""A file that stays the same from its check to its loading."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_file(path: Path) -> Iterator[Path]:
    """The file under the same name in a private folder beside it, for as long as the block runs.

    So what is checked is what is loaded, whatever takes its place at `path` meanwhile.

    Raises:
        OSError: it cannot be read, or the folder cannot be written to.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        own = Path(folder) / path.name
        try:
            # A link to the file itself, not to where a symbolic one leads by the time that it is opened.
            os.link(os.path.realpath(path), own)
        except OSError:
            # Not every file system has links, and not every file may have more.
            shutil.copyfile(path, own)
        yield own
