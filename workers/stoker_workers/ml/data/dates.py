"""Dates and times as people write them."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_TIME = (
    r"(?:[T ]\s*(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?\s*(?P<p>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<z>Z|UTC|GMT|[+\-]\d{2}(?::?\d{2})?)?)?$"
)
_DAY, _MONTH, _YEAR = r"(?P<d>\d{1,2})", r"(?P<m>\d{1,2})", r"(?P<y>\d{4})"
_NAME = r"(?P<b>[A-Za-z]{3,9})\.?"
_WEEKDAY = r"(?:[A-Za-z]{2,9}\.?,?\s+)?"

PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        "year-month-day": rf"^{_YEAR}-{_MONTH}-{_DAY}{_TIME}",
        "year/month/day": rf"^{_YEAR}[/.]{_MONTH}[/.]{_DAY}{_TIME}",
        "day.month.year": rf"^(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.{_YEAR}{_TIME}",
        "day.month.year of two digits": rf"^(?P<d>\d{{2}})\.(?P<m>\d{{2}})\.(?P<y>\d{{2}}){_TIME}",
        "day/month/year": rf"^{_DAY}[/-]{_MONTH}[/-](?P<y>\d{{4}}|\d{{2}}){_TIME}",
        "month/day/year": rf"^{_MONTH}[/-]{_DAY}[/-](?P<y>\d{{4}}|\d{{2}}){_TIME}",
        "day month year": rf"^{_WEEKDAY}{_DAY}\.?[ -]{_NAME},?[ -](?P<y>\d{{4}}|\d{{2}}),?{_TIME}",
        "month day, year": rf"^{_WEEKDAY}{_NAME} {_DAY},? {_YEAR},?{_TIME}",
        "year-month": rf"^{_YEAR}-{_MONTH}$",
        "month/year": r"^(?P<m>\d{1,2})/(?P<y>\d{4}|\d{2})$",
        "month year": rf"^{_NAME}[ -]{_YEAR}$",
    }
)
_MONTHS = pa.array(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
# What strptime and Excel do with years of two digits.
_PIVOT = 69

Times = NDArray[np.datetime64]


def times_of(cells: pa.StringArray, pattern: str) -> Times:
    """Cells as times of microseconds in UTC; NaT for those that are missing, or no times of this pattern."""
    parts = pc.extract_regex(cells, PATTERNS[pattern])
    if parts.null_count == len(parts):
        return np.full(len(cells), np.datetime64("NaT", "us"))
    names = {field.name for field in parts.type}
    valid = parts.is_valid().to_numpy(zero_copy_only=False)

    def number(name: str, default: int) -> NDArray[np.int64]:
        if name not in names:
            return np.full(len(cells), default, np.int64)
        text = pc.struct_field(parts, name)
        filled = pc.if_else(pc.fill_null(pc.equal(text, ""), True), str(default), text)  # noqa: FBT003
        return np.asarray(filled.cast(pa.int64()))

    year, day, hour = number("y", 1970), number("d", 1), number("H", 0)
    short = pc.fill_null(pc.less(pc.utf8_length(pc.struct_field(parts, "y")), 3), False)  # noqa: FBT003
    year = np.where(short, year + np.where(year < _PIVOT, 2000, 1900), year)
    month = number("m", 1)
    if "b" in names:
        found = pc.index_in(pc.utf8_lower(pc.utf8_slice_codeunits(pc.struct_field(parts, "b"), 0, 3)), _MONTHS)
        month = np.asarray(pc.fill_null(found, -1)).astype(np.int64) + 1
    if "p" in names:
        half = pc.fill_null(pc.utf8_slice_codeunits(pc.utf8_lower(pc.struct_field(parts, "p")), 0, 1), "")
        is_half = np.asarray(pc.not_equal(half, ""))
        valid &= ~is_half | ((hour >= 1) & (hour <= 12))
        hour = np.where(is_half, hour % 12 + 12 * np.asarray(pc.equal(half, "p")), hour)
    minute, second = number("M", 0), number("S", 0)
    valid &= (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    valid &= days.astype("datetime64[M]") == months
    seconds = (hour * 60 + minute) * 60 + second - _zones(parts, names)
    times = days.astype("datetime64[us]")
    times += seconds * np.timedelta64(1_000_000, "us") + _micros(parts, names)
    times[~valid] = np.datetime64("NaT")
    return times


def _micros(parts: pa.StructArray, names: set[str]) -> NDArray[np.timedelta64]:
    if "f" not in names:
        return np.zeros(len(parts), "timedelta64[us]")
    digits = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.fill_null(pc.struct_field(parts, "f"), ""), 6, "0"), 0, 6)
    return np.asarray(digits.cast(pa.int64())).astype("timedelta64[us]")


def _zones(parts: pa.StructArray, names: set[str]) -> NDArray[np.int64]:
    """Seconds that the zone of each time is ahead of UTC."""
    zones = pc.struct_field(parts, "z") if "z" in names else None
    if zones is None or not pc.any(pc.not_equal(zones, "")).as_py():
        return np.zeros(len(parts), np.int64)
    offset = pc.extract_regex(zones, r"^(?P<sign>[+\-])(?P<h>\d{2}):?(?P<m>\d{2})?$")
    hours, minutes = (
        np.asarray(pc.utf8_lpad(pc.fill_null(pc.struct_field(offset, name), "0"), 1, "0").cast(pa.int64()))
        for name in ("h", "m")
    )
    behind = pc.fill_null(pc.equal(pc.struct_field(offset, "sign"), "-"), False)  # noqa: FBT003
    seconds: NDArray[np.int64] = (hours * 60 + minutes) * 60
    return np.where(np.asarray(behind), -seconds, seconds)
