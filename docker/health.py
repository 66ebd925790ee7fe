"""The health checks of the images: health.py worker|controller|flower; exit status 0 if all is well, else 1 and a word.

Without an import of Celery or TensorFlow, so that a check costs a fraction of a second. A worker is well if it has
announced itself lately, a controller if one leads, be it another: then jobs are seen to. Both need Redis to say so, and
so tell who is ready; they are no reason to kill a process that only waits for Redis.
"""

import platform
import sys
import urllib.request
from contextlib import closing

from stoker.errors import StokerError
from stoker.ledger import monitoring, presence
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings


def main(what: str) -> str | None:
    """What is wrong, or None."""
    if what == "flower":
        return _flower()
    settings = Settings()
    try:
        with closing(Connection.open(settings, redis_url_of(settings))) as connection:
            if what == "controller":
                return None if connection.run(monitoring.health()).leader else "no controller leads"
            here = [worker for worker in connection.run(presence.workers()) if worker.host == platform.node()]
            return None if here else f"no worker on {platform.node()} has announced itself lately"
    except StokerError as error:
        return error.message


def _flower() -> str | None:
    try:
        with urllib.request.urlopen("http://127.0.0.1:5555/healthcheck", timeout=5) as answer:
            return None if answer.read() == b"OK" else "another than Flower answers"
    except OSError as error:
        return f"Flower does not answer: {error}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
