"""A file as it is sent to a store."""

import hashlib
from typing import IO

from ...errors import InvalidArgument
from ..manifest import Artifact

_BLOCK_BYTES = 1 << 20


class Changed(InvalidArgument):
    """A file has changed while it was read to be stored."""


class Stretch:
    """A part of a file as it is sent: it ends by an error if it is not what its artifact says.

    Args:
        source: is read from where it is.
        artifact: the digest and the size of what is to come.
        name: of the file, for the message.
    """

    def __init__(self, source: IO[bytes], artifact: Artifact, name: str) -> None:
        self._source = source
        self._artifact = artifact
        self._name = name
        self._left = artifact.size
        self._digest = hashlib.sha256()

    def read(self, size: int = _BLOCK_BYTES) -> bytes:
        """The next bytes; none at the end.

        Raises:
            Changed: all of them are others than before.
        """
        block = self._source.read(min(size, self._left))
        self._left -= len(block)
        self._digest.update(block)
        if not block and self._digest.hexdigest() != self._artifact.digest:
            raise Changed(f"{self._name} has changed while it was read; put it there again when nobody writes to it")
        return block
