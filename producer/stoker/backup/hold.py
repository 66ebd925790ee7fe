"""That a backup goes on, said to the controllers: as long as it is, nothing is removed from the store."""

import platform
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Self

from ..errors import Unavailable
from ..ledger import backups
from ..redis.connection import Connection
from ..terminal.printable import encodable

_SAID_AGAIN_S = 30.0


class Hold:
    """Holds the store's files for the length of a with block.

    Args:
        folder: where the backup is written: one of the same folder that was killed is gone on with.
    """

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection = connection
        self._name = encodable(f"{platform.node()}:{folder.absolute()}")
        self._said = 0.0

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            Unavailable: another backup goes on.
        """
        holder = self._connection.run(backups.begin(self._name))
        if holder != self._name:
            raise Unavailable(
                f"another backup goes on, into {holder}: wait for its end; if it was killed, that is "
                f"{backups.HELD_S // 60} minutes later"
            )
        self._said = monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        # It ends by itself, only later.
        with suppress(Unavailable):
            self._connection.run(backups.end(self._name))

    def go_on(self) -> None:
        """Say so again, if that was not done lately.

        Raises:
            Unavailable: it was said too long ago: what the snapshot names may be gone.
        """
        if monotonic() - self._said < _SAID_AGAIN_S:
            return
        if not self._connection.run(backups.go_on(self._name)):
            raise Unavailable(
                f"the backup stood still for more than {backups.HELD_S // 60} minutes, and files that it has yet to "
                "copy may have been removed: take it again, into the same folder; that copies only what is missing"
            )
        self._said = monotonic()
