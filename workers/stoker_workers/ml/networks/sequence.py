"""Networks for sequences: of numbers, of token ids, and of words."""

import keras
from keras import ops

from stoker.errors import InvalidJob
from stoker.kinds import Sequence, Text

from .cells import encoded
from .layers import applied, dense_layers
from .row import Row, embedding, joined, table


def whole_sequence(spec: Sequence, row: keras.KerasTensor) -> keras.KerasTensor:
    """The last hidden layer's output, of a row that is a sequence: (steps, channels), or one number for each step."""
    steps = row if len(row.shape) == 3 else ops.expand_dims(row, -1)
    return applied(dense_layers(spec.dense, spec), encoded(spec, steps, None))


def sequence(spec: Sequence, row: Row) -> keras.KerasTensor:
    """The last hidden layer's output: of all sequences, and of what the row holds besides.

    Raises:
        InvalidJob: there is no sequence in it.
    """
    if not row.sequences and not row.lists:
        raise InvalidJob(
            "a Sequence takes rows of shape (steps, channels), lists of numbers or lists of ids, and the data has "
            'none; use an MLP, or say which column is one: columns={"…": "sequence"}'
        )
    return _hidden(spec, row)


def text(spec: Text, row: Row) -> keras.KerasTensor:
    """The last hidden layer's output: of all texts and lists of ids, and of what the row holds besides.

    Raises:
        InvalidJob: there is no text in it.
    """
    if not row.lists:
        raise InvalidJob(
            "a Text network takes at least one column of text, and the data has none; use an MLP, or say which column "
            'is one: columns={"…": "text"}'
        )
    return _hidden(spec, row)


def _hidden(spec: Sequence | Text, row: Row) -> keras.KerasTensor:
    encodings = [encoded(spec, each.steps, each.there) for each in row.sequences]
    encodings += [encoded(spec, embedding(codes, spec.units)(ids), ops.not_equal(ids, 0)) for codes, ids in row.lists]
    return applied(dense_layers(spec.dense, spec), joined([*encodings, *table(row, lists=False)]))
