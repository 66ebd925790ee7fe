"""Sample sets of opinions, drawn by numpy, the same on every machine: short texts, and ratings of items by users."""

import numpy as np

from .source import Values

_SEED = 20_260_101
_REVIEWS = 2_000
_THINGS = (
    "food",
    "service",
    "room",
    "view",
    "breakfast",
    "staff",
    "bed",
    "price",
    "location",
    "pool",
    "coffee",
    "wifi",
)
_GOOD = ("lovely", "great", "excellent", "friendly", "perfect", "pleasant", "charming", "superb", "delightful")
_BAD = ("awful", "terrible", "dirty", "rude", "broken", "disappointing", "noisy", "poor", "dreadful")
_OPENINGS = (
    "We stayed two nights.",
    "Our second visit.",
    "I came for work.",
    "Booked at the last minute.",
    "A family trip.",
)
_CLOSINGS = {
    True: ("We will be back!", "Recommended.", "Thank you."),
    False: ("Never again.", "Avoid.", "What a pity."),
}
_USERS, _ITEMS, _RATINGS = 300, 200, 12_000
_TASTES = 3


def reviews() -> dict[str, Values]:
    """Reviews of a hotel, put together from templates, and their sentiment.

    A third of them praise one thing and complain of another, of which the last one counts, and some deny what they name
    ("not dirty"): so the words alone do not tell all. In 3 of 100 the sentiment is wrong.
    """
    random = np.random.default_rng(_SEED)
    good = random.random(_REVIEWS) < 0.5
    texts = np.array([_review(bool(each), random) for each in good], dtype=object)
    wrong = random.random(_REVIEWS) < 0.03
    return {"review": texts, "sentiment": np.where(good ^ wrong, "good", "bad").astype(object)}


def _review(good: bool, random: np.random.Generator) -> str:
    first, second = random.choice(_THINGS, 2, replace=False)
    mixed = random.random() < 0.33
    told = f"the {first} was {_said(good ^ mixed, random)}{', but' if mixed else ' and'} the {second} was"
    parts = [f"{told[0].upper()}{told[1:]} {_said(good, random)}."]
    if random.random() < 0.6:
        parts.insert(0, str(random.choice(_OPENINGS)))
    if random.random() < 0.2:
        parts.append(str(random.choice(_CLOSINGS[good])))
    return " ".join(parts)


def _said(good: bool, random: np.random.Generator) -> str:
    """What is said of a thing; one in six times by denying the opposite."""
    denied = random.random() < 1 / 6
    word = random.choice(_GOOD if good ^ denied else _BAD)
    return f"not {word}" if denied else f"{random.choice(['', 'very ', 'really '])}{word}"


def ratings() -> dict[str, Values]:
    """Ratings from 1 to 5 of items by users, in the order of time, of a fifth of all pairs; a few are missing.

    A rating is how generous the user is and how good the item is, how well the user's tastes fit the item's traits, and
    noise.
    """
    random = np.random.default_rng(_SEED)
    generous, quality = random.normal(0, 0.5, _USERS), random.normal(0, 0.6, _ITEMS)
    tastes, traits = random.normal(0, 0.55, (_USERS, _TASTES)), random.normal(0, 0.55, (_ITEMS, _TASTES))
    pairs = random.choice(_USERS * _ITEMS, _RATINGS, replace=False)
    user, item = np.divmod(pairs, _ITEMS)
    liking = 3.4 + generous[user] + quality[item] + (tastes[user] * traits[item]).sum(axis=1)
    rating = np.rint(liking + random.normal(0, 0.4, _RATINGS)).clip(1, 5)
    rating[random.random(_RATINGS) < 0.01] = np.nan
    return {
        "user": np.array([f"u{number:03}" for number in user], dtype=object),
        "item": np.array([f"book {number:03}" for number in item], dtype=object),
        "rating": rating,
    }
