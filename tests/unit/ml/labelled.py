"""Columns and targets as public tables have them, each labelled by hand before any rule was run on it.

Names, ranges and frequencies are those of the tables as far as they are known by heart; rows are drawn at random.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stoker_workers.ml.data import Column, Values

_RANDOM = np.random.default_rng(7)
_WORDS = [
    *("the", "a", "of", "and", "in", "with", "for", "great", "old", "small", "red", "blue", "glass", "steel", "book"),
    *("paper", "very", "good", "bad", "room", "view", "phone", "case", "box", "never", "again", "bought", "this", "my"),
    *("home", "it", "works", "quite", "well", "movie", "story", "actor", "plot", "boring", "lovely", "cable", "set"),
]
_SYLLABLES = ("ka", "ro", "mi", "lan", "der", "ton", "ber", "son", "wick", "ford", "er", "ly", "an", "ma", "el", "is")


@dataclass(frozen=True)
class Labelled:
    """A column and what it is.

    Attributes:
        truth: what a careful person makes of it.
        fair: what is as well to be defended.
    """

    table: str
    name: str
    values: Values
    truth: str
    fair: tuple[str, ...] = ()
    dtype: str | None = None

    @property
    def column(self) -> Column:
        """As a reader describes it."""
        return Column(self.name, self.dtype or _dtype(self.values), tuple(self.values.shape[1:]))


def _dtype(values: Values) -> str:
    return {"O": "string", "M": "time"}.get(values.dtype.kind, values.dtype.name)


def some(counts: Mapping[Any, int] | Sequence[Any], missing: int = 0) -> Values:
    """Values by how often each occurs, in any order; or the values of a list alike often, in 1,000 rows."""
    if not isinstance(counts, Mapping):
        counts = dict.fromkeys(counts, -(-1000 // len(counts)))
    values = [value for value, count in counts.items() for _ in range(count)] + [None] * missing
    _RANDOM.shuffle(values)
    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    return np.array([np.nan if value is None else value for value in values])


def coded(frequencies: Sequence[int], first: int = 0) -> Values:
    """Whole numbers from `first`, so often each."""
    return some({first + place: count for place, count in enumerate(frequencies)})


def bell(mean: float, deviation: float, low: float, high: float, places: int | None = None, rows: int = 1000) -> Values:
    """Numbers around a mean; whole ones if `places` is None."""
    numbers = np.clip(_RANDOM.normal(mean, deviation, rows), low, high).round(places or 0)
    return numbers if places is not None else numbers.astype(np.int64)


def skewed(middle: float, spread: float, places: int | None = None, rows: int = 1000) -> Values:
    """Numbers as amounts are: many small ones and a long tail; whole ones if `places` is None."""
    numbers = _RANDOM.lognormal(np.log(middle), spread, rows).round(places or 0)
    return numbers if places is not None else numbers.astype(np.int64)


def events(mean: float, rows: int = 1000) -> Values:
    """How often something happened."""
    return _RANDOM.poisson(mean, rows).astype(np.int64)


def gaps(values: Values, share: float) -> Values:
    """The same with missing ones."""
    missing = _RANDOM.random(len(values)) < share
    with_gaps = values.copy() if values.dtype == object else values.astype(np.float64)
    with_gaps[missing] = None if values.dtype == object else np.nan
    return with_gaps


def phrases(words: int, rows: int = 1000) -> Values:
    """Texts of about so many words."""
    lengths = _RANDOM.poisson(words - 1, rows) + 1
    return np.array([" ".join(_RANDOM.choice(_WORDS, length)) for length in lengths], dtype=object)


def names(count: int, words: int = 1) -> list[str]:
    """Different names."""
    made: dict[str, None] = {}
    while len(made) < count:
        parts = ("".join(_RANDOM.choice(_SYLLABLES, 3)).capitalize() for _ in range(words))
        made[" ".join(parts)] = None
    return list(made)


def numbered(pattern: str, numbers: Sequence[int] | NDArray[np.int64]) -> Values:
    """Texts with a number in them."""
    return np.array([pattern.format(number) for number in numbers], dtype=object)


def drawn(values: Sequence[Any], rows: int = 1000) -> Values:
    """Rows of a list, some more often than others."""
    weights = 1 / (np.arange(len(values)) + 3.0)
    places = _RANDOM.choice(len(values), rows, p=weights / weights.sum())
    kind = object if isinstance(values[0], str) else None
    return np.array(values, dtype=kind)[places]


def minutes(first: str, step_min: int, rows: int = 1000) -> Values:
    """Moments, one after the other."""
    return np.datetime64(first, "us") + np.arange(rows) * np.timedelta64(step_min, "m")


def days(first: str, rows: int = 1000) -> NDArray[np.datetime64]:
    """Days, one after the other."""
    return np.datetime64(first, "D") + np.arange(rows)


def ragged(lists: Sequence[Any]) -> Values:
    """A column of lists."""
    values = np.empty(len(lists), dtype=object)
    values[:] = lists
    return values


def _titanic() -> list[Labelled]:
    people = [f"{family}, {title} {first}" for family, title, first in zip(
        names(891), itertools.cycle(("Mr.", "Mrs.", "Miss.", "Master.")), names(891, 2), strict=False)]  # fmt: skip
    tickets = [*numbered("{}", _RANDOM.integers(2000, 400_000, 500)), *numbered("A/5 {}", np.arange(181) + 3000)]
    ages = np.where(_RANDOM.random(891) < 0.03, 28.5, bell(29, 14, 1, 80, 0, 891))
    return [
        Labelled("titanic", "PassengerId", np.arange(1, 892), "ignore"),
        Labelled("titanic", "Survived", coded([549, 342]), "boolean"),
        Labelled("titanic", "Pclass", coded([216, 184, 491], 1), "category"),
        Labelled("titanic", "Name", np.array(people, dtype=object), "text", ("ignore",)),
        Labelled("titanic", "Sex", some({"male": 577, "female": 314}), "category"),
        Labelled("titanic", "Age", gaps(ages, 0.2), "number"),
        Labelled("titanic", "SibSp", some({0: 608, 1: 209, 2: 28, 3: 16, 4: 18, 5: 5, 8: 7}), "number"),
        Labelled("titanic", "Parch", coded([678, 118, 80, 5, 4, 5, 1]), "number"),
        Labelled("titanic", "Ticket", drawn(tickets, 891), "ignore", ("category",)),
        Labelled("titanic", "Fare", skewed(14.5, 1, 4, 891), "number"),
        Labelled("titanic", "Cabin", gaps(drawn(list(numbered("C{}", np.arange(147)))), 0.77), "category", ("ignore",)),
        Labelled("titanic", "Embarked", some({"S": 644, "C": 168, "Q": 77}, missing=2), "category"),
    ]


def _adult() -> list[Labelled]:
    work = {"Private": 697, "Self-emp-not-inc": 78, "Local-gov": 64, "State-gov": 40, "Federal-gov": 30, "Never": 1}
    schools = ["HS-grad", "Some-college", "Bachelors", "Masters", "Assoc-voc", "11th", "10th", "Doctorate"]
    gains = np.where(_RANDOM.random(1000) < 0.92, 0, drawn([3103, 7298, 7688, 15024, 99_999, 2174, 4386, 5178]))
    hours = np.where(_RANDOM.random(1000) < 0.47, 40, bell(40, 15, 1, 99))
    return [
        Labelled("adult", "age", bell(38, 13, 17, 90), "number"),
        Labelled("adult", "workclass", some(work, missing=56), "category"),
        Labelled("adult", "fnlwgt", skewed(180_000, 0.5), "number"),
        Labelled("adult", "education", drawn(schools), "category"),
        Labelled(
            "adult", "education-num",
            coded([2, 5, 10, 20, 16, 29, 36, 13, 322, 224, 42, 33, 164, 53, 18, 13], 1), "number", ("category",),
        ),
        Labelled("adult", "capital-gain", gains, "number"),
        Labelled("adult", "hours-per-week", hours, "number"),
        Labelled("adult", "native-country", drawn(names(41)), "category"),
        Labelled("adult", "income", some({"<=50K": 759, ">50K": 241}), "category", ("boolean",)),
    ]  # fmt: skip


def _penguins_and_houses() -> list[Labelled]:
    ocean = {"<1H OCEAN": 442, "INLAND": 317, "NEAR OCEAN": 129, "NEAR BAY": 111, "ISLAND": 1}
    zoning = {20: 367, 60: 205, 50: 99, 120: 60, 30: 47, 160: 43, 70: 41, 80: 40, 90: 36, 190: 21, 85: 14, 75: 11}
    return [
        Labelled("penguins", "species", some({"Adelie": 152, "Gentoo": 124, "Chinstrap": 68}), "category"),
        Labelled("penguins", "bill_length_mm", gaps(bell(44, 5.5, 32, 60, 1, 344), 0.01), "number"),
        Labelled("penguins", "flipper_length_mm", gaps(bell(201, 14, 172, 231, None, 344), 0.01), "number"),
        Labelled("penguins", "sex", some({"male": 168, "female": 165}, missing=11), "category"),
        Labelled("penguins", "year", some({2007: 110, 2008: 114, 2009: 120}), "number", ("category",)),
        Labelled("california", "longitude", bell(-119.6, 2, -124.3, -114.3, 2), "number"),
        Labelled("california", "housing_median_age", bell(29, 12.6, 1, 52), "number"),
        Labelled("california", "total_rooms", skewed(2100, 0.75), "number"),
        Labelled("california", "median_house_value", skewed(180_000, 0.5), "number"),
        Labelled("california", "ocean_proximity", some(ocean), "category"),
        Labelled("ames", "Id", np.arange(1, 1461), "ignore"),
        Labelled("ames", "MSSubClass", some(zoning), "category", ("number",)),
        Labelled(
            "ames", "OverallQual", coded([2, 3, 20, 116, 397, 374, 319, 168, 43, 18], 1), "number", ("category",)
        ),
        Labelled("ames", "YearBuilt", bell(1975, 30, 1872, 2010), "number"),
        Labelled("ames", "GarageCars", coded([81, 369, 824, 181, 5]), "number", ("category",)),
        Labelled("ames", "Fireplaces", coded([690, 650, 115, 5]), "number", ("category",)),
        Labelled("ames", "MoSold", coded([58, 52, 106, 141, 204, 253, 234, 122, 63, 89, 79, 59], 1), "number",
                 ("category",)),
        Labelled("ames", "SalePrice", skewed(163_000, 0.4), "number"),
        Labelled("kc_house", "id", _RANDOM.permutation(np.arange(1000) * 9973 + 1_000_102), "ignore"),
        Labelled("kc_house", "waterfront", coded([993, 7]), "boolean"),
        Labelled("kc_house", "bathrooms", drawn([2.5, 1.0, 1.75, 2.25, 2.0, 1.5, 3.0, 0.75]), "number"),
        Labelled("kc_house", "zipcode", drawn(list(range(98_001, 98_141, 2)), 5000), "category", ("ignore",)),
    ]  # fmt: skip


def _weather_and_flights() -> list[Labelled]:
    towns = ["Sydney", "Canberra", "Perth", "Darwin", "Hobart", "Brisbane", "MountGambier", "AliceSprings"]
    rain = np.where(_RANDOM.random(1000) < 0.6, 0, skewed(4, 1, 1))
    delays = (skewed(20, 1) - bell(18, 6, 5, 40)).astype(np.int64)
    tails = numbered("N{}UA", _RANDOM.permutation(np.arange(100, 500)))
    return [
        Labelled("seattle", "date", days("2012-01-01").astype("M8[us]"), "time"),
        Labelled("seattle", "precipitation", rain, "number"),
        Labelled("seattle", "weather", some({"rain": 641, "sun": 640, "fog": 101, "drizzle": 53}), "category"),
        Labelled("australia", "Location", some(towns), "category"),
        Labelled("australia", "RainToday", some({"No": 776, "Yes": 224}, missing=20), "boolean"),
        Labelled("australia", "WindGustDir", some(["N", "NNE", "NE", "E", "SE", "S", "SW", "W", "NW"]), "category"),
        Labelled("australia", "Cloud9am", gaps(coded([60, 110, 46, 41, 31, 38, 57, 142, 103, 1]), 0.38), "number",
                 ("category",)),
        Labelled("australia", "Pressure9am", bell(1017, 7, 980, 1041, 1), "number"),
        Labelled("gsod", "yearmoda", np.array([int(str(day).replace("-", "")) for day in days("2016-01-01")]), "time"),
        Labelled("flights", "year", np.full(1000, 2013), "ignore"),
        Labelled("flights", "day", _RANDOM.integers(1, 32, 1000), "number", ("category",)),
        Labelled("flights", "dep_delay", delays, "number"),
        Labelled("flights", "carrier", drawn(["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN"]), "category"),
        Labelled("flights", "flight", drawn(list(range(1, 1200, 3)), 3000), "category", ("ignore", "number")),
        Labelled("flights", "tailnum", drawn(list(tails), 3000), "category", ("ignore",)),
        Labelled("flights", "time_hour", minutes("2013-01-01T05:00", 60), "time"),
        Labelled("flights", "", np.arange(1000), "ignore"),
    ]  # fmt: skip


def _customers_and_wine() -> list[Labelled]:
    ids = np.array([f"{number}-{name[:5].upper()}" for number, name in enumerate(names(1000), 1000)], dtype=object)
    cars = [f"{make} {model.lower()}" for make, model in zip(
        drawn(names(30), 398), drawn(names(290), 398), strict=True)]  # fmt: skip
    return [
        Labelled("telco", "customerID", ids, "ignore"),
        Labelled("telco", "gender", some(["Male", "Female"]), "category"),
        Labelled("telco", "SeniorCitizen", coded([838, 162]), "boolean"),
        Labelled("telco", "Partner", some({"No": 517, "Yes": 483}), "boolean"),
        Labelled("telco", "tenure", _RANDOM.integers(0, 73, 1000), "number"),
        Labelled("telco", "MultipleLines", some({"No": 481, "Yes": 422, "No phone service": 97}), "category"),
        Labelled("telco", "Contract", some({"Month-to-month": 550, "Two year": 241, "One year": 209}), "category"),
        Labelled("telco", "TotalCharges", gaps(skewed(1400, 1, 2), 0.01), "number"),
        Labelled("telco", "Churn", some({"No": 735, "Yes": 265}), "boolean"),
        Labelled("bank", "RowNumber", np.arange(1, 1001), "ignore"),
        Labelled("bank", "CustomerId", _RANDOM.permutation(np.arange(15_565_701, 15_566_701)), "ignore"),
        Labelled("bank", "NumOfProducts", coded([508, 459, 27, 6], 1), "number", ("category",)),
        Labelled("bank", "HasCrCard", coded([294, 706]), "boolean"),
        Labelled("wine", "class", coded([59, 71, 48], 1), "category"),
        Labelled("wine", "Proline", bell(747, 315, 278, 1680, None, 178), "number"),
        Labelled("winequality", "fixed acidity", bell(7, 1, 4, 15, 1), "number"),
        Labelled("winequality", "quality", some({3: 10, 4: 53, 5: 681, 6: 638, 7: 199, 8: 18}), "number",
                 ("category",)),
        Labelled("heart", "cp", coded([143, 50, 87, 23]), "category"),
        Labelled("heart", "thal", coded([2, 18, 166, 117]), "category"),
        Labelled("heart", "ca", coded([175, 65, 38, 20, 5]), "number", ("category",)),
        Labelled("mpg", "cylinders", some({4: 204, 8: 103, 6: 84, 3: 4, 5: 3}), "number", ("category",)),
        Labelled("mpg", "origin", coded([249, 70, 79], 1), "category"),
        Labelled("mpg", "car name", np.array(cars, dtype=object), "text", ("category", "ignore")),
        Labelled("abalone", "Sex", some({"M": 1528, "I": 1342, "F": 1307}), "category"),
        Labelled("abalone", "Rings", bell(10, 3, 1, 29), "number"),
    ]  # fmt: skip


def _bikes_taxis_and_sales() -> list[Labelled]:
    orders = numbered("CA-2016-{}", _RANDOM.permutation(np.arange(100_000, 101_000)).repeat(2))
    return [
        Labelled("bikes", "instant", np.arange(1, 1001), "ignore"),
        Labelled("bikes", "dteday", days("2011-01-01").astype("M8[us]"), "time"),
        Labelled("bikes", "season", coded([244, 254, 259, 243], 1), "category"),
        Labelled("bikes", "hr", coded([42] * 24), "category", ("number",)),
        Labelled("bikes", "holiday", coded([971, 29]), "boolean"),
        Labelled("bikes", "weekday", coded([144, 143, 142, 143, 142, 143, 143]), "category", ("number",)),
        Labelled("bikes", "weathersit", coded([657, 261, 81, 1], 1), "category"),
        Labelled("bikes", "temp", bell(0.5, 0.2, 0.02, 1, 2), "number"),
        Labelled("bikes", "cnt", skewed(140, 1), "number"),
        Labelled("taxis", "VendorID", coded([290, 710], 1), "category"),
        Labelled("taxis", "tpep_pickup_datetime", minutes("2023-01-01T00:00", 7), "time"),
        Labelled("taxis", "passenger_count", coded([18, 740, 148, 37, 17, 24, 16]), "number", ("category",)),
        Labelled("taxis", "RatecodeID", some({1: 944, 2: 37, 99: 6, 5: 5, 3: 3, 4: 2}), "category"),
        Labelled("taxis", "store_and_fwd_flag", some({"N": 993, "Y": 7}), "boolean"),
        Labelled("taxis", "PULocationID", drawn(list(range(1, 261)), 6000), "category", ("ignore",)),
        Labelled("taxis", "payment_type", coded([7, 780, 200, 6, 7]), "category"),
        Labelled("taxis", "fare_amount", skewed(12, 0.6, 1), "number"),
        Labelled("superstore", "Row ID", np.arange(1, 2001), "ignore"),
        Labelled("superstore", "Order ID", orders, "ignore", ("category",)),
        Labelled("superstore", "Ship Mode", some({"Standard Class": 597, "Second Class": 195, "First Class": 154,
                                                  "Same Day": 54}), "category"),
        Labelled("superstore", "Customer Name", drawn(names(400, 2), 2000), "category", ("text", "ignore")),
        Labelled("superstore", "Postal Code", drawn(list(range(1040, 99_301, 160)), 2000), "ignore", ("category",)),
        Labelled("superstore", "Product Name", phrases(6, 2000), "text"),
        Labelled("superstore", "Quantity", events(2.8).clip(1, 14), "number"),
        Labelled("superstore", "Discount", drawn([0.0, 0.2, 0.7, 0.8, 0.3, 0.4, 0.6]), "number"),
        Labelled("superstore", "Country", some({"United States": 2000}), "ignore"),
    ]  # fmt: skip


def _texts_arrays_and_lists() -> list[Labelled]:
    reviews, mails = phrases(60, 500), phrases(12, 500)
    keys = np.array(["".join(_RANDOM.choice([*"0123456789abcdef"], 32)) for _ in range(1000)], dtype=object)
    images = _RANDOM.integers(0, 256, (50, 28, 28)).astype(np.uint8)
    return [
        Labelled("imdb", "review", reviews, "text"),
        Labelled("imdb", "sentiment", some({"positive": 500, "negative": 500}), "category", ("boolean",)),
        Labelled("sms", "message", mails, "text"),
        Labelled("tweets", "airline_sentiment_confidence", bell(0.9, 0.16, 0.3, 1, 4), "number"),
        Labelled("events", "uuid", keys, "ignore"),
        Labelled("events", "is_mobile", _RANDOM.random(1000) < 0.4, "boolean"),
        Labelled("retail", "Description", drawn([*phrases(4, 120)], 4000), "category", ("text",)),
        Labelled("retail", "StockCode", drawn([*numbered("{}A", np.arange(20_000, 20_120))], 4000), "category"),
        Labelled("mnist", "x", images, "image"),
        Labelled("cifar10", "x", _RANDOM.integers(0, 256, (20, 32, 32, 3)).astype(np.uint8), "image"),
        Labelled("digits", "x", bell(5, 6, 0, 16, 0, 6400).reshape(100, 64), "vector"),
        Labelled("har", "x", _RANDOM.normal(size=(40, 128, 9)), "sequence"),
        Labelled("imdb", "ids", ragged([_RANDOM.integers(1, 9000, size) for size in (5, 9, 30)]), "tokens", (), "list"),
        Labelled("ecg", "signal", ragged([_RANDOM.normal(size=size) for size in (5, 9, 30)]), "sequence", (), "list"),
    ]


COLUMNS = [
    *_titanic(),
    *_adult(),
    *_penguins_and_houses(),
    *_weather_and_flights(),
    *_customers_and_wine(),
    *_bikes_taxis_and_sales(),
    *_texts_arrays_and_lists(),
]

CLASSES, NUMBERS = "classification", "regression"


def _target(table: str, name: str, values: Values, truth: str) -> Labelled:
    return Labelled(table, name, values, truth)


# Whole numbers only, the hard case; ratings and other orders, of which either is fair, are left out.
TARGETS = [
    _target("iris", "species", coded([50, 50, 50]), CLASSES),
    _target("digits", "y", coded([178, 182, 177, 183, 181, 182, 181, 179, 174, 180]), CLASSES),
    _target("wine", "class", coded([59, 71, 48], 1), CLASSES),
    _target("titanic", "Survived", coded([549, 342]), CLASSES),
    _target("breast cancer", "Class", some({2: 458, 4: 241}), CLASSES),
    _target("glass", "Type", some({1: 70, 2: 76, 3: 17, 5: 13, 6: 9, 7: 29}), CLASSES),
    _target("yeast", "localization", coded([463, 5, 35, 44, 51, 163, 244, 429, 20, 30]), CLASSES),
    _target("covertype", "Cover_Type", coded([2118, 2833, 358, 27, 95, 174, 205], 1), CLASSES),
    _target("ecoli", "site", coded([143, 77, 2, 2, 35, 20, 5, 52]), CLASSES),
    _target("page blocks", "class", coded([4913, 329, 28, 88, 115], 1), CLASSES),
    _target("shuttle", "class", coded([4559, 5, 17, 890, 327, 1, 1], 1), CLASSES),
    _target("satimage", "class", some({1: 1533, 2: 703, 3: 1358, 4: 626, 5: 707, 7: 1508}), CLASSES),
    _target("vehicle", "Class", coded([218, 212, 217, 199]), CLASSES),
    _target("segment", "class", coded([330] * 7, 1), CLASSES),
    _target("letters", "letter", coded([int(count) for count in _RANDOM.integers(734, 814, 26)]), CLASSES),
    _target("har", "Activity", coded([1722, 1544, 1406, 1777, 1906, 1944], 1), CLASSES),
    _target("zoo", "type", coded([41, 20, 5, 13, 4, 8, 10], 1), CLASSES),
    _target("dermatology", "class", coded([112, 61, 72, 49, 52, 20], 1), CLASSES),
    _target("newsgroups", "topic", coded([480, *[590] * 17, 465, 377]), CLASSES),
    _target("cifar100", "fine_labels", coded([50] * 100), CLASSES),
    _target("abalone", "Rings", bell(10, 3, 1, 29, rows=4177), NUMBERS),
    _target("bikes", "cnt", skewed(140, 1), NUMBERS),
    _target("ames", "SalePrice", skewed(163_000, 0.4), NUMBERS),
    _target("california", "median_house_value", skewed(180_000, 0.5, rows=5000), NUMBERS),
    _target("flights", "arr_delay", (skewed(25, 1) - 20).astype(np.int64), NUMBERS),
    _target("titanic", "Parch", coded([678, 118, 80, 5, 4, 5, 1]), NUMBERS),
    _target("titanic", "SibSp", some({0: 608, 1: 209, 2: 28, 3: 16, 4: 18, 5: 5, 8: 7}), NUMBERS),
    _target("horse kicks", "Deaths", coded([109, 65, 22, 3, 1]), NUMBERS),
    _target("doctor visits", "visits", coded([4141, 782, 174, 30, 24, 9, 12, 12, 5, 1]), NUMBERS),
    _target("students", "G3", some({0: 38, 4: 1, 5: 7, 6: 15, 7: 9, 8: 32, 9: 28, 10: 56, 11: 47, 12: 31, 13: 31,
                                    14: 27, 15: 33, 16: 16, 17: 6, 18: 12, 19: 5, 20: 1}), NUMBERS),
    _target("tips", "size", coded([4, 156, 38, 37, 5, 4], 1), NUMBERS),
    _target("football", "FTHG", coded([880, 1270, 950, 460, 190, 70, 24, 6, 2]), NUMBERS),
    _target("awards", "num_awards", coded([124, 49, 13, 9, 2, 2, 1]), NUMBERS),
    _target("publications", "art", coded([275, 246, 178, 84, 67, 27, 17, 12, 1]), NUMBERS),
    _target("ames", "BedroomAbvGr", coded([6, 50, 358, 804, 213, 21, 7, 1, 1]), NUMBERS),
    _target("ames", "TotRmsAbvGrd", coded([1, 17, 97, 275, 402, 329, 187, 75, 47, 18, 11], 2), NUMBERS),
    _target("crabs", "satell", coded([62, 16, 9, 19, 19, 15, 13, 4, 6, 3, 3, 1, 1, 0, 1, 1]), NUMBERS),
    _target("diamonds", "price", skewed(2400, 1), NUMBERS),
    _target("taxis", "passenger_count", coded([18, 740, 148, 37, 17, 24, 16]), NUMBERS),
    _target("adult", "hours-per-week", np.where(_RANDOM.random(1000) < 0.47, 40, bell(40, 15, 1, 99)), NUMBERS),
]  # fmt: skip
