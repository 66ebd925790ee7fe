"""Messy CSV files, made from a seed: what people export, and what it means.

Markers, preambles and names are drawn from lists of their own, not from the reader's.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta

Cell = float | int | str | date | None

_ROWS = 40
_NAMES = ("Zürich", "Genève", "Århus", "Łódź", "São Paulo", "Køge", "Bern", "Oslo", "El Niño", "Besançon")
_LATIN_NAMES = tuple(name for name in _NAMES if name != "Łódź")
_REMARKS = (
    "fine",
    "late, but complete",
    "call back; urgent",
    'the "old" one',
    "a|b",
    "two\nlines",
    "n.b.: see below",
    "ok",
)
_PREAMBLES = (
    ("Export of 2024-03-01",),
    ("# produced by an instrument", "# channel A"),
    ("Quarterly figures", "", "confidential"),
    ("sep",),
)
_MISSING = ("", "NA", "n/a", "NULL", "null", "NaN", "#N/A", "-", "?")
_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y-%m-%d 12:30:00", "%d %b %Y")
_BOOLEANS = (("yes", "no"), ("true", "false"), ("Y", "N"), ("TRUE", "FALSE"))


@dataclass(frozen=True)
class Messy:
    """A file's bytes, the columns that it means, and how it was made.

    Attributes:
        has_names: whether the names are in the file.
    """

    content: bytes
    columns: dict[str, list[Cell]]
    has_names: bool
    recipe: str


def messy(seed: int) -> Messy:
    """The file of a seed; the same on every machine."""
    draw = random.Random(seed)
    separator = draw.choice([",", ",", ";", ";", "\t", "|"])
    decimal = draw.choice([".", ","]) if separator != "," else draw.choice([".", ".", ","])
    thousands = draw.choice(["", "", ".", "'", " "] if decimal == "," else ["", "", ",", "'", " "])
    encoding = draw.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    quoting = draw.choice(["needed", "needed", "text", "all"])
    missing = draw.choice(_MISSING)
    newline = draw.choice(["\n", "\n", "\r\n", "\r\n", "\r"])
    has_names = draw.random() > 0.15
    preamble = draw.choice(_PREAMBLES) if has_names and draw.random() < 0.25 else ()
    announces = separator == ";" and has_names and not preamble and draw.random() < 0.2
    written_date, percent = draw.choice(_DATES), draw.random() < 0.2
    columns = _columns(draw, {"cp1252": _LATIN_NAMES}.get(encoding, _NAMES))
    texts = {
        name: _written(column, decimal, thousands, missing, written_date, percent=percent and name == "share")
        for name, column in columns.items()
    }
    lines = [list(texts)] if has_names else []
    lines += map(list, zip(*texts.values(), strict=True))
    body = [separator.join(_quoted(cell, separator, quoting) for cell in line) for line in lines]
    head = [f"sep={separator}"] if announces else list(preamble)
    text = newline.join([*head, *body]) + (newline if draw.random() < 0.8 else "")
    recipe = (
        f"{seed}: {separator=} {decimal=} {thousands=} {encoding=} {quoting=} {missing=} {newline=} {has_names=} "
        f"{preamble=} {announces=} {written_date=} {percent=}"
    )
    return Messy(text.encode(encoding), columns, has_names, recipe)


def _columns(draw: random.Random, names: tuple[str, ...]) -> dict[str, list[Cell]]:
    """Some columns of each kind, in any order; gaps in some of them."""
    first, booleans = date(2019, 1, 1), draw.choice(_BOOLEANS)
    made: dict[str, list[Cell]] = {
        "price": [round(draw.uniform(0.5, 99_000), 2) for _ in range(_ROWS)],
        "count": [draw.randrange(0, 9_000) for _ in range(_ROWS)],
        "city": [draw.choice(names) for _ in range(_ROWS)],
        "remark": [draw.choice(_REMARKS) for _ in range(_ROWS)],
        "day": [first + timedelta(days=draw.randrange(900)) for _ in range(_ROWS)],
        "paid": [draw.choice(booleans) for _ in range(_ROWS)],
        "zip": ["01234", *(f"{draw.randrange(99_999):05d}" for _ in range(_ROWS - 1))],
        "share": [round(draw.uniform(0, 100), 1) for _ in range(_ROWS)],
    }
    order = draw.sample(list(made), k=draw.randrange(4, len(made) + 1))
    columns = {name: made[name] for name in order}
    for name in draw.sample(order, k=2):
        if name in ("price", "count", "share", "city"):
            columns[name] = [None if draw.random() < 0.1 else cell for cell in columns[name]]
    return columns


def _written(
    column: list[Cell], decimal: str, thousands: str, missing: str, written_date: str, *, percent: bool
) -> list[str]:
    """A column's cells as text. A word is never written as missing by what is a word itself."""
    is_number = any(isinstance(cell, int | float) for cell in column)
    marker = missing if is_number or missing not in ("-", "?") else ""
    return [_text(cell, decimal, thousands, marker, written_date, percent=percent) for cell in column]


def _text(cell: Cell, decimal: str, thousands: str, missing: str, written_date: str, *, percent: bool) -> str:
    match cell:
        case None:
            return missing
        case str():
            return cell
        case date():
            return cell.strftime(written_date)
        case int():
            return f"{cell:,}".replace(",", thousands)
    whole, _, rest = f"{cell:,.2f}".partition(".")
    return whole.replace(",", thousands) + decimal + rest + ("%" if percent else "")


def _quoted(cell: str, separator: str, quoting: str) -> str:
    is_text = any(character.isalpha() for character in cell)
    is_needed = any(character in cell for character in (separator, '"', "\n", "\r"))
    if is_needed or quoting == "all" or (quoting == "text" and is_text):
        return '"' + cell.replace('"', '""') + '"'
    return cell
