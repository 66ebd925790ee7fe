"""Cleans a store up, as a controller does that finds everything to be old, and says what it has removed.

Arguments: the store's URL, the Redis.
"""

import sys
from contextlib import closing
from datetime import timedelta

from stoker.ledger import store_files
from stoker.ledger.keys import key
from stoker.models.store import Store, Stored
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller import leftovers


class Telling(Store):
    """A store that tells of each file before and after it goes: whoever reads may kill this process in between."""

    def remove(self, file: Stored) -> None:
        """Delete a file."""
        print(f"removes {file.digest}", flush=True)
        super().remove(file)
        print(f"removed {file.digest}", flush=True)


def main(url: str, redis_url: str) -> None:
    """Look through the store twice."""
    leftovers.YOUNG, leftovers.SECOND_LOOK = -timedelta(days=1), timedelta()
    with closing(Connection.open(Settings(), redis_url)) as connection:
        for _ in range(2):
            search = leftovers.LeftoverSearch(Telling(url), connection, removes=True)
            connection.client.delete(key("leftovers"))
            while connection.run(store_files.leftovers()) is None:
                search.step()


if __name__ == "__main__":
    main(*sys.argv[1:])
