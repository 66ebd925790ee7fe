"""The places of a category's or of tags' values: one each for those that are common, and shared ones for others."""

from collections import Counter
from dataclasses import dataclass

from stoker.models.lists import tag
from stoker.models.rows import MISSING_CATEGORY, category

from .stats import ColumnStats

MOST_OWN = 50_000
"""Values of a column that have a place of their own at most: the commonest."""
BUCKETS = 20_000
"""Places that the others share by hash, where there are more."""

MOST_TAGS = 2_000
"""Texts of a column of lists that have a place of their own: the commonest."""
_NO_TAG = "[UNK]"  # what Keras calls a text that it does not know


@dataclass(frozen=True)
class Places:
    """Where the values of a column go.

    Attributes:
        words: those with a place of their own, sorted, in the spelling of `stoker.models.rows`; a missing one is one of
            them if training had it.
        shared: how many places all others share, also those that training has not seen.
    """

    words: list[str]
    shared: int = 1

    @property
    def count(self) -> int:
        """How many places there are."""
        return len(self.words) + self.shared


def places(stats: ColumnStats, *, without_rare: bool) -> Places:
    """The places of a column's values.

    Args:
        without_rare: whether those that occur once have none of their own, so that the place of unseen ones is learned;
            those of very many values have none anyway.
    """
    counts = dict.fromkeys((category(value) for value in stats.distinct.counts), 0)
    for value, count in stats.distinct.counts.items():
        counts[category(value)] += count
    hashed = is_hashed(stats)
    rare = {word for word, count in counts.items() if count == 1} if without_rare or hashed else set()
    known = [word for word in counts if word not in rare] or list(counts)
    words = sorted(known, key=lambda word: -counts[word])[:MOST_OWN]
    if stats.missing:
        words = [*(word for word in words if word != MISSING_CATEGORY), MISSING_CATEGORY]
    return Places(sorted(words), BUCKETS if hashed else 1)


def is_hashed(stats: ColumnStats) -> bool:
    """Whether a column has more values than have a place of their own."""
    return not stats.distinct.complete or len(stats.distinct.counts) > MOST_OWN


def hashed_text(stats: ColumnStats) -> str:
    """What becomes of very many values, as the end of a reason; nothing for fewer."""
    if not is_hashed(stats):
        return ""
    return f"; the commonest, at most {MOST_OWN:,}, have a place each, and all others share {BUCKETS:,} by hash"


def tag_words(stats: ColumnStats) -> Places:
    """The places of the texts in a column's lists, the commonest first; those that occur once share one, so that it is
    learned. None is shared where all have their own, as others would stand for nothing that was learned.
    """
    counts: Counter[str] = Counter()
    for text, count in stats.distinct.counts.items():
        counts[tag(str(text))] += count
    known = {word: count for word, count in counts.items() if word and word != _NO_TAG}
    common = {word: count for word, count in known.items() if count > 1} or known
    words = sorted(common, key=lambda word: (-common[word], word))[:MOST_TAGS]
    return Places(words, 0 if len(words) == len(counts) and stats.distinct.complete else 1)


def shared_tags(stats: ColumnStats) -> str:
    """What becomes of very many texts in lists, as the end of a reason; nothing for fewer."""
    if stats.distinct.complete and len(stats.distinct.counts) <= MOST_TAGS:
        return ""
    return f"; the commonest, at most {MOST_TAGS:,}, have a place each, and all others share one"
