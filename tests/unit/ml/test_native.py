"""Native code's stderr is part of the log, and of nothing else."""

import logging
import os
import subprocess
import sys

import pytest

from stoker_workers.ml.native import stderr_logged

_log = logging.getLogger(__name__)

CONVERSIONS = """
import logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.DEBUG, format="%(levelname)s %(message)s")

import keras
import tensorflow as tf
from stoker.models.signature import Signature, TensorSpec
from stoker_workers.ml.prediction.runtime import TensorFlowEngine, converted

class Gamma(keras.layers.Layer):
    "An operation that LiteRT does not have."
    def call(self, inputs):
        return tf.math.igamma(tf.abs(inputs) + 1, tf.abs(inputs))

x = keras.Input((4,), name="x")
spec = TensorSpec(name="x", shape=(4,), dtype="float32", low=-1, high=1)
for layer in (keras.layers.Dense(2), Gamma()):
    model = keras.Model(x, layer(x))
    signature = Signature(inputs=(spec,), outputs=(spec,), task="regression")
    engine = TensorFlowEngine(model, signature, 8)
    engines = converted(engine, model.count_params(), lambda level, what: logging.log(level, "m@1 %s", what))
    print("engines:", *sorted({engine.name.partition("×")[0] for engine in engines}))
"""


def test_each_line_is_logged_at_the_level_that_it_begins_with(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = {
        "W0000 00:00:1732612345.678901    4711 helpers.cc:364] Ignored output_format.": logging.WARNING,
        "E0000 00:00:1732612345.678901    4711 cuda_executor.cc:1228] no driver": logging.ERROR,
        "error: failed while converting: 'main'": logging.DEBUG,
    }
    with caplog.at_level(logging.DEBUG), stderr_logged(_log):
        os.write(2, "\n\n".join(lines).encode())
    assert {record.getMessage(): record.levelno for record in caplog.records} == lines
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_what_was_written_before_an_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def convert() -> None:
        os.write(2, b"W tensorflow/core: careful")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), stderr_logged(_log):
        convert()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.slow
def test_converters_write_nothing_to_stderr() -> None:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}  # as a worker sets it
    done = subprocess.run(
        [sys.executable, "-c", CONVERSIONS], env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stderr == ""
    assert "engines: litert onnx\n" in done.stdout
    assert "WARNING m@1 is computed without LiteRT" in done.stdout
    assert "DEBUG Custom ops: Igamma" in done.stdout
