"""Single inference requests: answered by a predictor process that a slot keeps warm, models loaded and all."""

import json
import logging
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

from stoker import inference, registry
from stoker.artifacts import ModelVersion
from stoker.errors import InvalidJob, StokerError, Unavailable
from stoker.store import Store
from stoker.wire import decode_tensors, encode_tensors

from .engine.models import LoadedModels
from .process import ForkedProcess
from .slot import Slot

_log = logging.getLogger(__name__)
# Long enough to load a large model; a predictor that takes longer is ended.
_ANSWER_WITHIN_S = 120.0
_OK, _REFUSED, _BROKEN = b"+", b"-", b"!"


class Predictors:
    """The slot's side of its warm predictor process, which is forked at the first request."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._process: ForkedProcess | None = None

    def answer(self, request_id: str) -> str:
        """Take a request and answer it; gives what to show for it in Celery's log."""
        connection = self._slot.connection
        request = connection.run(inference.take(request_id))
        if request is None:
            return "dropped: taken or too late"
        outputs: bytes | StokerError
        try:
            outputs = self._predict(connection.run(registry.resolve(request.model)), request.inputs)
        except StokerError as error:
            outputs = error
        connection.run(inference.answer(request_id, outputs))
        return f"{request.model}: {'refused' if isinstance(outputs, StokerError) else 'answered'}"

    def _predict(self, version: ModelVersion, inputs: bytes) -> bytes:
        if self._process is None:
            settings = self._slot.settings
            self._process = ForkedProcess(_serve, settings.store, settings.model_cache_bytes)
        process = self._process
        try:
            process.pipe.send_bytes(version.model_dump_json().encode())
            process.pipe.send_bytes(inputs)
            reply = process.pipe.recv_bytes() if process.pipe.poll(_ANSWER_WITHIN_S) else b""
        except (EOFError, OSError):
            reply = b""
        if not reply:
            self._process = None
            process.close()
            raise Unavailable(f"the process that served {version.ref} died or hung; another try gets a new one")
        status, body = reply[:1], reply[1:]
        if status == _OK:
            return body
        raise (InvalidJob if status == _REFUSED else Unavailable)(json.loads(body))


def _serve(pipe: Connection, store_url: str, cache_bytes: int) -> None:
    """The predictor process's whole life: read a model version and inputs, write outputs."""
    store = Store(store_url)
    with tempfile.TemporaryDirectory(prefix="stoker-") as scratch:
        models = LoadedModels(cache_bytes, store, Path(scratch))
        while True:
            try:
                version = ModelVersion.model_validate_json(pipe.recv_bytes())
                inputs = pipe.recv_bytes()
            except EOFError:
                return
            pipe.send_bytes(_reply(models, version, inputs))


def _reply(models: LoadedModels, version: ModelVersion, inputs: bytes) -> bytes:
    try:
        return _OK + encode_tensors(models.get(version).predict(decode_tensors(inputs)))
    except InvalidJob as error:
        return _REFUSED + json.dumps(error.message).encode()
    except Exception as error:  # noqa: BLE001  # the process's edge: one broken model must not end the others' predictor
        _log.exception("predicting with %s failed", version.ref)
        return _BROKEN + json.dumps(f"predicting with {version.ref} failed: {error}").encode()
