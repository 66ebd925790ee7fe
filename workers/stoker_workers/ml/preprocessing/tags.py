"""Lists of texts: 0 or 1 for each text that a list may hold."""

import keras
from keras import ops

from stoker.models.lists import MISSING_TAGS

from ..columns.places import tag_words
from ..columns.stats import ColumnStats


def tags(tensor: keras.KerasTensor, stats: ColumnStats) -> keras.KerasTensor:
    """A place for each known tag; before them one for all others, behind them one for a missing list, if training had
    such.

    Args:
        tensor: (rows,) of text, as `stoker.models.lists` joins tags.
    """
    found = tag_words(stats)
    # The list is in the model's config; a file of an adapted layer would not keep every text.
    layer = keras.layers.TextVectorization(
        standardize=None, split="whitespace", output_mode="multi_hot", vocabulary=[*found.words, MISSING_TAGS]
    )
    last = 1 + len(found.words) + (stats.missing > 0)
    return ops.cast(layer(tensor), "float32")[:, 1 - found.shared : last]
