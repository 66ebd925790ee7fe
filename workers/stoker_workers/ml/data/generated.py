"""Sample sets that are drawn by numpy, the same on every machine: tables as people have them."""

import numpy as np

from .source import Values

_SEED = 20_260_101
_CUSTOMERS = 2_000
_METERS = {"north": 4.0, "south": 9.0, "mill": 40.0, "school": 15.0}
"""The mean consumption of each meter, in kWh an hour."""
_DAYS = 120
_FIRST_HOUR = np.datetime64("2025-01-06T00", "h")  # a Monday


def churn() -> dict[str, Values]:
    """Customers and whether they left: an id, a date, categories, numbers and yes or no, most of them with gaps."""
    random = np.random.default_rng(_SEED)
    plan = random.choice(["basic", "plus", "family"], _CUSTOMERS, p=[0.5, 0.3, 0.2])
    age = random.integers(18, 86, _CUSTOMERS).astype(np.float64)
    days = random.integers(0, 2_000, _CUSTOMERS)
    monthly = np.round(np.choose(np.searchsorted(["basic", "family", "plus"], plan), [19.9, 49.9, 29.9]), 2)
    monthly += np.round(random.gamma(2.0, 3.0, _CUSTOMERS), 2)
    calls = random.poisson(1.2, _CUSTOMERS)
    paperless = random.random(_CUSTOMERS) < 0.6
    leaning = 1.1 * calls + 1.2 * (plan == "basic") - 0.05 * (age - 50) - days / 500 + 0.5 * ~paperless - 0.4
    left = random.logistic(0, 0.35, _CUSTOMERS) + leaning > 0
    age[random.random(_CUSTOMERS) < 0.08] = np.nan
    joined = np.datetime64("2025-12-31", "us") - days * np.timedelta64(1, "D")
    joined[random.random(_CUSTOMERS) < 0.03] = np.datetime64("NaT")
    return {
        "customer": np.array([f"C{number:05}" for number in random.permutation(_CUSTOMERS)], dtype=object),
        "joined": joined,
        "plan": _with_gaps(plan, random, 0.02),
        "region": _with_gaps(random.choice(["north", "east", "south", "west"], _CUSTOMERS), random, 0.05),
        "age": age,
        "monthly": monthly,
        "calls": calls,
        "paperless": _with_gaps(np.where(paperless, "yes", "no"), random, 0.04),
        "churned": np.where(left, "yes", "no").astype(object),
    }


def consumption() -> dict[str, Values]:
    """Hourly consumption of some meters in the order of time: cycles of day and week, weather, noise, gaps."""
    random = np.random.default_rng(_SEED)
    hours = np.arange(_DAYS * 24)
    hour, weekday = hours % 24, hours // 24 % 7
    weather = np.convolve(random.normal(0, 1.2, len(hours) + 71), np.ones(72) / 8.5, "valid")
    temperature = 8 - 6 * np.cos(2 * np.pi * hours / (365 * 24)) - 4 * np.cos(2 * np.pi * (hour - 3) / 24) + weather
    columns: dict[str, list[Values]] = {"when": [], "meter": [], "temperature": [], "kwh": []}
    for place, (meter, mean) in enumerate(_METERS.items()):
        daily = 1 + 0.45 * np.sin(2 * np.pi * (hour - 8 - place) / 24) + 0.2 * np.sin(4 * np.pi * (hour - 6) / 24)
        weekly = np.where(weekday >= 5, 0.7, 1.0)
        kwh = mean * (daily * weekly - 0.015 * (temperature - 8)) * random.normal(1, 0.05, len(hours))
        kept = np.ones(len(hours), dtype=bool)
        for start in random.integers(0, len(hours), 4):
            kept[start : start + random.integers(1, 6)] = False
        when = (_FIRST_HOUR + hours * np.timedelta64(1, "h")).astype("datetime64[us]")
        drawn = (when, np.full(len(hours), meter, dtype=object), np.round(temperature, 1), np.round(kwh, 3))
        for name, values in zip(columns, drawn, strict=True):
            columns[name].append(values[kept])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    order = np.argsort(joined["when"], kind="stable")
    return {name: values[order] for name, values in joined.items()}


def _with_gaps(texts: Values, random: np.random.Generator, share: float) -> Values:
    filled = texts.astype(object)
    filled[random.random(len(texts)) < share] = None
    return filled
