"""Columns of tables that name pictures: by the job, by the model, or by the looks of their texts."""

from collections.abc import Mapping
from pathlib import Path

from stoker.models.access import Access
from stoker.models.columns import ColumnKind
from stoker.models.formats import format_by_suffix

from ..source import Source, Values
from .files import PictureFiles
from .source import PictureSource, Wanted

_LEAST_SHARE = 0.95
_SEEN_ROWS = 4_096


def with_pictures(
    source: Source, folder: str, wanted: Wanted, kinds: Mapping[str, ColumnKind], access: Access, scratch: Path
) -> Source:
    """A table whose columns of paths are decoded; as it is where there are none.

    Texts that are URLs of web servers are only taken for pictures if the job says so.

    Args:
        folder: where relative paths begin.
        kinds: what columns hold, by the job.
    """
    texts = [column.name for column in source.columns if column.dtype == "string" and not column.shape]
    shapes = wanted.shapes or {}
    sure = {name for name in texts if kinds.get(name) == "image" or name in shapes or name in wanted.masks}
    maybe = [name for name in texts if name not in sure and name not in kinds]
    found: set[str] = set()
    if maybe and wanted.shapes is None:
        batch = next(iter(source.batches(_SEEN_ROWS)), {})
        found = {name for name in maybe if name in batch and _are_paths(batch[name])}
    if not sure and not found:
        return source
    files = PictureFiles(folder, access, scratch)
    reads = {name: files for name in texts if name in sure | found}
    return PictureSource(source, reads, wanted, scratch, is_sure=not found)


def _are_paths(values: Values) -> bool:
    present = [value for value in values if value is not None]
    paths = sum(
        format_by_suffix(value) == "images" and not value.startswith(("http://", "https://")) for value in present
    )
    return bool(present) and paths >= _LEAST_SHARE * len(present)
