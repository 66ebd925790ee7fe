"""Stoker behind its gateway: `stoker up` and `stoker gateway`, with two slots and the models that Stoker trained."""

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import stoker
from stoker.gateway.auth.keys import ApiKey, KeyRing, digest_of
from stoker.gateway.serve import begin_log, server_of
from stoker.local import LocalStack
from stoker.settings import Settings

from ...figures import await_worker
from .. import model
from .adapter import KEY, KEY_ID


def main() -> None:
    """Serve until told to stop."""
    keys = KeyRing({KEY_ID: ApiKey(key_id=KEY_ID, name="bench", digest=digest_of(KEY.encode()), role="predictor")})
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), slots=2, gateway_port=urlsplit(os.environ["BENCH_URL"]).port)
        begin_log(settings)
        with LocalStack(settings):
            with stoker.Client(settings=settings) as client:
                await_worker(client)
                for name in model.names():
                    client.register(name, Path(os.environ["BENCH_MODELS"]) / f"{name}.keras")
            server_of(settings, keys).run()


if __name__ == "__main__":
    main()
