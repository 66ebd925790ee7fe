"""Categories: one-hot where they are few, codes for an embedding where they are many."""

import keras
import numpy as np
from keras import ops

from ..columns.places import places
from ..columns.stats import ColumnStats
from .parts import Codes

_UNSEEN = "\ue000"


def categories(
    tensor: keras.KerasTensor, stats: list[ColumnStats], *, embed_above: int | None
) -> tuple[list[keras.KerasTensor], list[tuple[Codes, keras.KerasTensor]]]:
    """One-hot columns, and columns of codes as float32.

    Args:
        tensor: (rows, columns) of text, as `stoker.models.rows` spells categories.
        embed_above: columns of more categories than this become codes; None for none.
    """
    one_hot, codes = [], []
    for place, each in enumerate(stats):
        many = embed_above is not None and len(each.distinct.counts) > embed_above
        found = places(each, without_rare=many)
        # The list is in the model's config; a file of an adapted layer would not keep every text.
        lookup = keras.layers.StringLookup(
            vocabulary=found.words, oov_token=_UNSEEN, num_oov_indices=found.shared, output_mode="int"
        )
        code = lookup(tensor[:, place])
        if many:
            codes.append((Codes(found.count, column=each.column.name), ops.expand_dims(ops.cast(code, "float32"), -1)))
        else:
            one_hot.append(ops.one_hot(code, found.count, dtype="float32"))
    return one_hot, codes


def embedding_width(codes: Codes) -> int:
    """How many numbers stand for a category: fastai's rule of thumb (Howard & Gugger 2020)."""
    return int(min(50, np.ceil(1.6 * codes.count**0.56)))
