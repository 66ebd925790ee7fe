"""Categories: one-hot where they are few, codes for an embedding where they are many."""

import keras
import numpy as np
from keras import ops

from stoker.models.rows import MISSING_CATEGORY, category

from ..columns.stats import ColumnStats
from .parts import Codes

MOST_WORDS = 50_000
"""Categories beyond the commonest of these share the place of unseen ones."""
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
        words = vocabulary(each, without_rare=many)
        # The list is in the model's config; a file of an adapted layer would not keep every text.
        lookup = keras.layers.StringLookup(vocabulary=words, oov_token=_UNSEEN, output_mode="int")
        code = lookup(tensor[:, place])
        if many:
            codes.append(
                (Codes(len(words) + 1, column=each.column.name), ops.expand_dims(ops.cast(code, "float32"), -1))
            )
        else:
            one_hot.append(ops.one_hot(code, len(words) + 1, dtype="float32"))
    return one_hot, codes


def vocabulary(stats: ColumnStats, *, without_rare: bool) -> list[str]:
    """The known categories, sorted; a missing one is one of them if training had it.

    Args:
        without_rare: whether those that occur once are left out, so that the place of unseen ones is learned.
    """
    counts = dict.fromkeys((category(value) for value in stats.distinct.counts), 0)
    for value, count in stats.distinct.counts.items():
        counts[category(value)] += count
    if stats.missing:
        counts[MISSING_CATEGORY] = stats.missing
    rare = {word for word, count in counts.items() if count == 1} if without_rare else set()
    known = [word for word in counts if word not in rare] or list(counts)
    return sorted(sorted(known, key=lambda word: -counts[word])[:MOST_WORDS])


def embedding_width(codes: Codes) -> int:
    """How many numbers stand for a category: fastai's rule of thumb (Howard & Gugger 2020)."""
    return int(min(50, np.ceil(1.6 * codes.count**0.56)))
