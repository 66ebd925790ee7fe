"""Free text: the weights of its terms (tf-idf), or the ids of its words."""

import re
import string
from collections import Counter
from math import log

import keras
from keras import ops

from ..columns.stats import ColumnStats
from .parts import Codes, Words

MOST_TERMS = 2_000
_LONGEST_TEXT = 256
_PADDING_AND_UNKNOWN = 2
_UPPER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# What Keras' TextVectorization strips; like its lower-casing, of ASCII alone.
_PUNCTUATION = re.compile(r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']')


def term_weights(tensor: keras.KerasTensor, stats: ColumnStats) -> tuple[keras.KerasTensor, str]:
    """tf-idf of a text's commonest terms, scaled to length 1; the first place is that of all other terms.

    Args:
        tensor: (rows,) of text.

    Returns:
        Also what is to be said of them; "" if nothing.
    """
    terms, weights, known = _terms(stats)
    layer = keras.layers.TextVectorization(output_mode="tf_idf", vocabulary=terms, idf_weights=weights)
    counted = ops.cast(layer(tensor), "float32")
    length = ops.sqrt(ops.sum(counted * counted, axis=-1, keepdims=True))
    cut = (
        f"texts of {stats.column.name!r} have {known:,} different words, of which the {MOST_TERMS:,} commonest have a "
        "weight each and all others share one; architecture=Text(words=…) reads more"
    )
    return counted / ops.maximum(length, 1e-6), cut if known > len(terms) else ""


def word_ids(tensor: keras.KerasTensor, stats: ColumnStats, words: Words) -> tuple[Codes, keras.KerasTensor]:
    """The ids of a text's words as float32: 0 for none, 1 for those that training has not, or in one text only.

    Args:
        tensor: (rows,) of text.
    """
    texts = [_words(text) for text in stats.sample.rows]
    documents = Counter(word for text in texts for word in set(text))
    known = [word for word, count in documents.most_common(words.most) if count > 1] or list(documents)[: words.most]
    longest = max(map(len, texts), default=1)
    length = words.length or max(min(longest, _LONGEST_TEXT), 1)
    # The list is in the model's config; a file of an adapted layer would not keep every word.
    layer = keras.layers.TextVectorization(output_mode="int", output_sequence_length=length, vocabulary=known)
    codes = Codes(len(known) + _PADDING_AND_UNKNOWN, length, is_list=True, column=stats.column.name, longest=longest)
    return codes, ops.cast(layer(tensor), "float32")


def _terms(stats: ColumnStats) -> tuple[list[str], list[float], int]:
    """The commonest terms of the sampled texts, the inverse frequency of each, as Keras weighs it, and how many terms
    there are in all."""
    documents: Counter[str] = Counter()
    for text in stats.sample.rows:
        documents.update(set(_words(text)))
    commonest = documents.most_common(MOST_TERMS)
    rows = max(len(stats.sample.rows), 1)
    weights = [log(1 + rows / (1 + count)) for _, count in commonest]
    return [term for term, _ in commonest], weights, len(documents)


def _words(text: object) -> list[str]:
    """The words of a text, as Keras splits it."""
    return _PUNCTUATION.sub("", str(text).translate(_UPPER)).split()
