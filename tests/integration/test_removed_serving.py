"""Predictions by a model that was removed or has another name: refused soon, whoever asks and whatever is loaded."""

import numpy as np
import pytest

import stoker
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL

SPEC = stoker.Train(model="passing", data="sample://iris", epochs=1, device="cpu", seed=1, **SMALL)
ROWS = np.ones((2, 4), np.float32)


def is_refused(client: stoker.Client, ref: str) -> bool:
    try:
        client.infer(ref, ROWS, timeout=PATIENCE_S)
    except stoker.ModelNotFound:
        return True
    return False


def test_callers_of_a_version_that_goes_are_refused(
    client: stoker.Client, stack: Settings, eventually: Eventually
) -> None:
    for _ in range(2):
        client.submit(SPEC).result(timeout=PATIENCE_S)
    with stoker.Client(settings=stack) as another:
        for ref in ("passing@2", "passing"):
            for caller in (client, another):
                assert caller.infer(ref, ROWS, timeout=PATIENCE_S).shape == (2, 3)

        client.remove_model("passing@2")
        with pytest.raises(stoker.ModelNotFound, match="passing@2 was removed at"):
            client.infer("passing@2", ROWS, timeout=PATIENCE_S)
        # This one has the inputs at hand, and asks a predictor that has the model loaded.
        eventually(lambda: is_refused(another, "passing@2"))

        client.rename_model("passing", "lasting")
        assert is_refused(client, "passing")
        eventually(lambda: is_refused(another, "passing"))
        assert another.infer("lasting", ROWS, timeout=PATIENCE_S).shape == (2, 3)
        client.remove_model("lasting")
        eventually(lambda: is_refused(another, "lasting"))
