"""Which data a training reads, noted so that a later one can read the same again."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Data, Train
from stoker.models.data import Location, choices, open_file
from stoker.models.learned_from import HeldOut, LearnedFrom, UsedData
from stoker.models.pictures import Size
from stoker.models.signature import Signature

from .data import Source
from .opening import open_rows
from .preprocessing.split import NotedSplit
from .progress import Meter, obey_stop
from .run import Run

_BLOCK_BYTES = 1 << 20
_THREADS, _FILES = 4, 256
# As a manifest lists: Redis keeps every version's, and clients read it.
_MOST_COLUMNS = 1_000
GIVE_ALL = "give all rows as data, and leave add_data out"
_OWN_PICTURES = ("images", "npz", "tfrecord")
"""Formats in whose files the pictures are themselves."""


@dataclass(frozen=True)
class OpenedData:
    """Data that were opened.

    Attributes:
        used: what is noted of them, but for the number of rows.
    """

    source: Source
    used: UsedData


def open_used(
    data: str | Data,
    subset: Literal["train", "test"],
    run: Run,
    signature: Signature | None = None,
    *,
    names: Iterable[str] = (),
    image_size: Size | None = None,
    masks: Sequence[str] = (),
) -> OpenedData:
    """Open data as `open_rows` does. Their digest is taken before they are read: what changes later is noticed.

    Raises:
        InvalidJob, Unavailable: see `open_source`.
        Stopped: a stop was requested.
    """
    seen: list[tuple[Location, str]] = []
    source = open_rows(
        data,
        subset,
        run,
        signature,
        names=names,
        image_size=image_size,
        masks=masks,
        note=lambda location: seen.append((location, _digest_of_files(location, run))),
    )
    [(location, digest)] = seen
    options = data.model_dump(mode="json", exclude={"ref"}, exclude_defaults=True) if isinstance(data, Data) else {}
    if location.sample:
        digest = _digest_of_rows(source)
    has_pictures = any(column.role in ("picture", "mask") for column in source.columns)
    if has_pictures and location.format not in _OWN_PICTURES:
        digest = ""
    if len(options.get("columns", ())) > _MOST_COLUMNS:
        options, digest = {}, ""
    return OpenedData(source, UsedData(ref=str(data), options=options, digest=digest))


def open_again(
    used: UsedData,
    subset: Literal["train", "test"],
    run: Run,
    signature: Signature,
    ref: str,
    instead: str = GIVE_ALL,
) -> OpenedData:
    """Open what a version has learned from, as it was read then.

    Args:
        ref: the version's, for messages.
        instead: what to do where it has changed, for messages.

    Raises:
        InvalidJob: it has changed since.
        Stopped, Unavailable: see `open_used`.
    """
    data = Data.model_validate({"ref": used.ref, **used.options}) if used.options else used.ref
    opened = open_used(data, subset, run, signature)
    if opened.used.digest != used.digest:
        raise InvalidJob(f"{used.ref} has changed since {ref} has learned from it: put back what it was, or {instead}")
    if None not in (opened.source.rows, used.rows) and opened.source.rows != used.rows:
        raise InvalidJob(
            f"{used.ref} is read as {opened.source.rows:,} rows, and was as {used.rows:,} when {ref} has learned from "
            f"it: {instead}"
        )
    return OpenedData(opened.source, used)


def require_described(data: str | Data, source: Source) -> None:
    """Refuse to describe columns that there are not.

    Raises:
        InvalidJob: the job does.
    """
    names = [column.name for column in source.columns]
    for name, kind in data.columns.items() if isinstance(data, Data) else ():
        if name not in names and kind != "ignore":
            raise InvalidJob(f"{data} has no column {name!r}; it has {choices(name, names)}")


def first_data(spec: Train, seed: int, used: UsedData, noted: NotedSplit | None = None) -> LearnedFrom:
    """What a training that adds nothing has learned from.

    Args:
        noted: how its rows are split; None for windows of them.
    """
    if noted is None:
        return LearnedFrom(data=(used,))
    held_out = HeldOut(
        seed=seed,
        share=spec.validation_split,
        stratify=spec.stratify,
        group=spec.group,
        time=spec.time,
        task=spec.task,
        digest=noted.digest,
    )
    return LearnedFrom(
        data=(used.model_copy(update={"rows": noted.rows}),), held_out=held_out if noted.held_out else None
    )


def _digest_of_files(location: Location, run: Run) -> str:
    """A digest of the content of all files, and of what their names tell of rows."""
    whole = hashlib.sha256(json.dumps([location.format, location.names, location.partitions]).encode())
    meter, urls = Meter(run, "checking data", unit="files", total=len(location.urls)), location.urls
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="digest") as pool:
        for start in range(0, len(urls), _FILES):
            for digest in pool.map(partial(_digest_of_file, run), urls[start : start + _FILES]):
                whole.update(digest)
            meter.at(start)
    return whole.hexdigest()


def _digest_of_file(run: Run, url: str) -> bytes:
    digest = hashlib.sha256()
    with open_file(url) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            obey_stop(run)
    return digest.digest()


def _digest_of_rows(source: Source) -> str:
    """A digest of a sample set, of which there are no files."""
    digest = hashlib.sha256()
    for batch in source.batches(source.rows or 1):
        for name, values in batch.items():
            digest.update(name.encode())
            plain = values.dtype != object
            digest.update(np.ascontiguousarray(values).tobytes() if plain else json.dumps(values.tolist()).encode())
    return digest.hexdigest()
