"""The words of a text as a model's own layer splits it, each as it is written in the text."""

import re
import string
from collections import Counter
from collections.abc import Sequence

import keras

_UPPER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# What Keras' TextVectorization strips.
_PUNCTUATION = re.compile(r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']')
_STRIPS = ("lower_and_strip_punctuation", "strip_punctuation")
_LOWERS = ("lower_and_strip_punctuation", "lower")


def splits_words(layer: keras.layers.TextVectorization) -> bool:
    """Whether a layer takes a text for a list of single words, as Keras does if it is not told otherwise."""
    config = layer.get_config()
    known = config["standardize"] in (None, "lower", *_STRIPS)
    return bool(known and config["split"] == "whitespace" and config["ngrams"] is None)


def words_of(layer: keras.layers.TextVectorization, text: str) -> list[tuple[str, str]]:
    """The words of a text that count: each as it is written, and as the layer looks it up."""
    config = layer.get_config()
    found = []
    for word in text.split():
        known = word.translate(_UPPER) if config["standardize"] in _LOWERS else word
        known = _PUNCTUATION.sub("", known) if config["standardize"] in _STRIPS else known
        if known:
            found.append((word, known))
    return found


def shared_among(words: Sequence[tuple[str, str]], terms: Sequence[str], shares: Sequence[float]) -> list[float]:
    """What each word of a text contributes, where each term has a share: words that occur several times share it.

    Args:
        terms: the first stands for all words that are none of the others.
    """
    places = {term: place for place, term in enumerate(terms)}
    found = [places.get(known, 0) for _, known in words]
    counts = Counter(found)
    return [shares[place] / counts[place] for place in found]
