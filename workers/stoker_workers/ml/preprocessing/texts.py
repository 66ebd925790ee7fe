"""Free text: the weights of its terms (tf-idf)."""

import re
import string
from collections import Counter
from math import log

import keras
from keras import ops

from ..columns.stats import ColumnStats

MOST_TERMS = 2_000
_UPPER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# What Keras' TextVectorization strips; like its lower-casing, of ASCII alone.
_PUNCTUATION = re.compile(r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']')


def term_weights(tensor: keras.KerasTensor, stats: ColumnStats) -> keras.KerasTensor:
    """tf-idf of a text's commonest terms, scaled to length 1; the first place is that of all other terms.

    Args:
        tensor: (rows,) of text.
    """
    terms, weights = _terms(stats)
    layer = keras.layers.TextVectorization(output_mode="tf_idf", vocabulary=terms, idf_weights=weights)
    counted = ops.cast(layer(tensor), "float32")
    length = ops.sqrt(ops.sum(counted * counted, axis=-1, keepdims=True))
    return counted / ops.maximum(length, 1e-6)


def _terms(stats: ColumnStats) -> tuple[list[str], list[float]]:
    """The commonest terms of the sampled texts, and the inverse frequency of each, as Keras weighs it."""
    documents: Counter[str] = Counter()
    for text in stats.sample.rows:
        documents.update(set(_PUNCTUATION.sub("", str(text).translate(_UPPER)).split()))
    commonest = documents.most_common(MOST_TERMS)
    rows = max(len(stats.sample.rows), 1)
    return [term for term, _ in commonest], [log(1 + rows / (1 + count)) for _, count in commonest]
